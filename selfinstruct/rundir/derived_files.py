"""The derived files of a run directory. All of them follow from the journal and the settings, and are replaced whole."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from selfinstruct.atomic_write import Staged
from selfinstruct.curate.dataset import Dataset
from selfinstruct.errors import OutputError, RunDirectoryError
from selfinstruct.journal.events import Entry
from selfinstruct.journal.file import Journal
from selfinstruct.layout import CARD, DATASET, PROVENANCE, REJECTED
from selfinstruct.records import Decision, Neighbour, Reply, json_line

OriginOf = Callable[[int], Mapping[str, Any]]  # the method, prompt and teacher of a root request, by its index
_REMEMBERED = 64  # requests whose description is cached
_YEAR_2100 = 4_102_444_800  # in Unix seconds


def files(dataset: Dataset, journal: Journal, origin_of: OriginOf, card: str) -> dict[str, bytes]:
    """Return the contents of the four derived files by name. `card` is the dataset card."""
    return {
        DATASET: b"".join(json_line(row.candidate.example.as_values()) for row in dataset.rows),
        PROVENANCE: b"".join(map(json_line, provenance(dataset, journal, origin_of))),
        REJECTED: b"".join(json_line(rejected_line(decision)) for decision in dataset.rejected),
        CARD: card.encode(),
    }


def provenance(dataset: Dataset, journal: Journal, origin_of: OriginOf) -> Iterator[dict[str, Any]]:
    """Yield the provenance of each row, in order. The journal must stay open meanwhile.

    The nearest neighbours of the rows are searched on all cores.
    """
    thinking = bool(dataset.curate and dataset.curate.reasoning)
    call_of = lru_cache(_REMEMBERED)(lambda key: _call(journal.get(key), thinking))  # the rows of one reply follow one another
    for row, nearest, mean in zip(dataset.rows, dataset.nearest(), dataset.mean_similarities(), strict=True):
        yield provenance_line(row, nearest, mean, call_of, origin_of(row.candidate.root))


def provenance_line(
    row: Decision,
    nearest: Sequence[Neighbour],
    mean: float | None,
    call_of: Callable[[str], Mapping[str, Any]],
    origin: Mapping[str, Any],
) -> dict[str, Any]:
    """Return where a row came from, as `provenance.jsonl` has it.

    The request named is the one whose reply holds the output, and the tokens are those of that reply.
    `proposed_by` is the request that gave the instruction, where that was another one.

    Args:
        row: The row.
        nearest: The nearest of the seeds and of the instructions admitted before, nearest first.
        mean: The row's mean similarity (0 to 1), or None where the settings do not ask for it.
        call_of: Describes the request with a given key.
        origin: The method, prompt and teacher of the row's root request.
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


def rejected_line(decision: Decision) -> dict[str, Any]:
    """Return a rejected candidate with its rule, the measured value, the limit and its texts, as `rejected.jsonl` has it."""
    candidate, near = decision.candidate, decision.nearest[:1]
    return {
        "candidate": candidate.id,
        "rule": decision.rule,
        "value": decision.value,
        "limit": decision.limit,
        "nearest": {"id": near[0].id, "score": near[0].score, "instruction": near[0].instruction} if near else None,
        "instruction": candidate.task.instruction,
        "input": candidate.task.input,
        "output": candidate.task.output,
        "seeds": list(candidate.seed_ids),
        **candidate.trace,
    }


def _call(entry: Entry | None, thinking: bool) -> dict[str, Any]:
    """Return a request of the journal as provenance describes it, with the model's `thinking` where that is True."""
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
        **({"reasoning": reply.reasoning} if thinking and reply.reasoning else {}),
    }


def replace(directory: Path, contents: Mapping[str, bytes]) -> None:
    """Put files into a directory, so that a reader or a crash sees each one whole, the old or the new.

    Raises RunDirectoryError when the directory cannot be written.
    """
    try:
        with Staged(directory) as files:
            for name, content in contents.items():
                files.open(name).write(content)
            files.commit()
    except OutputError as error:
        raise RunDirectoryError(f"{error} The replies are safe in the journal.") from None
