"""Contenders of `bench_rouge.py`: ways to drop each text whose ROUGE-L to a text kept before is above 0.7.

    .venv/bin/python scripts/bench/rouge_contenders.py NAME '{"texts": "texts.jsonl", "rows": 1000, "limit": 60}'

This command measures one contender in its process and prints one JSON line. `truth` in the options names a .npy file with the
right decisions, and `save` names a file for them. A decision is the place in the pool of the nearest text above the threshold,
or -1 for a row that is kept. A contender stops after `limit` seconds and reports the rows done. The seconds for all rows are
then extrapolated, from the number of pairs if it measures every pair, otherwise from its growth.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from math import log
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

THRESHOLD = 0.7
TRUTH, PORTABLE = "ours, 1 thread", "ours, portable engine"
CHUNK = 4096  # rows between two looks at the clock
_BLOCK = 256  # rows that rapidfuzz compares with the pool in one call
_STEP = 2_000  # texts of the pool with which one step of Alpaca's loop is timed
_HASHES = 128

Found = dict[str, Any]
Decisions = NDArray[np.int32]


def tokens_of(texts: list[str]) -> list[list[str]]:
    """Return the tokens of the texts, the same for all contenders."""
    from selfinstruct.rouge.tokens import unicode_tokens

    return [unicode_tokens(text) for text in texts]


class Pairs:
    """Pairs that a growing pool compares: each row with all rows kept before it."""

    def __init__(self, decisions: Decisions) -> None:
        self.kept = np.flatnonzero(decisions < 0)
        self.before: NDArray[np.int64] = np.cumsum(decisions < 0) - (decisions < 0)  # rows kept before each row
        self.total = int(self.before.sum())


def rouge_score(texts: list[str], limit: float, truth: Decisions) -> Found:
    """Measure the LCS of `rouge_score` on token lists, its fastest fair use, on pairs drawn at random with repetition."""
    from rouge_score.rouge_scorer import _score_lcs

    tokens, pairs, random = tokens_of(texts), Pairs(truth), np.random.default_rng(0)
    ends: NDArray[np.int64] = np.cumsum(pairs.before)
    measured, begun = 0, time.perf_counter()
    spent = 0.0
    while spent < limit and pairs.total:
        rows = np.searchsorted(ends, random.integers(pairs.total, size=1000), side="right")
        others = pairs.kept[random.integers(pairs.before[rows])]
        chosen = [(tokens[row], tokens[other]) for row, other in zip(rows, others, strict=True)]
        begun = time.perf_counter()
        for row_tokens, other_tokens in chosen:
            _score_lcs(row_tokens, other_tokens)
        spent += time.perf_counter() - begun
        measured += len(chosen)
    return {"seconds": spent / max(1, measured) * pairs.total, "measured": measured, "spent": spent, "extrapolated": "pairs"}


def rouge_score_in_full(texts: list[str], limit: float, truth: Decisions) -> Found:
    """Measure the LCS of `rouge_score` on all pairs, for inputs of a few hundred rows."""
    from rouge_score.rouge_scorer import _score_lcs

    pool: list[list[str]] = []
    decisions: list[int] = []
    begun, measured = time.perf_counter(), 0
    for row in tokens_of(texts):
        scores = [_score_lcs(row, other).fmeasure for other in pool]
        measured += len(scores)
        best = max(scores, default=0.0)
        decisions.append(scores.index(best) if best > THRESHOLD else -1)
        if decisions[-1] < 0:
            pool.append(row)
    return {"seconds": time.perf_counter() - begun, "measured": measured, "decisions": decisions}


def alpaca(texts: list[str], limit: float, truth: Decisions) -> Found:
    """Measure Alpaca's loop on a sample of the rows. It starts a pool of processes for each row.

    The cost of a step is its start, timed with a pool of one text, plus a cost for each pair.
    """
    tokens, pairs, random = tokens_of(texts), Pairs(truth), np.random.default_rng(0)
    starts: list[float] = []
    spent, measured, steps = 0.0, 0, 0
    while (not steps or spent < limit) and pairs.total:
        if len(starts) < 5:
            starts.append(_step(tokens[0], tokens[:1]))
        row = int(random.choice(len(texts), p=pairs.before / pairs.total))
        size = min(_STEP, int(pairs.before[row]))
        first = int(random.integers(pairs.before[row] - size + 1))
        spent += _step(tokens[row], [tokens[place] for place in pairs.kept[first : first + size]])
        measured, steps = measured + size, steps + 1
    start = float(np.median(starts)) if starts else 0.0
    seconds = start * len(texts) + max(0.0, spent - start * steps) / max(1, measured) * pairs.total
    return {"seconds": seconds, "measured": measured, "spent": spent, "extrapolated": "pairs", "start": start}


def _step(row: list[str], pool: list[list[str]]) -> float:
    from rouge_score.rouge_scorer import _score_lcs

    begun = time.perf_counter()
    with multiprocessing.Pool(_processors()) as processes:
        scores = processes.map(partial(_score_lcs, row), pool)
    max(score.fmeasure for score in scores)
    return time.perf_counter() - begun


def rapidfuzz(texts: list[str], limit: float, truth: Decisions) -> Found:
    """Measure rapidfuzz on every pair and all processors, with one character for each token. It decides exactly."""
    begun = time.perf_counter()
    numbers: dict[str, str] = {}
    rows = ["".join([numbers.setdefault(token, _character(len(numbers))) for token in row]) for row in tokens_of(texts)]
    pool: list[str] = []
    decisions: list[int] = []
    measured = 0
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        before, inside = _near(block, pool), _near(block, block)
        member: dict[int, int] = {}  # places in the pool of the kept rows of the block
        for number, row in enumerate(block):
            near = before.get(number, []) + [(member[at], score) for at, score in inside.get(number, []) if at in member]
            measured += len(pool)
            decisions.append(max(near, key=lambda pair: (pair[1], -pair[0]))[0] if near else -1)
            if not near:
                member[number] = len(pool)
                pool.append(row)
        if time.perf_counter() - begun > limit:
            break
    spent, pairs = time.perf_counter() - begun, Pairs(truth).total
    found: Found = {"seconds": spent, "measured": measured, "decisions": decisions}
    if len(decisions) < len(rows):
        found |= {"seconds": spent / measured * pairs, "spent": spent, "extrapolated": "pairs"}
    return found


def _near(block: list[str], others: list[str]) -> dict[int, list[tuple[int, float]]]:
    """Return the places and scores above the threshold, for each text of the block that has any."""
    from rapidfuzz.distance import Indel
    from rapidfuzz.process import cdist

    found: dict[int, list[tuple[int, float]]] = {}
    cut = THRESHOLD - 1e-4  # a little lower, because these scores are rounded, and the formula below decides
    table = cdist(block, others, scorer=Indel.normalized_similarity, score_cutoff=cut, dtype=np.float32, workers=-1)
    for number, place in zip(*map(np.ndarray.tolist, np.nonzero(table)), strict=True):
        sizes = len(block[number]), len(others[place])
        if not all(sizes):
            continue
        common = round(float(table[number, place]) * sum(sizes) / 2)
        precision, recall = common / sizes[0], common / sizes[1]
        score = 2 * precision * recall / (precision + recall)
        if score > THRESHOLD:
            found.setdefault(number, []).append((place, score))
    return found


def _character(number: int) -> str:
    return chr(number if number < 0xD800 else number + 0x800)  # skips the surrogates


def minhash(texts: list[str], limit: float, truth: Decisions, least: float) -> Found:
    """Measure MinHash with locality-sensitive hashing on sets of tokens. It drops a row that collides with a kept row."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=least, num_perm=_HASHES)

    def some(chunk: list[str], first: int) -> Iterator[int]:
        for number, row in enumerate(tokens_of(chunk), first):
            sketch = MinHash(num_perm=_HASHES)
            sketch.update_batch([token.encode() for token in set(row)])
            near = bool(index.query(sketch))
            if not near:
                index.insert(number, sketch)
            yield 0 if near else -1

    return _in_chunks(texts, limit, some)


