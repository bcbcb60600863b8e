"""What a reviewer found in runs with several teachers, methods and topics; each of these was wrong once."""

from __future__ import annotations

import asyncio
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from command_line import cli, outcomes, rows
from fake_openai import Teacher

import selfinstruct as si
from selfinstruct.errors import PluginError, RecipeChanged, RecipeError, RequestRefused, TeacherStop, TopicError, UserMistake
from selfinstruct.methods.self_instruct import _from_number, _pairs
from selfinstruct.notations.listed import listed
from selfinstruct.records import Candidate, ParsedTask, Reply, Request
from selfinstruct.report.integrity import fsck
from selfinstruct.report.status import status

NOBODY = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
KEEP_ALL = {"rouge": 1.0, "filters": {"same_task": False, "repetition": False}}


def stored(run: si.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "run.json").read_text())
    return found


def in_a_sentence(ended: Any) -> str:
    """What a command that was refused says."""
    assert ended.returncode == 2 and ended.stdout == "" and len(ended.stderr.splitlines()) == 1, ended.stderr
    return str(ended.stderr)


# Filters that live in a notebook.


def no_poems(example: si.Example, around: Any) -> si.Rejection | None:
    return si.Rejection("poem") if len(example.instruction) % 3 == 0 else None


def with_notebook_filter(path: Path, teacher: Teacher, monkeypatch: pytest.MonkeyPatch, **settings: Any) -> si.Run:
    monkeypatch.setattr(no_poems, "__module__", "__main__")
    run = si.Run(path, base_url=teacher.url, model="m", filters=[no_poems], num=30, **settings)
    assert run.generate().funnel["__main__:no_poems"]
    return run


