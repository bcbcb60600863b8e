"""Estimates: for a new run by assumption, for a started one by its own figures."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import selfinstruct as si
from selfinstruct.client.prices import Price
from selfinstruct.journal.file import Journal
from selfinstruct.records import Usage
from selfinstruct.report.estimate import ASSUMED_ACCEPTANCE, ASSUMED_TASK_TOKENS, estimate_new_run, estimate_remaining

NewRun = Callable[..., si.Run]
PRICE = Price(1.0, 10.0, "a test", batch=0.5)


def new_estimate(run: si.Run, rows: int, **settings: Any) -> Any:
    return estimate_new_run(run.methods(), run.first_request(), rows, PRICE, **settings)


def test_a_new_run_is_estimated_by_the_tasks_in_a_reply(new_run: NewRun) -> None:
    estimate = new_estimate(new_run(options={"tasks_per_request": 10, "seeds_per_request": 2}), 600)
    tasks, solving_requests = new_run(options={"tasks_per_request": 10, "seeds_per_request": 2}).methods().tasks_of_a_root
    assert (tasks, solving_requests) == (8, 0)
    assert estimate.requests == pytest.approx(600 / (tasks * ASSUMED_ACCEPTANCE))
    assert estimate.tokens.completion_tokens == round(estimate.requests * tasks * ASSUMED_TASK_TOKENS)
    assert estimate.usd == pytest.approx(PRICE.usd(estimate.tokens))
    assert estimate.seconds is None


def test_a_method_that_solves_each_task_needs_more_requests(new_run: NewRun) -> None:
    estimate = new_estimate(new_run(method="few_shot"), 60)
    assert estimate.requests == pytest.approx(60 / max(1.0, ASSUMED_ACCEPTANCE) * (1 + ASSUMED_ACCEPTANCE))


def test_batches_have_their_own_price(new_run: NewRun) -> None:
    assert new_estimate(new_run(), 60, batch=True).usd == pytest.approx(new_estimate(new_run(), 60).usd / 2)


def test_a_started_run_is_estimated_by_its_rows_so_far(new_run: NewRun) -> None:
    run = new_run(num=12)
    run.generate()
    dataset = run.build(num=30)
    with Journal.reading(run.path / "journal.jsonl") as journal:
        estimate = estimate_remaining(dataset, journal.counts, PRICE, 120.0, used=4)
        assert estimate is not None
        assert estimate.requests == 6  # 18 rows are missing, and 4 requests gave 12
        assert estimate.tokens == Usage(round(dataset.usage.prompt_tokens * 1.5), round(dataset.usage.completion_tokens * 1.5))
        assert estimate.usd == pytest.approx(1.5 * PRICE.usd(dataset.usage))
        assert estimate.seconds == 3.0
        saved = estimate_remaining(dataset, journal.counts, PRICE, None, used=2)
        assert saved is not None and (saved.requests, saved.seconds) == (1, None)  # 3 are needed, and 2 are in the journal


def test_a_run_without_rows_has_no_estimate(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    dataset = run.build(filters={"word_count": {"at_most": 3}})
    with Journal.reading(run.path / "journal.jsonl") as journal:
        assert estimate_remaining(dataset, journal.counts, PRICE, None, dataset.requests) is None
