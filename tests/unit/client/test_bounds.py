"""The most that a call can cost, and what counts as paid. Where a provider says little, the worst case counts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from command_line import cli, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.client import prices
from selfinstruct.client.prices import Price
from selfinstruct.errors import RecipeError, TeacherStop, TransientError
from selfinstruct.journal import events
from selfinstruct.recipe import loading
from selfinstruct.records import Reply, Request, Usage
from selfinstruct.teachers import openai
from selfinstruct.teachers._body import usage_of


def request(**sampling: object) -> Request:
    return Request(sampling, messages=({"role": "user", "content": "Grüße"},))


def test_the_bound_covers_the_largest_limit_for_each_of_several_answers() -> None:
    assert request().bound is None
    assert request(max_tokens="many").bound is None
    assert request(max_tokens=100, n=2.0).bound is None
    plain, several = request(max_tokens=100).bound, request(max_tokens=100, n=3, best_of=20).bound
    assert plain
    assert several
    assert plain.prompt_tokens > len("Grüße".encode())
    assert (plain.completion_tokens, several.completion_tokens) == (100, 2000)
    both = request(max_tokens=4096, max_completion_tokens=100)
    assert both.bound
    assert both.bound.completion_tokens == 4096
    sent = openai.OpenAI("https://api.openai.com/v1", "m", "k", 1.0).body(both)
    assert (sent["max_completion_tokens"], "max_tokens" in sent) == (100, False)


@pytest.mark.parametrize(
    ("counted", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 3}, Usage(5, 3)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 900}, Usage(5, 895)),
        ({"prompt_tokens": 5, "completion_tokens": 3, "prompt_tokens_details": {"cached_tokens": 9}}, Usage(5, 3, 5)),
        ({"prompt_tokens": 5}, None),
        ({"prompt_tokens": 5, "completion_tokens": 12.0}, None),
        ({"prompt_tokens": 5, "completion_tokens": -1}, None),
        (None, None),
    ],
)
def test_an_incomplete_token_count_is_none(counted: object, usage: Usage | None) -> None:
    assert usage_of(counted, "") == usage


def test_a_connection_that_was_never_made_costs_nothing() -> None:
    async def refused() -> TransientError:
        teacher = openai.OpenAI("http://127.0.0.1:9/v1", "m", "k", 5.0)
        with pytest.raises(TransientError) as caught:
            await teacher.reply("0", request(max_tokens=5))
        await teacher.close()
        return caught.value

    fault = asyncio.run(refused())
    assert (fault.cause, fault.charged) == ("connection", False)


def test_an_error_body_with_a_status_of_success_is_an_error() -> None:
    teacher = openai.OpenAI("http://127.0.0.1:9/v1", "m", "k", 5.0)
    with pytest.raises(TeacherStop, match="refuses the API key"):
        teacher.read('{"error": {"message": "Incorrect API key", "code": "invalid_api_key"}}')
    with pytest.raises(TransientError) as caught:
        teacher.read('{"error": {"message": "busy", "code": 429}}')
    assert (caught.value.cause, caught.value.charged) == ("rate_limit", False)


def test_the_highest_of_several_prices_counts_unless_one_is_unknown() -> None:
    first, second = Price(1.0, 10.0, "a", batch=0.5), Price(2.0, 5.0, "b", cached_input=0.5)
    highest = prices.highest([first, second, first])
    assert highest == Price(2.0, 10.0, "the highest of: a; b", 1.0, 1.0)
    assert prices.highest([first, None]) is None
    assert prices.highest([first]) == first


@pytest.mark.slow
def test_a_lower_price_later_does_not_raise_a_limit_in_dollars(teacher: FakeOpenAI, tmp_path: Path) -> None:
    dear, cheap = tmp_path / "dear.toml", tmp_path / "cheap.toml"
    dear.write_text("[runtime]\nprice = { input = 10.0, output = 100.0 }\nmax_usd = 2.0\n")
    cheap.write_text("[runtime]\nprice = { input = 0.1, output = 1.0 }\n")
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 2000)
    assert cli("generate", tmp_path / "run", *flags, "--recipe", dear).returncode == 3
    asked = len(teacher.requests())
    assert asked
    again = cli("generate", tmp_path / "run", *flags, "--recipe", cheap)
    assert (again.returncode, len(teacher.requests())) == (3, asked)
    assert "limit of 2 US dollars" in again.stderr


def test_strange_side_fields_of_a_custom_teacher_do_not_cost_its_reply(tmp_path: Path) -> None:
    class Odd(si.Scripted):
        async def reply(self, key: str, request: Request) -> Reply:
            answered = await super().reply(key, request)
            return Reply(answered.text, "stop", "odd", answered.usage, "here", 0, {("a", 1): 2})  # type: ignore[dict-item]

    task = "1. Instruction: Name a river of West Africa\n1. Output: The Niger."
    run = si.Run(tmp_path / "run", teacher=Odd(lambda key, request: task), num=1)
    assert run.generate().complete
    assert [line["raw"] for line in rows(tmp_path / "run" / "journal.jsonl") if line["kind"] == "reply"] == [{}]


@pytest.mark.parametrize(
    "line",
    [
        {"kind": "sent", "key": "1", "time": 1, "bound": [-5, -5]},
        {"kind": "sent", "key": [1], "time": 1, "bound": [5, 5]},
        {"kind": "sent", "key": "1", "time": "now", "bound": [5, 5]},
        {"kind": "sent", "key": "1", "time": 1, "bound": ["a", "b"]},
        {
            "kind": "batch",
            "key": "b",
            "time": 1,
            "state": "planned",
            "id": "",
            "detail": "",
            "requests": {"1": ["f", 0, "x", -1]},
        },
    ],
)
def test_a_journal_line_that_would_lift_a_limit_is_rejected(line: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        events.decoded(line)


@pytest.mark.parametrize(
    ("part", "says"),
    [
        ({"base_url": "https://me:secret@host/v1"}, "holds a name or a password"),
        ({"extra": {"model": "dearer"}}, "cannot set 'model'"),
    ],
)
def test_settings_that_would_avoid_the_rules_are_refused(part: dict[str, object], says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        loading.parse({"generate": part}, "settings")


def test_cancel_without_a_run_creates_nothing(tmp_path: Path) -> None:
    done = cli("cancel", tmp_path / "typo")
    assert (done.returncode, (tmp_path / "typo").exists()) == (2, False)
    assert "has no run" in done.stderr