def test_a_notebooks_filter_can_be_switched_off(teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = with_notebook_filter(tmp_path / "run", teacher, monkeypatch)
    built = cli("build", run.path, "--without", "__main__:no_poems", "--out", tmp_path / "all")
    assert built.returncode == 0, built.stderr
    assert len(rows(tmp_path / "all" / "dataset.jsonl")) == 30
    assert "__main__:no_poems" not in {line["rule"] for line in rows(tmp_path / "all" / "rejected.jsonl")}


def test_a_notebooks_filter_that_prompts_went_by_is_missed_in_words(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fed_back = {"method": "few_shot", "lag": 4, "options": {"generated_per_request": 2}}
    run = with_notebook_filter(tmp_path / "run", teacher, monkeypatch, **fed_back)
    said = in_a_sentence(cli("build", run.path, "--without", "__main__:no_poems", "--out", tmp_path / "all"))
    assert "the prompts of this run show what its filters admitted" in said and "__main__:no_poems" in said


def test_settings_with_a_tuple_are_the_same_when_a_run_goes_on(teacher: Teacher, tmp_path: Path) -> None:
    given: dict[str, Any] = {"filters": {"unfit_for_text": {"words": ("sing", "dance")}}, "num": 10}
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", **given)
    assert run.generate().rows == run.generate().rows
    assert si.Run(run.path, **given).generate().complete


# Names and options.


def test_an_option_of_the_method_is_no_field_of_a_request(teacher: Teacher, tmp_path: Path) -> None:
    options = {"instances_per_task": 3, "instances_temperature": 0.25}
    run = si.Run(tmp_path / "run", "self-instruct", base_url=teacher.url, model="m", num=20, options=options)
    run.generate()
    sampled: dict[str, Any] = {str(line["key"]): line["sampling"] for line in outcomes(run.path)}
    assert not any("per_task" in fields for fields in sampled.values())
    assert {fields["temperature"] for key, fields in sampled.items() if key.endswith("/instances")} == {0.25}


@pytest.mark.parametrize("name", ["documents", "alpaca", "self-instruct"])
def test_a_folder_does_not_hide_a_recipe_or_a_prompt(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "bees.txt").write_text("Bees live in hives and make honey from nectar. " * 20)
    monkeypatch.chdir(tmp_path)
    more = ["--documents", name] if name == "documents" else []
    ended = cli("generate", "run", "--recipe", name, "--prompt", name, "--model", "m", "--dry-run", *more)
    assert ended.returncode == 0, ended.stderr


UNUSED = [{"documents": "."}, {"documents": ".", "method": "few_shot"}, {"source": "."}, {"source": ".", "recipe": "documents"}]


@pytest.mark.parametrize("given", UNUSED, ids=str)
def test_documents_and_sources_that_no_method_uses_are_refused(given: dict[str, str], tmp_path: Path) -> None:
    text = tmp_path / "bees.txt"
    text.write_text("Bees live in hives and make honey from nectar. " * 20)
    (tmp_path / "tasks.jsonl").write_text('{"instruction": "Name a bee.", "input": "", "output": "Maja."}\n')
    paths = {"documents": text, "source": tmp_path / "tasks.jsonl"}
    settings = {"documents": text} if given.get("recipe") == "documents" else {}
    settings |= {name: paths.get(name, value) for name, value in given.items()}
    wanted = "evol" if "source" in given else "documents"
    with pytest.raises(RecipeError, match=f"is for the method '{wanted}'"):
        si.Run(tmp_path / "run", **NOBODY, **settings)


def test_a_method_wins_over_a_recipes_mix(teacher: Teacher, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", "mixed", method="few_shot", base_url=teacher.url, model="m", num=10)
    assert run.generate().complete
    assert {origin["method"] for origin in rows(run.path / "provenance.jsonl")} == {"few_shot"}
    assert not run.recipe.generate.mix and stored(run)["prompt"]["name"] == "few-shot"


def test_what_was_never_answered_may_be_a_mix_or_one_method(teacher: Teacher, tmp_path: Path) -> None:
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


# Several teachers: keys, addresses, paces, prices.


def test_one_key_does_not_go_to_two_hosts(teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    addresses = (teacher.url, "https://one.invalid/v1", "https://two.invalid/v1")
    teachers = {f"t{number}": {"base_url": address, "model": "m"} for number, address in enumerate(addresses)}
    with pytest.raises(RecipeError, match="key_variable"):
        si.Run(tmp_path / "run", method="few_shot", teachers=teachers, patience=1).generate()
    assert not teacher.requests() and not (tmp_path / "run").exists()


def test_a_server_on_this_machine_may_stand_beside_a_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the README's example; nothing is sent here, for nothing may be spent."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    teachers = {"strong": {"base_url": "https://one.invalid/v1", "model": "m"}, "cheap": {**NOBODY}}
    dear = {"price": {"input": 1.0, "output": 1.0}}
    run = si.Run(tmp_path / "run", method="few_shot", teachers=teachers, max_usd=1e-12, **dear)
    assert not run.generate().rows and not outcomes(run.path)


def test_each_teacher_gets_its_own_key(
    start_teacher: Callable[..., Teacher], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start_teacher(), start_teacher()
    for name, key in (("FIRST_KEY", "sk-1111"), ("SECOND_KEY", "sk-2222"), ("NEW_KEY", "sk-3333"), ("OPENAI_API_KEY", "sk-0000")):
        monkeypatch.setenv(name, key)
    teachers = {
        "a": {"base_url": first.url, "model": "m", "key_variable": "FIRST_KEY"},
        "b": {"base_url": second.url, "model": "m", "key_variable": "SECOND_KEY"},
    }
    si.Run(tmp_path / "run", method="few_shot", num=10, teachers=teachers).generate()
    assert {line["key"] for line in first.requests()} == {"1111"} and {line["key"] for line in second.requests()} == {"2222"}
    si.Run(tmp_path / "run", num=20, teachers={"a": {"key_variable": "NEW_KEY"}}).generate()
    assert {line["key"] for line in first.requests()} == {"1111", "3333"}
    monkeypatch.delenv("NEW_KEY")
    with pytest.raises(TeacherStop, match="export NEW_KEY="):
        si.Run(tmp_path / "run", num=30).generate()


def test_the_usual_address_is_that_of_named_teachers_too(
    teacher: Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", teacher.url)
    run = si.Run(tmp_path / "run", method="few_shot", num=5, teachers={"a": {"model": "m"}})
    run.generate()
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert stored(run)["generate"]["teachers"]["a"]["base_url"] == teacher.url
    assert si.Run(run.path, num=10).generate().complete


def test_what_a_table_leaves_out_is_as_it_was(start_teacher: Callable[..., Teacher], tmp_path: Path) -> None:
    first, second = start_teacher(), start_teacher()
    price = {"input": 1.0, "output": 2.0}
    teachers = {"a": {"base_url": first.url, "model": "m", "temperature": 0.5}, "b": {"base_url": first.url, "model": "n"}}
    pace: dict[str, Any] = {"a": {"concurrency": 3, "price": price}, "b": {"price": price}}
    si.Run(tmp_path / "run", method="few_shot", num=10, teachers=teachers, pace=pace).generate()
    run = si.Run(tmp_path / "run", num=20, teachers={"a": {"base_url": second.url}}, pace={"a": {"rpm": 6000}})
    assert run.generate().complete
    assert {line["model"] for line in second.requests()} == {"m"}
    found = stored(run)
    assert found["generate"]["teachers"]["a"]["temperature"] == 0.5
    assert found["generate"]["teachers"]["b"]["base_url"] == first.url
    assert found["runtime"]["pace"]["a"] == {"concurrency": 3, "rpm": 6000, "tpm": None, "price": price}
    assert found["runtime"]["pace"]["b"]["price"] == price


def test_a_pace_is_of_a_teacher_that_there_is(tmp_path: Path) -> None:
    for teachers in ({"teachers": {"a": NOBODY}}, NOBODY):
        with pytest.raises(RecipeError, match=r"runtime\.pace\.b: there is no teacher 'b'"):
            si.Run(tmp_path / "run", method="few_shot", pace={"b": {"rpm": 60}}, **teachers)


def test_other_teachers_make_the_paces_of_a_recipe_void(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[generate.teachers.a]\nmodel = "m"\n[runtime.pace.a]\nrpm = 60\n')
    run = si.Run(tmp_path / "run", recipe, **NOBODY)  # flags win
    assert run.recipe.generate.model == "m" and not run.recipe.generate.teachers


def test_a_lower_price_leaves_the_higher_one_as_it_was(teacher: Teacher, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", num=10, price={"input": 2.0, "output": 4.0})
    run.generate()
    before = stored(run)["price"]
    for num in (20, 30):
        si.Run(run.path, num=num, price={"input": 1.0, "output": 20.0 / num}).generate()
        assert stored(run)["price"] == before
        assert fsck(run.path) == []


def test_batches_are_refused_before_anything_is_asked(teacher: Teacher, tmp_path: Path) -> None:
    asked: list[str] = []
    script = si.Scripted(lambda key, request: asked.append(key) or "")
    near = {"base_url": teacher.url, "model": "m"}
    for name, given in (("one", {"teacher": script}), ("two", {"teachers": {"a": near, "b": script}})):
        with pytest.raises(TeacherStop, match="takes no batches"):
            si.Run(tmp_path / name, method="few_shot", batch=True, **given).generate()
        assert not asked and not teacher.log_lines() and not (tmp_path / name).exists()


# Topics and the end of a run.


def topic_of(request: Request) -> str:
    return request.messages[-1]["content"].partition("It has to do with: ")[2]


def topics(path: Path, names: Iterable[str]) -> Path:
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def test_a_topic_that_gives_nothing_gets_twice_its_share_of_turns(tmp_path: Path) -> None:
    turns: Counter[str] = Counter()

    def answer(key: str, request: Request) -> str:
        if topic := topic_of(request):
            turns[topic] += 1
            return "" if topic == "dry" else f"Tell me all about the {topic} of number {key}"
        return "It is as it is."

    names = topics(tmp_path / "topics.txt", ["bees", "boats", "bread", "dry"])
    settings: dict[str, Any] = {"method": "few_shot", "topics": names, "lag": 4, **KEEP_ALL}
    dataset = si.Run(tmp_path / "run", teacher=si.Scripted(answer), num=40, **settings).generate()
    assert Counter(row.candidate.trace["topic"] for row in dataset.rows) == {"bees": 10, "boats": 10, "bread": 10}
    assert dataset.ended
    assert 0.3 < turns["dry"] / turns.total() < 0.53  # by its share it would be 0.25


def test_more_topics_than_rows_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    names = topics(tmp_path / "topics.txt", (f"matter {number}" for number in range(2000)))
    with pytest.raises(TopicError, match="2,000 topics for 100 rows leave some without any; ask for more rows"):
        si.Run(tmp_path / "run", **NOBODY, method="few_shot", topics=names, num=100)
    assert not (tmp_path / "run").exists()


def test_rows_beyond_a_quota_do_not_make_a_run_saturated(tmp_path: Path) -> None:
    turns: Counter[str] = Counter()

    def answer(key: str, request: Request) -> str:
        if topic := topic_of(request):
            turns[topic] += 1
            return "" if topic == "slow" and turns["slow"] % 10 else f"Tell me all about the {topic} of number {key}"
        return "It is as it is."

    names = topics(tmp_path / "topics.txt", ["slow", *(f"matter {number}" for number in range(9))])
    settings: dict[str, Any] = {"method": "few_shot", "topics": names, "lag": 4, "least_acceptance": 0.06, **KEEP_ALL}
    dataset = si.Run(tmp_path / "run", teacher=si.Scripted(answer), num=50, give_up_after=1000, **settings).generate()
    assert dataset.complete, dataset.ended
    assert dataset.funnel["over_quota"] > 100


# What is read out of replies.

PAIRS = [
    (True, "Label: red\nInput: a rose\nLabel: blue\nInput: the sky", [("a rose", "red"), ("the sky", "blue")]),
    (True, "Input: a rose\nLabel: red\nInput: the sky\nLabel: blue", [("a rose", "red"), ("the sky", "blue")]),
    (True, "Example 1\nInput: a rose\nLabel: red\nExample 2\nInput: sky\nLabel: blue", [("a rose", "red"), ("sky", "blue")]),
    (True, "Label: red\nInput: a rose\nInput: blood", [("a rose", "red"), ("blood", "red")]),
    (False, "Input: a rose\nOutput: red\nInput: the sky\nOutput: blue", [("a rose", "red"), ("the sky", "blue")]),
    (False, "Output: It is red.", [("", "It is red.")]),
    (False, "It is red.\nOr so they say.", [("", "It is red.\nOr so they say.")]),
    (False, "Input: a rose\nOutput: red\nTask: Another\nInput: x\nOutput: y", [("a rose", "red")]),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "text", "expected"), PAIRS, ids=[repr(text[:30]) for _, text, _ in PAIRS])
def test_instances_are_read_in_whatever_order_they_come(labels: bool, text: str, expected: list[tuple[str, str]]) -> None:
    assert list(_pairs(Reply(text, "stop", "m", None, "h"), labels)) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "Here are more tasks:\n9. Name a bee:\n10. Name a boat.",
        "Sure, I go on with the list.\n\n**9.** Name a bee:\n10. Name a boat.",
        "Name a bee:\n10. Name a boat.",  # the prompt ended with 9.
        "Name a bee:\n\n10. Name a boat.",
    ],
)
def test_what_announces_a_list_is_no_instruction(reply: str) -> None:
    items = listed().parse(_from_number(reply, 9))
    assert [item.instruction for item in items] == ["Name a bee:", "Name a boat."]


# Coroutines as methods.


async def at_once(turn, ask, setting):
    request = setting.request("propose", f"{turn.key}/task", "Write a task.")
    first, second = await asyncio.gather(ask(f"{turn.key}/task", request), ask(f"{turn.key}/task", request))
    return [si.Example.of(first.text, "", second.text)]


async def of_another_turn(turn, ask, setting):
    key = f"{turn.index + 1}/task"
    reply = await ask(key, setting.request("propose", key, "Write a task."))
    return [si.Example.of(reply.text, "", "x")]


async def without_an_output(turn, ask, setting):
    reply = await ask(turn.key, setting.request("propose", turn.key, "Write a task."))
    return [si.Example(reply.text, "", None)]


async def from_nowhere(turn, ask, setting):
    reply = await ask(turn.key, setting.request("propose", turn.key, "Write a task."))
    return [Candidate(f"{turn.key}/other", 0, ParsedTask(reply.text, "", "x"))]


MISUSES = {
    at_once: "asks twice at a time under the key '0/task'",
    of_another_turn: "in this turn keys begin with",
    without_an_output: "something that is no text",
    from_nowhere: r"a candidate of the key '\d/other', under which it has no reply",
}


@pytest.mark.parametrize("method", MISUSES, ids=lambda method: method.__name__)
def test_what_a_coroutine_must_not_do_is_said(method: Callable[..., Any], teacher: Teacher, tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=MISUSES[method]):
        si.Run(tmp_path / "run", base_url=teacher.url, model="m", method=method, num=5).generate()


async def not_put_off(turn, ask, setting):
    try:
        proposed = await ask(f"{turn.key}/first", setting.request("propose", turn.key, f"Write task {turn.key}."))
    except RequestRefused:
        proposed = await ask(f"{turn.key}/second", setting.request("propose", turn.key, f"Then write a task {turn.key}."))
    answer = await ask(f"{turn.key}/answer", setting.request("solve", turn.key, f"{turn.key}: {proposed.text}"))
    return [si.Example.of(proposed.text, "", answer.text)]


def test_a_refusal_that_a_coroutine_gets_over_leaves_a_valid_provenance(teacher: Teacher, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="refuses-some", method=not_put_off, num=20)
    assert run.generate().complete
    origins: list[dict[str, Any]] = rows(run.path / "provenance.jsonl")
    replies = {line["key"] for line in outcomes(run.path) if line["kind"] == "reply"}
    proposed = {origin["proposed_by"]["request_key"] for origin in origins}
    assert proposed <= replies and {key.partition("/")[2] for key in proposed} == {"first", "second"}
    assert fsck(run.path) == []


async def late(turn, ask, setting):
    if turn.index == 0:
        return []
    reply = await ask(turn.key, setting.request("propose", turn.key, f"Write task {turn.key}."))
    return [si.Example.of(reply.text, "", "x y")]


def test_a_method_may_have_nothing_to_ask_at_first(teacher: Teacher, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", method=late, num=5)
    run.generate()
    found = status(run.path)
    assert (found["rows"], found["next"]) == (5, "")


# Odd values.


@pytest.mark.parametrize("domain", ["bees \udcff", "bees \x1b[31m"], ids=["surrogate", "control"])
def test_a_domain_that_is_no_text_is_refused_in_a_sentence(domain: str, tmp_path: Path) -> None:
    said = in_a_sentence(cli("generate", tmp_path / "run", "--model", "m", "--domain", domain, "--dry-run"))
    assert "\x1b" not in said and ("UTF-8" in said or "generate.domain" in said)


def test_the_card_shows_text_and_nothing_else(teacher: Teacher, tmp_path: Path) -> None:
    bad = "![a](http://e.invalid/a.png) [b](http://e.invalid) \\[c](http://e.invalid) <img src=x> \u202e\u200b\x9b31m"
    (tmp_path / "topics.jsonl").write_text(json.dumps({"topic": bad + "\x1b[31m \x7f \ud800"}) + "\n")
    run = si.Run(
        tmp_path / "run", base_url=teacher.url, model="m", num=5, topics=tmp_path / "topics.jsonl", domain=bad[:-4], title=bad
    )
    run.generate()
    card = (run.path / "README.md").read_text()
    assert [sign for sign in card if unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign != "\n"] == []
    body = card.split("---\n")[2]
    assert body.count("e.invalid") == 9 and "<img" not in body
    assert not re.search(r"(?<!\\)(\\\\)*\]\(", body)  # an even number of backslashes leaves the bracket alive


def test_another_lag_is_another_run(teacher: Teacher, tmp_path: Path) -> None:
    for begun, then in ((None, 5), (5, 32)):
        given = {"lag": begun} if begun else {}
        run = si.Run(tmp_path / f"from-{begun}", base_url=teacher.url, model="m", num=5, **given)
        run.generate()
        with pytest.raises(RecipeChanged, match=f"lag: {begun or 32} -> {then}"):
            si.Run(run.path, lag=then)


@pytest.mark.parametrize(
    "given",
    [
        {"languages": {"sw": 1e308, "en": 1e308}},
        {"mix": {name: {"method": "few_shot", "weight": 1e308} for name in "ab"}},
        {"teachers": {name: {"model": "m", "propose": 1e308} for name in "ab"}},
        {"teachers": {name: {"model": "m", "solve": 1e308} for name in "ab"}},
    ],
    ids=["languages", "mix", "propose", "solve"],
)
def test_a_weight_that_is_too_large_is_refused_in_a_sentence(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="less than or equal to") as caught:
        si.Run(tmp_path / "run", **{**({} if "teachers" in given else NOBODY), **given})
    assert "\n" not in str(caught.value)


def test_options_of_a_recipe_that_names_no_method_are_for_the_one_that_a_flag_names(teacher: Teacher, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("generate.options = { tasks_per_request = 4 }\n")
    given = {"recipe": tmp_path / "recipe.toml", "base_url": teacher.url, "model": "m"}
    assert si.Run(tmp_path / "one", method="alpaca", **given).recipe.generate.options == {"tasks_per_request": 4}
    (tmp_path / "recipe.toml").write_text('generate.method = "alpaca"\ngenerate.options = { tasks_per_request = 4 }\n')
    assert si.Run(tmp_path / "two", method="few_shot", **given).recipe.generate.options == {}