def ours(texts: list[str], limit: float, truth: Decisions, **options: Any) -> Found:
    """Measure this package, splitting into tokens included."""
    from selfinstruct.rouge import RougeIndex

    index = RougeIndex(THRESHOLD, **options)

    def some(chunk: list[str], first: int) -> Iterator[int]:
        return (int(near.id) if near else -1 for near in index.admit_all(chunk))

    found = _in_chunks(texts, limit, some, chunk=CHUNK if options.get("engine") == "portable" else len(texts))
    if index.engine == "compiled":
        found |= {"counters": index._pool.counters, "pool_bytes": index._pool.bytes}  # type: ignore[attr-defined]
    return found


def _in_chunks(texts: list[str], limit: float, some: Callable[[list[str], int], Iterator[int]], chunk: int = CHUNK) -> Found:
    """Take the rows in chunks until the time limit, and extrapolate the rest from the growth so far."""
    decisions: list[int] = []
    moments = [(0, 0.0)]
    begun = time.perf_counter()
    for first in range(0, len(texts), max(1, chunk)):
        decisions += some(texts[first : first + chunk], first)
        moments.append((len(decisions), time.perf_counter() - begun))
        if moments[-1][1] > limit:
            break
    rows, spent = moments[-1]
    if rows == len(texts):
        return {"seconds": spent, "decisions": decisions}
    half, earlier = next((moment for moment in moments if moment[0] >= rows / 2), moments[-1])
    growth = max(1.0, log(spent / earlier) / log(rows / half)) if half < rows else 2.0
    seconds = spent * (len(texts) / rows) ** growth
    return {"seconds": seconds, "decisions": decisions, "spent": spent, "extrapolated": "growth", "growth": growth}


