"""The derived files of a run directory: all of them follow from the journal, and are replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from selfinstruct import plugins
from selfinstruct.atomic_write import Staged
from selfinstruct.curate.dataset import Dataset
from selfinstruct.errors import OutputError, PluginError, RunDirectoryError
from selfinstruct.journal.events import Entry
from selfinstruct.journal.file import Journal
from selfinstruct.layout import CARD, DATASET, PROVENANCE, REJECTED
from selfinstruct.records import Decision, Example, Neighbour, Reply, json_line

_REMEMBERED = 64  # requests at a time
_YEAR_2100 = 4_102_444_800  # Unix seconds


def files(
    dataset: Dataset, journal: Journal, origin_of: Callable[[int], Mapping[str, Any]], format: str, card: str
) -> dict[str, bytes]:
    """The contents of the four derived files, by name; `origin_of` says by what method the rows of a root request were made."""
    write_row = row_writer(format)
    rows = (json_line(write_row(row.candidate.example)) for row in dataset.rows)
    call_of = lru_cache(_REMEMBERED)(lambda key: _call(journal.get(key)))  # the rows of one reply follow one another
    found = zip(dataset.rows, dataset.nearest(), dataset.means(), strict=True)
    origins = (provenance(row, nearest, mean, call_of, origin_of(row.candidate.root)) for row, nearest, mean in found)
    return {
        DATASET: b"".join(rows),
        PROVENANCE: b"".join(map(json_line, origins)),
        REJECTED: b"".join(json_line(rejection(decision)) for decision in dataset.rejected),
        CARD: card.encode(),
    }


def row_writer(format: str) -> Callable[[Example], Mapping[str, Any]]:
    """The function of a format; raises PluginError now if it cannot write a row."""
    write_row: Callable[[Example], Mapping[str, Any]] = plugins.find("format", format)
    try:
        works = isinstance(write_row(Example("a", "b", "c")), Mapping)
    except Exception as error:  # anybody's own code
        raise PluginError(f"format {format!r} cannot write a row ({type(error).__name__}: {error}); mend it") from None
    if not works:
        raise PluginError(f"format {format!r} does not give an object with keys; mend it")
    return write_row


def provenance(
    row: Decision,
    nearest: Sequence[Neighbour],
    mean: float | None,
    call_of: Callable[[str], Mapping[str, Any]],
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """Where a row came from. The request named is the one whose reply holds the output; tokens are that reply's.

    `proposed_by` is the request that gave the instruction, where that was another one; `call_of` describes a request. `mean`
    is the row's mean similarity, None where that is not wanted.
    """
    candidate = row.candidate
    return {
        "id": candidate.example.id,
        "candidate": candidate.id,
        "position": candidate.position,
        "seeds": list(candidate.seed_ids),
        **candidate.trace,
        **origin,
        **call_of(candidate.solved_by or candidate.key),
        "proposed_by": call_of(candidate.key) if candidate.solved_by else None,
        "nearest": [{"id": near.id, "score": round(near.score, 6)} for near in nearest],
        **({} if mean is None else {"mean_similarity": round(mean, 6)}),
    }


def rejection(decision: Decision) -> dict[str, Any]:
    """A dropped candidate with its rule, what was measured, the limit, the nearest neighbour, and its texts."""
    candidate, near = decision.candidate, decision.nearest[:1]
    return {
        "candidate": candidate.id,
        "rule": decision.rule,
        "value": decision.value,
        "limit": decision.limit,
        "nearest": {"id": near[0].id, "score": near[0].score, "instruction": near[0].instruction} if near else None,
        "instruction": candidate.item.instruction,
        "input": candidate.item.input,
        "output": candidate.item.output,
        "seeds": list(candidate.seed_ids),
        **candidate.trace,
    }


def _call(entry: Entry | None) -> dict[str, Any]:
    assert entry is not None and isinstance(entry.outcome, Reply)
    reply = entry.outcome
    seconds = entry.time
    if reply.created is not None and 0 <= reply.created < _YEAR_2100:  # some servers give milliseconds
        seconds = reply.created
    moment = datetime.fromtimestamp(seconds, UTC)
    usage = reply.usage
    return {
        **({"teacher": entry.teacher} if entry.teacher else {}),
        "request_key": entry.key,
        "model": reply.model,
        "endpoint": reply.host,
        "time": moment.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "sampling": dict(entry.sampling),
        "finish_reason": reply.finish_reason,
        "usage": usage and {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens},
    }


def replace(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Put files into a directory so that a reader, or a crash, sees each one whole: the old or the new."""
    try:
        with Staged(directory) as files:
            for name, content in contents.items():
                files.open(name).write(content)
            files.commit()
    except OutputError as error:
        raise RunDirectoryError(f"{error}: the replies are safe in the journal") from None
