"""How a run stands, seen from outside: reads only, and works while another process writes."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

from selfinstruct.directory import JOURNAL, LOCK
from selfinstruct.journal import Journal
from selfinstruct.run import Run


def status(path: str | Path) -> dict[str, Any]:
    """Rows, funnel, requests, failures and tokens of a run, as plain values; `running` has the writer's process number.

    The rows are counted by building the dataset from the journal as it is now.
    """
    run = Run(path)
    dataset = run.build()
    with Journal.reading(run.path / JOURNAL) as journal:
        counts = journal.counts
    candidates = len(dataset.rows) + len(dataset.rejected)
    generate, limit, writing = run.recipe.generate, run.recipe.runtime.max_requests, writer(run.path)
    to_do = "" if writing else run.shortfall(dataset)
    if to_do and limit is not None and counts.requests >= limit:
        to_do = f"the limit of {limit:,} requests is reached; raise it with --max-requests"
    return {
        "directory": str(path),
        "running": writing,
        "complete": dataset.complete,
        "rows": len(dataset.rows),
        "target": dataset.target,
        "candidates": candidates,
        "acceptance": None if dataset.acceptance is None else round(dataset.acceptance, 4),
        "dropped": dataset.funnel,
        "unanswered": dataset.unanswered,
        "requests": {
            "answered": counts.replies,
            "used": dataset.requests,
            "failed": counts.failures,
            "retries": counts.retries,
        },
        "tokens": {
            "prompt": counts.usage.prompt_tokens,
            "completion": counts.usage.completion_tokens,
            "replies_without_a_count": counts.without_usage,
        },
        "seconds": round((counts.last_time or 0) - (counts.first_time or 0), 1),
        "journal": {"torn_lines": counts.torn, "unknown_lines": counts.unknown, "repeated_keys": counts.duplicates},
        "teacher": generate.teacher,
        "model": generate.model,
        "method": generate.method,
        "rouge": run.recipe.curate.rouge,
        "next": to_do,
    }


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
