"""The budget from the journal's lines alone: which calls fit, how lost calls count, and where prices come from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import cli
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.client import prices
from selfinstruct.client.budget import Budget, Limits, committed, spent_usd
from selfinstruct.client.prices import Price
from selfinstruct.journal.events import BatchLine, Entry, Fault, Line, Sent
from selfinstruct.journal.totals import Counts
from selfinstruct.recipe.resolve import resolve
from selfinstruct.records import Failure, Reply, Usage
from selfinstruct.report.integrity import fsck
from selfinstruct.rundir import definition

BOUND = Usage(100, 400)
PRICE = Price(1.0, 10.0, "the test", batch=0.5)  # BOUND costs 0.0041


def counted(*lines: Line) -> Counts:
    counts = Counts()
    for line in lines:
        counts.add(line)
    return counts


def sent(key: str, bound: Usage | None = BOUND) -> Sent:
    return Sent(key, bound, 1.0)


def reply(key: str, usage: Usage | None, batch: str | None = None) -> Entry:
    return Entry(key, "digest", Reply("text", "stop", "m", usage, "host"), {}, batch=batch)


def planned(name: str, *keys: str) -> BatchLine:
    requests = dict.fromkeys(keys, ("digest", 0, BOUND.prompt_tokens, BOUND.completion_tokens))
    return BatchLine(name, "planned", 1.0, samplings=({},), requests=requests)


def test_without_limits_everything_fits() -> None:
    budget = Budget(Limits(), counted(*map(sent, "0123")), None)
    assert budget.fit(None) == "now"
    assert not Limits().any
    assert not Limits(requests=3).need_bounds
    assert Limits(usd=3.0).need_bounds


def test_every_call_counts_as_a_request() -> None:
    lines: list[Line] = [sent("0"), Fault("0", "http_500", False, 1.0), sent("0"), reply("0", Usage(1, 1)), sent("1")]
    assert Budget(Limits(requests=4), counted(*lines), None).fit(None) == "now"
    full = Budget(Limits(requests=3), counted(*lines), None)
    assert full.fit(None) == "never"
    assert "the limit of 3 requests is reached. Fix: set max_requests higher" in full.reached
    assert Budget(Limits(requests=4), counted(*lines), None).fit(None, calls=2) == "never"


def test_tokens_fit_now_later_or_never() -> None:
    counts = counted(sent("0"))
    budget = Budget(Limits(tokens=999), counts, None)
    assert budget.fit(BOUND) == "later"  # if the call in flight takes less than its worst case
    counts.add(reply("0", Usage(100, 399)))
    assert budget.fit(BOUND) == "now"
    counts.add(sent("1"))
    counts.add(reply("1", Usage(1, 0)))
    assert budget.fit(BOUND) == "never"
    assert "no room for the next request (at most 500)" in budget.reached
    assert budget.fit(Usage(100, 399)) == "now"


def test_dollars_fit_now_later_or_never() -> None:
    counts = counted(sent("0"))
    budget = Budget(Limits(usd=0.0081), counts, PRICE)
    assert budget.fit(BOUND) == "later"
    counts.add(reply("0", Usage(50, 395)))  # 0.004 of it
    assert budget.fit(BOUND) == "now"
    counts.add(sent("1"))
    counts.add(reply("1", Usage(1, 0)))
    assert budget.fit(BOUND) == "never"
    assert "0.0081 US dollars" in budget.reached
    assert "max_usd" in budget.reached


def test_the_first_limit_that_is_reached_holds() -> None:
    lines: list[Line] = [sent("0"), reply("0", Usage(100, 400))]
    assert Budget(Limits(requests=9, tokens=1000, usd=0.0082), counted(*lines), PRICE).fit(BOUND) == "now"
    for limits in (Limits(1, 1000, 0.0082), Limits(9, 999, 0.0082), Limits(9, 1000, 0.0081)):
        assert Budget(limits, counted(*lines), PRICE).fit(BOUND) == "never"


@pytest.mark.parametrize(
    ("lines", "lost"),
    [
        ([sent("0"), Fault("0", "connection", True, 1.0)], 1),  # the provider may have done the work
        ([sent("0"), Fault("0", "rate_limit", False, 1.0)], 0),
        ([sent("0"), sent("0")], 1),  # killed between the two
        ([sent("0"), sent("0"), reply("0", Usage(0, 0))], 1),
        ([sent("0"), Fault("0", "connection", True, 1.0), sent("0"), Fault("0", "timeout", True, 1.0)], 2),
        ([sent("0"), Entry("0", "digest", Failure("refused", "no", 400), {})], 0),
        ([sent("0"), reply("0", None)], 1),  # a reply without usage
        ([sent("0", None), sent("0", None)], 0),  # without a bound, no worst case is known
    ],
)
def test_calls_that_may_be_billed_without_a_count_keep_their_worst_case(lines: list[Line], lost: int) -> None:
    counts = counted(*lines)
    assert counts.lost.tokens == lost * BOUND.tokens
    assert committed(counts, reserved=False).tokens == lost * BOUND.tokens
    assert Budget(Limits(tokens=lost * 500 + 499), counts, None).fit(BOUND) == "never"
    assert counts.reserved == sum((sent.bound for sent in counts.open.values() if sent.bound), Usage())


def test_calls_that_a_crash_cut_off_keep_counting() -> None:
    counts = counted(sent("0"), sent("1"), reply("1", Usage(10, 10)))
    assert committed(counts).tokens == 520
    counts.close_all()
    assert not counts.open
    assert counts.reserved == Usage()
    assert committed(counts, reserved=False).tokens == 520
    assert counts.lost_calls == 1


def test_batches_are_reserved_whole_and_counted_reply_by_reply() -> None:
    counts = counted(planned("b", "0", "1", "2"))
    assert counts.calls == 3
    assert counts.reserved_batched.tokens == 1500
    assert spent_usd(counts, PRICE) == pytest.approx(3 * 0.0041 / 2)
    counts.add(reply("0", Usage(10, 10), "b"))
    assert counts.reserved_batched.tokens == 1000
    counts.add(BatchLine("b", "completed", 1.0, lost=Usage(100, 400)))  # one request has no result
    assert counts.reserved_batched == Usage()
    assert committed(counts).tokens == 20 + 500
    assert counts.batched == Usage(10, 10)
    assert Budget(Limits(tokens=1020), counts, None).fit(BOUND, batch=True) == "now"
    assert Budget(Limits(tokens=1019), counts, None).fit(BOUND, batch=True) == "never"


def test_a_batch_that_never_reached_the_provider_cost_nothing() -> None:
    counts = counted(planned("b", "0", "1"), BatchLine("b", "unsent", 1.0))
    assert counts.calls == 0
    assert committed(counts) == Usage()


def test_batch_calls_are_cheaper_so_more_of_them_fit() -> None:
    budget = Budget(Limits(usd=0.0041), counted(), PRICE)
    assert budget.fit(BOUND, batch=True) == "now"
    assert budget.fit(BOUND + BOUND, 2, batch=True) == "now"
    assert budget.fit(BOUND + BOUND, 2) == "never"
    assert "the next 2 requests" in budget.reached


def test_cached_tokens_have_their_own_price() -> None:
    price = Price(2.0, 10.0, "", cached_input=0.5)
    assert price.usd(Usage(1_000_000, 0, 400_000)) == pytest.approx(0.6 * 2 + 0.4 * 0.5)
    assert Price(2.0, 10.0, "").usd(Usage(1_000_000, 0, 400_000)) == pytest.approx(2.0)


def test_the_price_is_stated_or_listed_or_unknown() -> None:
    stated = prices.stated({"input": 0.1, "output": 0.4, "batch": 0.25})
    assert stated == Price(0.1, 0.4, "the recipe", batch=0.25)
    assert prices.stated({}) is None
    listed = prices.listed("gpt-4o-mini", "https://api.openai.com/v1")
    assert listed is not None
    assert (listed.input, listed.output, listed.cached_input, listed.batch) == (0.15, 0.6, 0.075, 0.5)
    assert listed.source.startswith("genai-prices ")
    assert listed.source.endswith("openai/gpt-4o-mini")
    assert prices.listed("gpt-4o-mini", "http://127.0.0.1:8000/v1") is None
    assert prices.listed("no-such-model", "https://api.openai.com/v1") is None


def begun(settings: dict[str, Any]) -> definition.Definition:
    return definition.begin(resolve(settings), settings)


def test_the_price_in_the_recipe_overrides_the_list() -> None:
    settings = {"teacher": "openai", "base_url": "https://api.openai.com/v1", "model": "gpt-4o-mini"}
    by_list = begun(settings).price
    assert by_list is not None
    assert by_list.input == 0.15
    by_recipe = begun(settings | {"price": {"input": 7.0, "output": 8.0}}).price
    assert by_recipe == Price(7.0, 8.0, "the recipe")


@pytest.mark.slow
def test_a_limit_in_dollars_needs_a_price(teacher: FakeOpenAI, tmp_path: Path) -> None:
    flags = ("--base-url", teacher.url, "--model", "gpt-4o-mini", "--num", 5)
    done = cli("generate", tmp_path / "run", *flags, "--max-usd", 1)
    assert done.returncode == 2
    assert "--max-usd: the price of the teacher's tokens is not known. Fix: use --max-tokens instead, or" in done.stderr
    assert not teacher.requests()
    unbounded = cli("generate", tmp_path / "other", *flags, "--max-tokens", 100_000, "--reply-tokens", 0)
    assert unbounded.returncode == 2
    assert "set --reply-tokens to a number above 0" in unbounded.stderr
    assert not teacher.requests()


@pytest.mark.slow
def test_run_json_keeps_the_price_and_status_shows_its_source(teacher: FakeOpenAI, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[runtime]\nprice = { input = 2.0, output = 8.0 }\n")
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 20)
    assert cli("generate", tmp_path / "run", *flags, "--recipe", recipe, "--max-usd", 1).returncode == 0
    assert json.loads((tmp_path / "run" / "run.json").read_text())["runtime"]["price"] == {"input": 2.0, "output": 8.0}
    money = json.loads(cli("status", tmp_path / "run", "--json").stdout)["money"]
    _, prompt, completion = teacher.spent()
    assert money["usd"] == pytest.approx((2 * prompt + 8 * completion) / 1e6, abs=1e-6)
    assert money["price"]["source"] == "the recipe"


def test_run_json_records_the_listed_price_with_its_source(tmp_path: Path) -> None:
    from selfinstruct.rundir import manifest

    settings = {"teacher": "openai", "base_url": "https://api.openai.com/v1", "model": "gpt-4o-mini"}
    manifest.make(tmp_path / "run")
    manifest.create(tmp_path / "run", begun(settings))
    stored = json.loads((tmp_path / "run" / "run.json").read_text())["price"]
    assert stored["input"] == 0.15
    assert "genai-prices" in stored["source"]
    assert manifest.read(tmp_path / "run").price == Price(**stored)


@pytest.mark.slow
@pytest.mark.parametrize("batch", [(), ("--batch",)])
def test_when_no_call_fits_nothing_is_sent_and_the_message_says_so(
    batch: tuple[str, ...], start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    teacher = start_teacher(batch_seconds=0.1)
    done = cli("generate", tmp_path / "run", "--base-url", teacher.url, "--model", "m", "--max-tokens", 500, *batch)
    assert done.returncode == 3, done.stderr
    assert "the limit of 500 tokens leaves no room for the next request" in done.stderr
    assert not teacher.requests()


def stored(run: si.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "run.json").read_text())
    return found


def test_a_lower_price_leaves_the_higher_one_as_it_was(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", num=10, price={"input": 2.0, "output": 4.0})
    run.generate()
    before = stored(run)["price"]
    for num in (20, 30):
        si.Run(run.path, num=num, price={"input": 1.0, "output": 20.0 / num}).generate()
        assert stored(run)["price"] == before
        assert fsck(run.path) == []
