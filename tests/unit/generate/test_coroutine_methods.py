"""Coroutine functions as methods: what they may do, and what is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from command_line import ROOT, derived, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.contracts import Ask, MethodContext, Turn
from selfinstruct.errors import PluginError, RequestRefused
from selfinstruct.records import Candidate, ParsedTask
from selfinstruct.report.integrity import fsck
from selfinstruct.report.status import status


# The example of docs/extending.md, with types.
async def opposites(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    """Pairs of tasks: a seed's opposite, and its answer."""
    draw = await turn.draw(seeds=1)
    question = f"Write a task that asks for the opposite of this one: {draw.seeds[0].instruction}"
    proposed = await ask(f"{turn.key}/task", context.request("propose", f"{turn.key}/task", question))
    if not proposed.text.strip():
        return []
    answer = await ask(f"{turn.key}/answer", context.request("solve", f"{turn.key}/answer", proposed.text))
    return [si.Example.of(proposed.text, "", answer.text)]


def test_a_coroutine_function_is_a_method(teacher: FakeOpenAI, tmp_path: Path) -> None:
    found = []
    for concurrency in (1, 20):
        run = si.Run(
            tmp_path / str(concurrency), base_url=teacher.url, model="m", method=opposites, num=20, concurrency=concurrency
        )
        dataset = run.generate()
        assert dataset.complete
        found.append(derived(run.path))
        assert si.Run(run.path, method=opposites).files() == found[-1]
    assert found[0] == found[1]
    origin = rows(tmp_path / "20" / "provenance.jsonl")[0]
    assert str(origin["request_key"]).endswith("/answer") and origin["proposed_by"]["request_key"].endswith("/task")
    assert origin["method"] == f"{__name__}:opposites"
    page = (ROOT / "docs" / "extending.md").read_text()
    assert "async def opposites(turn, ask, context):" in page


def test_a_wrong_result_of_a_coroutine_is_refused(teacher: FakeOpenAI, tmp_path: Path) -> None:
    async def nothing(turn: Turn, ask: Ask, context: MethodContext) -> str:
        return "a text"

    async def made_up(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
        return [si.Example.of("From nowhere", "", "at all")]

    wrong: list[tuple[Callable[..., Any], str]] = [(nothing, "must return a list of examples"), (made_up, "without asking")]
    for method, says in wrong:
        with pytest.raises(PluginError, match=says):
            si.Run(tmp_path / method.__name__, base_url=teacher.url, model="m", method=method, num=5).generate()


async def at_once(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    request = context.request("propose", f"{turn.key}/task", "Write a task.")
    first, second = await asyncio.gather(ask(f"{turn.key}/task", request), ask(f"{turn.key}/task", request))
    return [si.Example.of(first.text, "", second.text)]


async def of_another_turn(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    key = f"{turn.index + 1}/task"
    reply = await ask(key, context.request("propose", key, "Write a task."))
    return [si.Example.of(reply.text, "", "x")]


async def without_an_output(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    reply = await ask(turn.key, context.request("propose", turn.key, "Write a task."))
    return [si.Example(reply.text, "", cast(str, None))]


async def from_nowhere(turn: Turn, ask: Ask, context: MethodContext) -> list[Candidate]:
    reply = await ask(turn.key, context.request("propose", turn.key, "Write a task."))
    return [Candidate(f"{turn.key}/other", 0, ParsedTask(reply.text, "", "x"))]


MISUSES: dict[Callable[..., Any], str] = {
    at_once: "asks twice at a time under the key '0/task'",
    of_another_turn: "key of another turn",
    without_an_output: "a field that is not text",
    from_nowhere: r"a candidate names a key without a reply \(got '\d/other'\)",
}


@pytest.mark.parametrize("method", MISUSES, ids=lambda method: method.__name__)
def test_misuse_of_keys_and_texts_by_a_coroutine_is_refused(
    method: Callable[..., Any], teacher: FakeOpenAI, tmp_path: Path
) -> None:
    with pytest.raises(PluginError, match=MISUSES[method]):
        si.Run(tmp_path / "run", base_url=teacher.url, model="m", method=method, num=5).generate()


async def with_a_second_try(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    try:
        proposed = await ask(f"{turn.key}/first", context.request("propose", turn.key, f"Write task {turn.key}."))
    except RequestRefused:
        proposed = await ask(f"{turn.key}/second", context.request("propose", turn.key, f"Then write a task {turn.key}."))
    answer = await ask(f"{turn.key}/answer", context.request("solve", turn.key, f"{turn.key}: {proposed.text}"))
    return [si.Example.of(proposed.text, "", answer.text)]


def test_a_coroutine_may_handle_a_refusal_and_its_provenance_stays_valid(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="refuses-some", method=with_a_second_try, num=20)
    assert run.generate().complete
    origins: list[dict[str, Any]] = rows(run.path / "provenance.jsonl")
    replies = {line["key"] for line in outcomes(run.path) if line["kind"] == "reply"}
    proposed = {origin["proposed_by"]["request_key"] for origin in origins}
    assert proposed <= replies and {key.partition("/")[2] for key in proposed} == {"first", "second"}
    assert fsck(run.path) == []


async def late(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    if turn.index == 0:
        return []
    reply = await ask(turn.key, context.request("propose", turn.key, f"Write task {turn.key}."))
    return [si.Example.of(reply.text, "", "x y")]


def test_a_method_may_ask_nothing_in_its_first_turn(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", method=late, num=5)
    run.generate()
    found = status(run.path)
    assert (found["rows"], found["next"]) == (5, "")


STEERED = {"languages": {"sw": 1.0}, "domain": "bees and honey"}


async def with_the_prompt(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    draw = await turn.draw(seeds=1)
    text = draw.fill("ask") + f" ({turn.key})"
    reply = await ask(turn.key, context.request("propose", turn.key, text))
    return [si.Example.of(reply.text, "", "x y")]


async def with_its_own_words(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
    draw = await turn.draw(seeds=1)
    reply = await ask(turn.key, context.request("propose", turn.key, f"{turn.key}: {draw.seeds[0].instruction}"))
    return [si.Example.of(reply.text, "", "x y")]


@pytest.mark.parametrize(("method", "language"), [(with_the_prompt, "sw"), (with_its_own_words, None)])
def test_an_example_records_the_language_only_if_a_request_asked_for_it(
    method: Callable[..., Any], language: str | None, teacher: FakeOpenAI, tmp_path: Path
) -> None:
    steered: dict[str, Any] = {**STEERED, "prompt": "few-shot"}
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", method=method, num=5, **steered)
    assert run.generate().complete
    assert {origin.get("language") for origin in rows(run.path / "provenance.jsonl")} == {language}
