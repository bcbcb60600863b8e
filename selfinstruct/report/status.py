"""How a run stands, seen from outside: reads only, and works while another process writes."""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from selfinstruct.client.budget import Budget, Limits, replies_usd, spent_usd
from selfinstruct.client.prices import Price
from selfinstruct.curate.dataset import Dataset
from selfinstruct.errors import UserMistake
from selfinstruct.journal.file import Journal
from selfinstruct.journal.totals import Counts
from selfinstruct.layout import JOURNAL, LOCK
from selfinstruct.records import Usage
from selfinstruct.report.estimate import to_go
from selfinstruct.run import Run


def status(path: str | Path) -> dict[str, Any]:
    """Rows, funnel, requests, faults, tokens, money, speed, time left and batches of a run, as plain values.

    `running` has the writer's process number. Tokens are those of replies; `lost_at_most` the most that calls without a
    reply may have been billed for, which `money` counts too. Money is in US dollars, None where the price is unknown. The
    rows are counted by building the dataset from the journal as it is now.
    """
    run = Run(path)
    dataset = run.build()
    with Journal.reading(run.path / JOURNAL) as journal:
        counts = journal.counts
    generate, runtime, writing = run.recipe.generate, run.recipe.runtime, writer(run.path)
    if writing is None:
        counts.close_all()
    speed = counts.per_minute(time.time()) if writing else None
    return {
        "directory": str(path),
        "running": writing,
        "complete": dataset.complete,
        "rows": len(dataset.rows),
        "target": dataset.target,
        "candidates": len(dataset.rows) + len(dataset.rejected),
        "acceptance": None if dataset.acceptance is None else round(dataset.acceptance, 4),
        "dropped": dataset.funnel,
        "unanswered": dataset.unanswered,
        "requests": _requests(dataset, counts),
        "tokens": {
            "prompt": counts.usage.prompt_tokens,
            "completion": counts.usage.completion_tokens,
            "cached": counts.usage.cached_tokens,
            "lost_at_most": counts.lost.tokens,
            "replies_without_a_count": counts.without_usage,
        },
        "limits": {"US dollars": runtime.max_usd, "tokens": runtime.max_tokens, "requests": runtime.max_requests},
        "money": _money(dataset, counts, run.definition.price),
        "seconds": round((counts.last_time or 0) - (counts.first_time or 0), 1),
        "requests_per_minute": speed and round(speed, 1),
        "left": _left(dataset, counts, run.definition.price, speed),
        "batches": [
            {"name": name, "id": batch.id, "state": batch.state, "requests": len(batch.plan.requests), "detail": batch.detail}
            for name, batch in counts.batches.items()
        ],
        "journal": {"torn_lines": counts.torn, "unknown_lines": counts.unknown, "repeated_keys": counts.duplicates},
        "teacher": ", ".join(dict.fromkeys(one.teacher for one in generate.by_name.values())),
        "model": ", ".join(one.model for one in generate.by_name.values()),
        "method": ", ".join(dict.fromkeys(part.method for part in generate.parts.values())),
        "teachers": _teachers(run, dataset, counts),
        "rouge": run.recipe.curate.rouge,
        "next": "" if writing else _next(run, dataset, counts),
    }


def _teachers(run: Run, dataset: Dataset, counts: Counts) -> dict[str, Any]:
    """What each of several teachers did, by its name; empty where there is only one."""
    found: dict[str, Any] = {}
    for name, one in run.recipe.generate.by_name.items():
        if name:
            tally, price = counts.tallies[name], run.definition.price
            usd = None if price is None else round(price.of(name).usd(tally.usage, tally.batched), 6)
            wrote = {what: who.get(name, 0) for what, who in dataset.writers.items()}
            found[name] = {"model": one.model, "tokens": tally.usage.tokens, "usd": usd, **wrote}
    return found


def _requests(dataset: Dataset, counts: Counts) -> dict[str, Any]:
    return {
        "answered": counts.replies,
        "used": dataset.requests,
        "in_flight": len(counts.open),
        "in_batches": sum(len(batch.plan.requests) - batch.outcomes for batch in counts.open_batches.values()),
        "failed": dict(counts.failures.most_common()),
        "faults": dict(counts.faults.most_common()),
        "finish_reasons": dict(counts.finish_reasons.most_common()),
        "calls": counts.calls,
        "retries": counts.retries,
        "lost": counts.lost_calls,
    }


def _money(dataset: Dataset, counts: Counts, price: Price | None) -> dict[str, Any]:
    spent, rows = None if price is None else spent_usd(counts, price, reserved=False), len(dataset.rows)
    per_row = replies_usd(counts, price) / rows if price and rows else None
    replies = 0.0 if price is None else replies_usd(counts, price)
    return {
        "usd": None if spent is None else round(spent, 6),
        "usd_for_replies": None if spent is None else round(replies, 6),
        "usd_for_lost_at_most": None if spent is None else round(spent - replies, 6),
        "usd_reserved": price and round(spent_usd(counts, price), 6),
        "usd_per_1000_rows": None if per_row is None else round(1000 * per_row, 6),
        "price": price and price.as_values(),
    }


def _left(dataset: Dataset, counts: Counts, price: Price | None, speed: float | None) -> dict[str, Any] | None:
    left = to_go(dataset, counts, price, speed, dataset.requests)
    if left is None or dataset.complete:
        return None
    seconds = None if left.seconds is None else round(left.seconds)
    usd = None if left.usd is None else round(left.usd, 6)
    return {"requests": round(left.requests), "tokens": left.tokens.tokens, "usd": usd, "seconds": seconds}


def _next(run: Run, dataset: Dataset, counts: Counts) -> str:
    """What is to be done, in a sentence; empty when nothing is."""
    runtime, to_do = run.recipe.runtime, run.shortfall(dataset)
    budget = Budget(Limits.of(runtime), counts, run.definition.price)
    bound, teacher = Usage(), ""
    with suppress(UserMistake):  # a method may have nothing to ask at first
        first = run.first_request()
        bound, teacher = first.bound or Usage(), first.teacher
    never = budget.fit(bound, batch=runtime.batch, teacher=teacher) == "never"
    return budget.reached if to_do and not dataset.ended and never else to_do


def writer(path: Path) -> int | None:
    """The number of the process that is writing to a run directory, or None."""
    try:
        with (path / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read(20).strip() or 0)
            return None
    except (OSError, ValueError):
        return None