CONTENDERS: dict[str, Callable[[list[str], float, Decisions], Found]] = {
    TRUTH: partial(ours, threads=1),
    "ours, all threads": ours,
    PORTABLE: partial(ours, engine="portable"),
    "rouge_score": rouge_score,
    "rouge_score in full": rouge_score_in_full,
    "Alpaca's loop": alpaca,
    "rapidfuzz, all pairs": rapidfuzz,
    "MinHash LSH at 0.7": partial(minhash, least=0.7),
    "MinHash LSH at 0.5": partial(minhash, least=0.5),
}
SAMPLED = {"rouge_score", "Alpaca's loop"}  # measured on pairs drawn at random
WHOLE = {"rouge_score in full"}  # too slow for more than a few hundred rows
SHARES = {  # of the time limit
    "rouge_score": 1 / 6,
    "Alpaca's loop": 1 / 6,
    PORTABLE: 1 / 2,
    "MinHash LSH at 0.7": 1 / 2,
    "MinHash LSH at 0.5": 1 / 2,
    "rapidfuzz, all pairs": 3 / 2,  # enough to compare all its decisions at 52,000 rows
}
_FIRST = ["Où est la gare ?", "Two words"]  # loads everything before the clock starts
HASHED = "MinHash"  # first word of the contenders that decide inexactly


def peak() -> int:
    """Return the peak memory of this process in bytes."""
    try:
        status = Path("/proc/self/status").read_text()  # getrusage includes the memory of the parent at the start of this process
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _processors() -> int:
    return len(os.sched_getaffinity(0))


def read(path: str, rows: int) -> list[str]:
    """Return the first texts of a JSONL file of strings."""
    with Path(path).open(encoding="utf-8") as lines:
        return [json.loads(line) for line in islice(lines, rows)]


def compared(found: Found, truth: Decisions, hashed: bool) -> Found:
    """Replace the decisions by their number, the kept rows, and the errors against the right decisions."""
    decisions = np.array(found.pop("decisions", []), np.int32)
    right = truth[: len(decisions)]
    found["rows_done"] = len(decisions)
    found["kept"] = int((decisions < 0).sum())
    if hashed:
        dropped, duplicates = decisions >= 0, right >= 0
        found["recall"] = float((dropped & duplicates).sum() / duplicates.sum()) if duplicates.any() else None
        found["wrongly_dropped"] = int((dropped & ~duplicates).sum())
    elif (decisions != right).any():
        found["differs"] = int(np.flatnonzero(decisions != right)[0])
    return found


def measure(name: str, options: Found) -> Found:
    """Measure one contender on one input. Use a separate process for figures to report."""
    texts = read(options["texts"], options["rows"])
    truth = np.load(options["truth"]) if "truth" in options else np.zeros(0, np.int32)
    before = peak()
    CONTENDERS[name](_FIRST, 0, np.array([-1, -1], np.int32))
    found = CONTENDERS[name](texts, options["limit"] * SHARES.get(name, 1), truth)
    found |= {"peak_bytes": peak(), "before_bytes": before}
    if "save" in options:
        truth = np.array(found["decisions"], np.int32)
        np.save(options["save"], truth)
        found["pairs"] = Pairs(truth).total
    return compared(found, truth, name.startswith(HASHED))


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], json.loads(sys.argv[2]))))
