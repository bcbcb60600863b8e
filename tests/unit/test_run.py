"""The library as a notebook uses it: a running loop, own functions, values that write nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import datasets
import pytest
from command_line import DERIVED, cli, derived, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.contracts import ExportFiles, ExportRow
from selfinstruct.errors import PluginError, RecipeError, RunDirectoryError, UserMistake
from selfinstruct.rundir.exporting import Exported

PACKAGE = Path(si.__file__).parent


def run(directory: Path, teacher: FakeOpenAI, **settings: Any) -> si.Run:
    return si.Run(directory, base_url=teacher.url, model="m", **settings)


def test_generate_build_and_to_hf_under_a_running_loop(teacher: FakeOpenAI, tmp_path: Path) -> None:
    async def cell() -> tuple[si.Dataset, si.Dataset]:
        loop = asyncio.get_running_loop()
        notebook = run(tmp_path / "run", teacher, num=30)
        generated = notebook.generate()
        assert asyncio.get_running_loop() is loop
        return generated, notebook.build()

    generated, built = asyncio.run(cell())
    assert [row.candidate for row in generated.rows] == [row.candidate for row in built.rows]
    table = si.Run(tmp_path / "run").to_hf()
    assert table.column_names == ["instruction", "input", "output"]
    assert table.num_rows == 30


def test_agenerate_in_the_callers_loop_gives_the_same(teacher: FakeOpenAI, tmp_path: Path) -> None:
    asyncio.run(run(tmp_path / "one", teacher, num=30).agenerate())
    run(tmp_path / "two", teacher, num=30).generate()
    assert derived(tmp_path / "one") == derived(tmp_path / "two")


def test_datasets_reads_the_file_and_the_directory_as_three_string_columns(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run(tmp_path / "run", teacher, num=50).generate()
    cache = str(tmp_path / "cache")
    file = datasets.load_dataset("json", data_files=str(tmp_path / "run" / "dataset.jsonl"), split="train", cache_dir=cache)
    folder = datasets.load_dataset(str(tmp_path / "run"), split="train", cache_dir=cache)  # by the card's front matter
    for table in (file, folder):
        assert table.num_rows == 50
        assert {name: str(feature.dtype) for name, feature in table.features.items()} == dict.fromkeys(
            ["instruction", "input", "output"], "string"
        )
    lines = (tmp_path / "run" / "dataset.jsonl").read_text().splitlines()
    assert all(list(json.loads(line)) == ["instruction", "input", "output"] for line in lines)


def test_export_gives_an_export_the_rows_with_their_provenance(teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, num=20)
    made.generate()
    exported: list[ExportRow] = []

    def collect(rows: Iterable[ExportRow], files: ExportFiles) -> None:
        exported.extend(rows)
        files.open("count.txt").write(str(len(exported)).encode())

    assert made.export(collect, tmp_path / "out", system="Be brief.") == Exported(20, (tmp_path / "out" / "count.txt",))
    assert [dict(row.provenance) for row in exported] == rows(tmp_path / "run" / "provenance.jsonl")
    texts = [{"instruction": row.instruction, "input": row.input, "output": row.output} for row in exported]
    assert texts == rows(tmp_path / "run" / "dataset.jsonl")
    assert [row.id for row in exported] == [row.provenance["id"] for row in exported]
    assert {row.system for row in exported} == {"Be brief."}
    done = made.export("messages", tmp_path / "few.jsonl", dataset=made.build(num=3))
    assert done == Exported(3, (tmp_path / "few.jsonl",)) and len(rows(tmp_path / "few.jsonl")) == 3


def test_building_writes_nothing_and_takes_other_settings(teacher: FakeOpenAI, tmp_path: Path) -> None:
    first = run(tmp_path / "run", teacher, num=30)
    first.generate()
    before = {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()}
    fewer = first.build(num=10)
    strict = first.build(rouge=0.05)
    assert len(fewer.rows) == 10
    assert len(strict.rows) < 30
    assert "rouge" in strict.funnel
    assert {path.name: path.read_bytes() for path in (tmp_path / "run").iterdir()} == before
    with pytest.raises(UserMistake, match=r"temperature: build changes only settings of \[curate\] and \[card\]"):
        first.build(temperature=0.1)
    first.write(fewer, to=tmp_path / "fewer")
    assert sorted(path.name for path in (tmp_path / "fewer").iterdir()) == sorted(DERIVED)
    assert "10 rows in Alpaca format" in (tmp_path / "fewer" / "README.md").read_text()
    first.write(fewer)
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 10
    assert si.Run(tmp_path / "run").recipe.curate.num == 10


def no_vowels_at_the_end(example: si.Example, context: object, *, vowels: str = "aeiou") -> si.Rejection | None:
    """Drops an instruction whose last letter is a vowel."""
    last = example.instruction.rstrip(".?")[-1:]
    return si.Rejection(last, vowels) if last in vowels else None


def test_building_takes_the_facts_of_the_card_from_a_recipe(teacher: FakeOpenAI, tmp_path: Path) -> None:
    si.Run(tmp_path / "run", base_url=teacher.url, model="m", num=5).generate()
    recipe = tmp_path / "card.toml"
    recipe.write_text('[card]\nlicence = "cc-by-4.0"\n[generate]\nmodel = "n"\n[curate]\nnum = 4\n')
    for words, folder in ((("--out", tmp_path / "new"), "new"), ((), "run")):
        assert cli("build", tmp_path / "run", "--recipe", recipe, *words).returncode == 0
        assert 'license: "cc-by-4.0"' in (tmp_path / folder / "README.md").read_text()
        assert len(rows(tmp_path / folder / "dataset.jsonl")) == 4
    again = si.Run(tmp_path / "run")
    assert (again.recipe.card.licence, again.recipe.generate.model) == ("cc-by-4.0", "m")


def test_an_own_filter_is_a_function(teacher: FakeOpenAI, tmp_path: Path) -> None:
    with_vowels = run(tmp_path / "run", teacher, num=20, filters=[no_vowels_at_the_end]).generate()
    name = f"{no_vowels_at_the_end.__module__}:no_vowels_at_the_end"
    assert with_vowels.funnel[name] > 0
    assert all(row.candidate.task.instruction.rstrip(".?")[-1] not in "aeiou" for row in with_vowels.rows)
    recorded = json.loads((tmp_path / "run" / "run.json").read_text())
    assert recorded["curate"]["filters"][name] is True
    by_name = run(tmp_path / "named", teacher, num=20, filters={name: {"vowels": "aeiou"}}).generate()
    assert [row.candidate for row in by_name.rows] == [row.candidate for row in with_vowels.rows]
    with pytest.raises(PluginError, match="no filter is named 'nonsense'"):
        run(tmp_path / "other", teacher, filters={"nonsense": True})
    with pytest.raises(RecipeError, match=r"^nmu: unknown setting\. Fix: rename it to num\.$"):
        run(tmp_path / "other", teacher, nmu=3)


def test_an_error_in_an_own_filter_is_raised_as_it_is_and_loses_no_reply(teacher: FakeOpenAI, tmp_path: Path) -> None:
    def broken(example: si.Example, context: object) -> si.Rejection | None:
        raise ZeroDivisionError("in my filter")

    with pytest.raises(ZeroDivisionError, match="in my filter"):
        run(tmp_path / "run", teacher, num=20, filters=[broken]).generate()
    assert len(outcomes(tmp_path / "run")) == sum(teacher.asked().values())


def test_a_run_object_can_be_used_again_and_stopped_when_it_is_idle(teacher: FakeOpenAI, tmp_path: Path) -> None:
    again = run(tmp_path / "run", teacher, num=20)
    again.stop()
    first = again.generate()
    again.stop()
    asked = sum(teacher.asked().values())
    assert [row.candidate for row in again.generate().rows] == [row.candidate for row in first.rows]
    assert sum(teacher.asked().values()) == asked


@pytest.mark.slow
def test_an_interrupt_in_a_notebook_waits_for_the_replies_in_flight(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    """A cell under a running loop, in a process of its own, gets one SIGINT."""
    slow = start_teacher(latency=0.5)
    code = (
        "import asyncio, sys, selfinstruct as si\n"
        "async def cell():\n"
        "    try:\n"
        f"        si.Run({str(tmp_path / 'run')!r}, base_url={slow.url!r}, model='m', num=400, concurrency=4).generate()\n"
        "    except KeyboardInterrupt:\n"
        "        print('interrupted')\n"
        "loop = asyncio.new_event_loop()\n"
        "loop.run_until_complete(cell())\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    while sum(slow.asked().values()) < 8:
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=300)[0] == "interrupted\n"
    assert len(outcomes(tmp_path / "run")) == sum(slow.asked().values())
    assert rows(tmp_path / "run" / "dataset.jsonl")


def test_stop_lets_agenerate_return_what_there_is(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    slow = start_teacher(latency=0.3)

    async def cell() -> si.Dataset:
        stopped = run(tmp_path / "run", slow, num=400, concurrency=4)
        task = asyncio.create_task(stopped.agenerate())
        while sum(slow.asked().values()) < 6:
            await asyncio.sleep(0.01)
        with pytest.raises(UserMistake, match="already generating"):
            await stopped.agenerate()
        stopped.stop()
        return await task

    dataset = asyncio.run(cell())
    assert 0 < len(dataset.rows) < 400
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == len(dataset.rows)


def make_filter(letter: str) -> Callable[..., si.Rejection | None]:
    def no_letter(example: si.Example, context: object) -> si.Rejection | None:
        return si.Rejection(letter) if letter in example.instruction else None

    return no_letter


def test_filters_and_methods_that_cannot_be_used_are_refused_before_any_request(teacher: FakeOpenAI, tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"filters": [make_filter("a"), make_filter("b")]}, UserMistake, "two functions have the name"),
        ({"filters": ["refusal"]}, UserMistake, "is not a function"),
        ({"filters": {"builtins:dict": True}}, PluginError, r"must accept \(example, context\)"),
        ({"method": "json:dumps"}, PluginError, "has no `propose`, `solve` or `rows_at_most`|cannot be made"),
        ({"extra": {"x": float("nan")}}, RecipeError, "JSON cannot hold"),
        ({"options": {"seeds_per_request": -1}}, RecipeError, "a whole number from 1 up"),
        (
            {"options": {"seeds_per_requst": 2}},
            RecipeError,
            "options.seeds_per_requst: .* no such option. Fix: rename it to seeds_per_request",
        ),
        ({"options": {"tasks_per_request": 3}}, UserMistake, "gives at most 0 rows"),
    ]
    for settings, error, says in wrong:
        with pytest.raises(error, match=says):
            run(tmp_path / "run", teacher, **settings)
    with pytest.raises(PluginError, match="must return a Rejection or None"):
        run(tmp_path / "run", teacher, filters=[lambda example, context: True]).generate()


def test_a_build_without_its_journal_does_not_empty_the_dataset(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run(tmp_path / "run", teacher, num=20).generate()
    (tmp_path / "run" / "journal.jsonl").unlink()
    with pytest.raises(RunDirectoryError, match="nothing can be built without it"):
        si.Run(tmp_path / "run").write()
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 20


def test_a_complete_run_needs_no_teacher(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run(tmp_path / "run", teacher, num=20).generate()
    teacher.process.communicate("")  # the server has gone
    assert len(si.Run(tmp_path / "run").generate().rows) == 20


def test_seeds_are_drawn_alike_for_ever() -> None:
    """The journal answers requests that show these seeds: another draw would make every old run useless."""
    from selfinstruct.contracts import MethodContext

    setting = MethodContext((), None, None, 7)  # type: ignore[arg-type]
    assert setting.rng(0).sample(range(224), 3) == DRAWN[0]
    assert setting.rng(41).sample(range(224), 8) == DRAWN[1]


DRAWN = ([180, 90, 157], [100, 194, 32, 99, 76, 19, 141, 98])


def test_provenance_says_where_each_row_came_from(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run(tmp_path / "run", teacher, num=40, temperature=0.6).generate()
    journal = {entry["key"]: entry for entry in outcomes(tmp_path / "run")}
    data, origins = rows(tmp_path / "run" / "dataset.jsonl"), rows(tmp_path / "run" / "provenance.jsonl")
    assert len(data) == len(origins) == 40
    for row, origin in zip(data, origins, strict=True):
        assert origin["id"] == si.Example(**row).id
        entry = journal[origin["request_key"]]
        assert str(row["instruction"]) in entry["text"]
        assert origin["candidate"] == f"{origin['request_key']}#{origin['position']}"
        assert len(origin["seeds"]) == 3
        assert (origin["method"], origin["teacher"], origin["model"], origin["endpoint"]) == (
            "alpaca",
            "openai",
            "m",
            "127.0.0.1",
        )
        assert origin["prompt"]["name"] == "alpaca"
        assert origin["sampling"] == {"temperature": 0.6}
        assert origin["finish_reason"] == "stop"
        assert origin["usage"]["completion_tokens"] > 0
        assert origin["time"].endswith("Z")
        scores = [near["score"] for near in origin["nearest"]]
        assert len(scores) == 10
        assert scores == sorted(scores, reverse=True)
        assert max(scores) <= 0.7


def test_the_mean_similarity_goes_into_the_provenance_if_it_is_wanted(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run(tmp_path / "run", teacher, num=20).generate()
    assert not any("mean_similarity" in origin for origin in rows(tmp_path / "run" / "provenance.jsonl"))
    built = si.Run(tmp_path / "run").build(mean_similarity=True)
    si.Run(tmp_path / "run").write(built, to=tmp_path / "means")
    for row, origin in zip(built.rows, rows(tmp_path / "means" / "provenance.jsonl"), strict=True):
        earlier = next(built.pool.nearest_earlier([row.candidate.id], len(built.pool)))
        assert origin["mean_similarity"] == pytest.approx(sum(near.score for near in earlier) / len(earlier), abs=1e-6)


def scripted_run(directory: Path, *instructions: str) -> si.Run:
    """A finished run whose only reply holds these tasks."""
    text = "\n".join(f"###\n{number}. Instruction: {one}\n{number}. Input:\n<noinput>\n{number}. Output:\nDone, number {number}."
                     for number, one in enumerate(instructions, 4))  # fmt: skip
    teacher, off = si.Scripted(lambda key, request: text), {"punctuation_start": False}
    made = si.Run(directory, teacher=teacher, filters=off, num=len(instructions), give_up_after=1, language="th")
    made.generate()
    return made


def test_instructions_in_other_scripts_are_compared_unless_tokens_are_ascii(tmp_path: Path) -> None:
    thai = "\u0e40\u0e02\u0e35\u0e22\u0e19\u0e01\u0e25\u0e2d\u0e19"  # write a poem
    made = scripted_run(tmp_path / "run", thai, thai + "\u0e46", "\u266b \u266b \u266b \u266b")
    dataset = made.build()
    assert [row.candidate.task.instruction for row in dataset.rows] == [thai, "\u266b \u266b \u266b \u266b"]
    assert dataset.funnel["rouge"] >= 1 and dataset.without_tokens == 1
    ascii_only = made.build(tokens="ascii")
    assert (len(ascii_only.rows), ascii_only.without_tokens) == (3, 3)


def test_the_package_and_its_help_load_nothing_heavy() -> None:
    code = (
        "import sys, selfinstruct, selfinstruct.cli.app;"
        "print([m for m in ('openai', 'datasets', 'rouge_score', 'pydantic', 'numpy', 'tenacity') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def in_a_sentence(ended: Any) -> str:
    """Return the message of a refused command, which must be one line."""
    assert ended.returncode == 2 and ended.stdout == "" and len(ended.stderr.splitlines()) == 1, ended.stderr
    return str(ended.stderr)


def no_poems(example: si.Example, context: Any) -> si.Rejection | None:
    return si.Rejection("poem") if len(example.instruction) % 3 == 0 else None


def with_notebook_filter(path: Path, teacher: FakeOpenAI, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> si.Run:
    monkeypatch.setattr(no_poems, "__module__", "__main__")
    run = si.Run(path, base_url=teacher.url, model="m", filters=[no_poems], num=30, **settings)
    assert run.generate().funnel["__main__:no_poems"]
    return run


@pytest.mark.slow
def test_a_notebooks_filter_can_be_switched_off(teacher: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = with_notebook_filter(tmp_path / "run", teacher, monkeypatch)
    built = cli("build", run.path, "--without", "__main__:no_poems", "--out", tmp_path / "all")
    assert built.returncode == 0, built.stderr
    assert len(rows(tmp_path / "all" / "dataset.jsonl")) == 30
    assert "__main__:no_poems" not in {line["rule"] for line in rows(tmp_path / "all" / "rejected.jsonl")}


def test_a_notebook_filter_cannot_be_left_out_when_prompts_depend_on_it(
    teacher: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed_back = {"method": "few_shot", "lag": 4, "options": {"generated_per_request": 2}}
    run = with_notebook_filter(tmp_path / "run", teacher, monkeypatch, **fed_back)
    said = in_a_sentence(cli("build", run.path, "--without", "__main__:no_poems", "--out", tmp_path / "all"))
    assert "the prompts of this run show what its filters admitted" in said and "__main__:no_poems" in said


def test_a_run_is_shown_with_its_place_its_rows_and_its_method(tmp_path: Path) -> None:
    assert repr(si.Run(tmp_path / "run", model="m", num=1000)) == f"<Run at {tmp_path / 'run'}: 1,000 rows wanted, method alpaca>"
