"""Several teachers and several methods in one run: requests, costs, provenance and the dataset card."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import cli, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.errors import RecipeChanged, RecipeError, RunDirectoryError, TeacherStop, UserMistake
from selfinstruct.report.integrity import fsck

UNREACHABLE: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


def two(first: FakeOpenAI, second: FakeOpenAI, **more: Any) -> dict[str, Any]:
    strong = {"base_url": first.url, "model": "m", "propose": 3, "solve": 0, "temperature": 0.3}
    return {"teachers": {"strong": strong, "small": {"base_url": second.url, "model": "n", "propose": 1}}, **more}


def test_each_request_goes_to_its_teacher_and_provenance_names_the_writer(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    first, second = start_teacher(), start_teacher()
    run = si.Run(tmp_path / "run", method="few_shot", num=60, **two(first, second))
    dataset = run.generate()
    assert {line["model"] for line in first.requests()} == {"m"}
    assert {line["model"] for line in second.requests()} == {"n"}
    replies = {line["key"]: line for line in outcomes(run.path)}
    asked = Counter((line["teacher"], key.endswith("/solve")) for key, line in replies.items())
    assert asked["strong", True] == 0 and asked["small", True] > 0  # a weight of 0 means never
    assert 2 < asked["strong", False] / asked["small", False] < 5  # weights 3 and 1, drawn at random
    for origin in rows(run.path / "provenance.jsonl"):
        assert (origin["teacher"], origin["model"]) == ("small", "n")
        proposed: Any = origin["proposed_by"]
        assert proposed["teacher"] == replies[proposed["request_key"]]["teacher"]
        assert proposed["sampling"].get("temperature") == (0.3 if proposed["teacher"] == "strong" else None)
    wrote = dataset.writers["instructions"]
    card = (run.path / "README.md").read_text()
    assert f"{wrote['strong']} ({100 * wrote['strong'] / 60:.0f} %) of the instructions, 0 (0 %) of the outputs" in card
    assert f"{wrote['small']} ({100 * wrote['small'] / 60:.0f} %) of the instructions, 60 (100 %) of the outputs" in card


@pytest.mark.slow
def test_each_teacher_has_its_own_price(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    first, second = start_teacher(), start_teacher()
    pace = {"strong": {"price": {"input": 10.0, "output": 30.0}}, "small": {"price": {"input": 0.1, "output": 0.2}}}
    run = si.Run(tmp_path / "run", method="few_shot", num=30, pace=pace, **two(first, second))
    dataset = run.generate()
    (_, *strong), (_, *small) = first.spent(), second.spent()
    expected = (strong[0] * 10 + strong[1] * 30 + small[0] * 0.1 + small[1] * 0.2) / 1e6
    status = json.loads(cli("status", run.path, "--json").stdout)
    assert status["money"]["usd_for_replies"] == pytest.approx(expected, abs=1e-6)
    assert set(dataset.tallies) == {"strong", "small"}
    cost = 0.0
    for name, tally in dataset.tallies.items():
        price = pace[name]["price"]
        cost += tally.usage.prompt_tokens * price["input"] + tally.usage.completion_tokens * price["output"]
    assert f"{cost / 1e6:.4f} US dollars" in (run.path / "README.md").read_text()
    # The limit counts each teacher at its own price. At the price of `strong`, these calls would cost 100 times as much.
    capped = si.Run(
        tmp_path / "capped", method="few_shot", num=500, pace=pace, max_usd=0.05, reply_tokens=200, **two(first, second)
    )
    before = [first.spent(), second.spent()]
    assert not capped.generate().complete
    (a, b), (c, d) = [(n[1] - o[1], n[2] - o[2]) for n, o in zip([first.spent(), second.spent()], before, strict=True)]
    assert 0.02 < (a * 10 + b * 30 + c * 0.1 + d * 0.2) / 1e6 <= 0.05


def test_each_teacher_gets_its_own_batches(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    first, second = start_teacher(batch_seconds=0.1), start_teacher(batch_seconds=0.1)
    live = si.Run(tmp_path / "live", method="few_shot", num=20, **two(first, second))
    live.generate()
    run = si.Run(tmp_path / "batch", method="few_shot", num=20, batch=True, **two(first, second))
    assert run.generate().complete
    lines = rows(run.path / "journal.jsonl")
    planned = [line for line in lines if line["kind"] == "batch" and line["state"] == "planned"]
    assert {line["teacher"] for line in planned} == {"strong", "small"}
    assert all(line["path"] == "/v1/batches" for line in [*first.requests(), *second.requests()][-20:])
    for name in ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl"):
        assert (run.path / name).read_bytes() == (live.path / name).read_bytes()


def test_teachers_may_be_objects(tmp_path: Path) -> None:
    def scripted(name: str) -> si.Scripted:
        return si.Scripted(lambda key, request: f"{name} says number {key} in a few words", model=name)

    teachers = {"a": scripted("ann"), "b": {"teacher": scripted("bob"), "propose": 0}}
    off: dict[str, Any] = {"rouge": 1.0, "filters": {"same_task": False}}
    dataset = si.Run(tmp_path / "run", method="few_shot", teachers=teachers, num=10, **off).generate()
    assert dataset.complete
    assert dataset.writers["instructions"] == {"a": 10}
    assert set(dataset.writers["outputs"]) == {"a", "b"}
    assert si.Run(tmp_path / "run").files()["dataset.jsonl"] == (tmp_path / "run" / "dataset.jsonl").read_bytes()


def test_a_teacher_without_a_key_stops_the_run_before_anything_is_asked(teacher: FakeOpenAI, tmp_path: Path) -> None:
    far = {"near": {"base_url": teacher.url, "model": "m"}, "far": {"base_url": "https://teacher.invalid/v1", "model": "m"}}
    with pytest.raises(TeacherStop, match=r"no API key for teacher\.invalid"):
        si.Run(tmp_path / "run", method="few_shot", teachers=far).generate()
    assert not teacher.requests() and not (tmp_path / "run").exists()


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"teachers": {"a": {"model": "m", "propose": 0}}}, "none has a weight to propose"),
    ({"teachers": {"a": {"model": "m"}}, "model": "x"}, "model and teachers: cannot be given together"),
    ({"teachers": {"a b": {"model": "m"}}}, "teachers.a b: must be a name of at most 31 characters"),
    ({"teachers": {"a": {"modell": "m"}}}, "teachers.a.modell: unknown setting. Fix: rename it to model."),
    ({"teachers": ["a"]}, "teachers: must be a table with a table for each name"),
    ({"mix": {"a": {"method": "few_shot"}}, "method": "alpaca"}, "method and mix: cannot be given together"),
    (
        {"mix": {"a": {"method": "few_shot", "options": {"rounds": 3}}}},
        "mix.a.options.rounds: the method 'few_shot' has",
    ),
    ({"mix": {"a": {"method": "few_shot", "teachers": ["b"]}}}, "mix.a.teachers: there is no teacher 'b' in teachers"),
    ({"mix": {"a": {"weight": 1}}}, "mix.a.method"),
    ({"mix": {"a": {"method": "few_shot", "weight": 0}}}, "greater than 0"),
    ({"languages": {"xx": 1}}, "languages.xx: is not a language code"),
    ({"languages": {"Swahili": 1}}, "Fix: give its code, sw."),
    ({"seed_sampling": "thin"}, "seed_sampling"),
    ({"lag": 0}, "lag: must be at least 1"),
    ({"method": "documents"}, "documents"),
    ({"method": "evol", "options": {"judge": "maybe"}}, "judge: must be one of equal, none"),
    ({"method": "magpie", "prompt": "magpie-mistral", "domain": "boats"}, "has no place for a domain"),
]


@pytest.mark.parametrize(("settings", "says"), WRONG, ids=[says for _, says in WRONG])
def test_impossible_settings_are_refused(settings: dict[str, Any], says: str, tmp_path: Path) -> None:
    given = settings if "teachers" in settings else {"base_url": "http://127.0.0.1:1/v1", "model": "m", **settings}
    with pytest.raises(UserMistake, match=says):
        si.Run(tmp_path / "run", **given)


@pytest.mark.slow
def test_a_run_is_continued_with_the_same_teachers_and_methods_only(teacher: FakeOpenAI, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f"""[generate.teachers]
a = {{ base_url = "{teacher.url}", model = "m" }}
[generate.mix.one]
method = "few_shot"
[generate.mix.two]
method = "evol"
"""
    )
    assert cli("generate", tmp_path / "run", "--recipe", recipe, "--num", 20).returncode == 0
    assert cli("generate", tmp_path / "run", "--recipe", recipe, "--num", 30).returncode == 0  # the same recipe changes nothing
    assert si.Run(tmp_path / "run", num=40).generate().complete
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"prompt.one.txt", "prompt.two.txt", "seeds.jsonl"} <= files and "prompt.txt" not in files
    made = Counter(origin["method"] for origin in rows(tmp_path / "run" / "provenance.jsonl"))
    assert set(made) == {"few_shot", "evol"}
    assert cli("fsck", tmp_path / "run").returncode == 0
    moved = {"a": {"base_url": "http://127.0.0.1:9/v1", "model": "m"}}
    assert si.Run(tmp_path / "run", teachers=moved).build().complete  # a server may move
    for change in ({"teachers": {"a": {"model": "x"}}}, {"mix": {"one": {"method": "few_shot", "weight": 2}}}, {"lag": 5}):
        with pytest.raises(RecipeChanged):
            si.Run(tmp_path / "run", **change)
    (tmp_path / "run" / "prompt.two.txt").write_text((tmp_path / "run" / "prompt.one.txt").read_text())
    with pytest.raises(RunDirectoryError, match="was changed since the run began"):
        si.Run(tmp_path / "run")
    (tmp_path / "run" / "prompt.two.txt").unlink()
    with pytest.raises(RunDirectoryError, match="was changed since the run began") as caught:
        si.Run(tmp_path / "run")
    assert str(caught.value).count("Fix:") == 1


def test_one_prompt_for_a_run_of_several_methods_is_refused(teacher: FakeOpenAI, tmp_path: Path) -> None:
    mix = {"one": {"method": "few_shot"}, "two": {"method": "evol"}}
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", mix=mix, num=5)
    run.generate()
    with pytest.raises(RecipeError, match=r"^prompt: this run has several methods"):
        si.Run(tmp_path / "run", prompt="few-shot")
    with pytest.raises(RecipeChanged):
        si.Run(tmp_path / "run", method="few_shot", prompt="few-shot")
    assert si.Run(tmp_path / "run", prompt="").build().complete


def test_a_method_can_be_limited_to_one_of_several_teachers(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    first, second = start_teacher(), start_teacher()
    mix = {"few": {"method": "few_shot", "teachers": ["strong", "small"]}, "pie": {"method": "magpie", "teachers": ["small"]}}
    run = si.Run(tmp_path / "run", mix=mix, send_seed=True, num=40, **two(first, second))
    run.generate()
    by_method = {
        method: {origin["proposed_by"]["teacher"] for origin in rows(run.path / "provenance.jsonl") if origin["method"] == method}
        for method in ("few_shot", "magpie")
    }
    assert by_method == {"few_shot": {"strong", "small"}, "magpie": {"small"}}


def test_a_mix_whose_teachers_never_solve_is_refused(tmp_path: Path) -> None:
    mix = {"few": {"method": "few_shot", "teachers": ["strong"]}}
    with pytest.raises(RecipeError, match="strong has a weight to solve"):
        si.Run(tmp_path / "run", mix=mix, teachers={"strong": {"model": "m", "solve": 0}, "small": {"model": "n"}})


UNUSED = [{"documents": "."}, {"documents": ".", "method": "few_shot"}, {"source": "."}, {"source": ".", "recipe": "documents"}]


@pytest.mark.parametrize("given", UNUSED, ids=str)
def test_documents_and_sources_that_no_method_uses_are_refused(given: dict[str, str], tmp_path: Path) -> None:
    text = tmp_path / "bees.txt"
    text.write_text("Bees live in hives and make honey from nectar. " * 20)
    (tmp_path / "tasks.jsonl").write_text('{"instruction": "Name a bee.", "input": "", "output": "Maja."}\n')
    paths: dict[str, Any] = {"documents": text, "source": tmp_path / "tasks.jsonl"}
    settings: dict[str, Any] = {"documents": text} if given.get("recipe") == "documents" else {}
    settings |= {name: paths.get(name, value) for name, value in given.items()}
    wanted = "evol" if "source" in given else "documents"
    with pytest.raises(RecipeError, match=f"is for the method '{wanted}'"):
        si.Run(tmp_path / "run", **UNREACHABLE, **settings)


def test_a_run_without_replies_can_change_between_a_mix_and_one_method(teacher: FakeOpenAI, tmp_path: Path) -> None:
    ways: list[tuple[dict[str, Any], set[str]]] = [
        ({"recipe": "mixed"}, {"prompt.lists.txt", "prompt.stages.txt", "prompt.evolved.txt"}),
        ({"method": "few_shot"}, {"prompt.txt"}),
        ({"recipe": "mixed"}, {"prompt.lists.txt", "prompt.stages.txt", "prompt.evolved.txt"}),
    ]
    for way, prompts in ways:
        with pytest.raises(TeacherStop):
            si.Run(tmp_path / "run", base_url=teacher.url, model="unknown", num=20, **way).generate()
        assert {path.name for path in (tmp_path / "run").glob("prompt*")} == prompts
        assert fsck(tmp_path / "run") == []
    assert si.Run(tmp_path / "run", model="m").generate().complete
    assert fsck(tmp_path / "run") == []


def test_a_pace_for_an_unknown_teacher_is_refused(tmp_path: Path) -> None:
    for teachers in ({"teachers": {"a": UNREACHABLE}}, UNREACHABLE):
        with pytest.raises(RecipeError, match=r"^pace\.b: there is no teacher 'b' in teachers"):
            si.Run(tmp_path / "run", method="few_shot", pace={"b": {"rpm": 60}}, **teachers)
