"""Progress of a run as plain values. Reads only, and works while another process writes to the run.

The keys of the result of `status`:

- `directory`: the path as given.
- `running`: id of the process that is writing to the run, or None.
- `complete`: True if all rows are there and none waits for an output.
- `rows`, `target`, `candidates`: accepted rows, rows wanted, rows plus rejected candidates.
- `judged`: candidates on whose quality a rule decided. The others were not needed or have no output yet.
- `acceptance`: share from 0 to 1 of rows among the candidates judged, or None.
- `dropped`: rejected candidates by rule, the most frequent rule first.
- `unanswered`: admitted candidates whose output was never asked for.
- `requests`: counts. `answered` have a reply, `used` have been decided on, `in_flight` wait for a reply, `in_batches` wait
  in a batch. `failed` are requests without a reply for good, by cause. `calls` counts every attempt, `retries` those after
  the first, `faults` those that failed, by cause. `without_reply` has these, and the calls whose process ended before their
  reply came. `lost` are all calls without a reply that may be billed.
- `tokens`: tokens of replies. `lost_at_most` is the most that lost calls and replies without a count may be billed for.
- `limits`: US dollars, tokens and requests that the whole run may use, None for no limit.
- `money`: US dollars, None where the price is unknown. `usd` is for replies plus lost calls, `usd_reserved` also counts
  calls in flight.
- `seconds`: from the first reply to the last.
- `requests_per_minute`: present speed, None unless the run is running.
- `left`: estimate of requests, tokens, US dollars and seconds that remain, None where nothing remains or is known.
- `batches`: each batch with its name, id, state, number of requests and detail.
- `journal`: lines that a crash tore, lines of an unknown kind, lines that repeat a key.
- `teacher`, `model`, `method`: names, joined by commas. `teachers` has the share of each named teacher.
- `rouge`: ROUGE-L above which an instruction is rejected.
- `next`: what to do, in one sentence, or empty.
"""

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
from selfinstruct.report.estimate import estimate_remaining
from selfinstruct.run import Run


def status(path: str | Path) -> dict[str, Any]:
    """Return the progress of a run as values that JSON can hold.

    The keys and units are listed at the top of this module. The rows are counted by building the dataset from the journal as it
    is now.

    Raises:
        UserMistake: No run at `path`.
        RunDirectoryError: The run's files are missing or were changed.
    """
    run = Run(path)
    dataset = run.build()
    with Journal.reading(run.path / JOURNAL) as journal:
        counts = journal.counts
    generate, runtime, running = run.recipe.generate, run.recipe.runtime, writing_process(run.path)
    if running is None:
        counts.close_all()
    speed = counts.per_minute(time.time()) if running else None
    return {
        "directory": str(path),
        "running": running,
        "complete": dataset.complete,
        "rows": len(dataset.rows),
        "target": dataset.target,
        "candidates": dataset.candidates,
        "judged": dataset.judged,
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
        "teacher": ", ".join(dict.fromkeys(teacher.teacher for teacher in generate.by_name.values())),
        "model": ", ".join(teacher.model for teacher in generate.by_name.values()),
        "method": run.definition.methods,
        "teachers": _teachers(run, dataset, counts),
        "rouge": run.recipe.curate.rouge,
        "next": "" if running else _next(run, dataset, counts),
    }


def _teachers(run: Run, dataset: Dataset, counts: Counts) -> dict[str, Any]:
    """Return model, tokens, US dollars and rows written of each named teacher. A single teacher has no name."""
    price, shares = run.definition.price, {}
    for name, teacher in run.recipe.generate.by_name.items():
        if name:
            tally = counts.tallies[name]
            usd = None if price is None else round(price.of(name).usd(tally.usage, tally.batched), 6)
            wrote = {field: writers.get(name, 0) for field, writers in dataset.writers.items()}
            shares[name] = {"model": teacher.model, "tokens": tally.usage.tokens, "usd": usd, **wrote}
    return shares


def _requests(dataset: Dataset, counts: Counts) -> dict[str, Any]:
    return {
        "answered": counts.replies,
        "used": dataset.requests,
        "in_flight": len(counts.open),
        "in_batches": sum(batch.waiting for batch in counts.open_batches.values()),
        "failed": dict(counts.failures.most_common()),
        "faults": dict(counts.faults.most_common()),
        "finish_reasons": dict(counts.finish_reasons.most_common()),
        "calls": counts.calls,
        "retries": counts.retries,
        "without_reply": counts.without_reply,
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
    """Return the estimate of what remains, or None where no request would be sent or nothing is known."""
    remaining = estimate_remaining(dataset, counts, price, speed, dataset.requests)
    if remaining is None or dataset.complete or dataset.ended or not round(remaining.requests):
        return None
    seconds = None if remaining.seconds is None else round(remaining.seconds)
    usd = None if remaining.usd is None else round(remaining.usd, 6)
    return {"requests": round(remaining.requests), "tokens": remaining.tokens.tokens, "usd": usd, "seconds": seconds}


def _next(run: Run, dataset: Dataset, counts: Counts) -> str:
    """Return what to do about missing rows, in one sentence, or an empty text where none is missing."""
    runtime, shortfall = run.recipe.runtime, run.shortfall(dataset)
    budget = Budget(Limits.of(runtime), counts, run.definition.price)
    bound, teacher = Usage(), ""
    with suppress(UserMistake):  # a method may have nothing to ask at first
        first = run.first_request()
        bound, teacher = first.bound or Usage(), first.teacher
    exhausted = budget.fit(bound, batch=runtime.batch, teacher=teacher) == "never"
    return budget.reached if shortfall and not dataset.ended and exhausted else shortfall


def writing_process(path: Path) -> int | None:
    """Return the id of the process that is writing to a run directory, or None."""
    try:
        with (path / LOCK).open("rb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read(20).strip() or 0)
            return None
    except (OSError, ValueError):
        return None
