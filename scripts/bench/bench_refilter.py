"""Measure a rebuild with another threshold: the time of ROUGE-L as a ratio to the time of reading the run.

    .venv/bin/python scripts/bench/bench_refilter.py [--rows 52000] [--rouge 0.6] [--small]

The program makes a run with a scripted teacher (texts of `realistic.py`, 17 tasks a reply). Then a separate process builds it
with another threshold, with all that `selfinstruct build` does. The times are

    reading    journal, parsing, the other filters and writing the files
    deciding   ROUGE-L of each candidate to the rows before it
    nearest    ROUGE-L of each row to its 10 nearest

The program exits with status 1 if ROUGE-L takes longer than reading.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import realistic

import selfinstruct as si
from selfinstruct.curate import curator
from selfinstruct.notations.numbered import numbered
from selfinstruct.records import Example
from selfinstruct.rouge import RougeIndex

_TASKS = 17  # tasks of a reply, because 3 of the list of 20 are seeds
_CANDIDATES = 2.2  # candidates for each row, because some are rejected


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=52_000, help="rows of the run")
    parser.add_argument("--rouge", type=float, default=0.6, help="threshold of the rebuild (the run has 0.7)")
    parser.add_argument("--small", action="store_true", help="check that the program works: 300 rows, no ratio required")
    parser.add_argument("--built", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.built:
        print(json.dumps(build(options.built, options.rouge)))
        return
    rows = 300 if options.small else options.rows
    with tempfile.TemporaryDirectory() as directory:
        make(Path(directory) / "run", rows)
        command = [sys.executable, __file__, "--rouge", str(options.rouge), "--built", str(Path(directory) / "run")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(done.stderr)
        found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    print(f"{rows:,} rows, rebuilt at {options.rouge:g}: {found['rows']:,} rows of {found['candidates']:,} candidates")
    for name in ("reading", "deciding", "nearest"):
        print(f"  {name:9} {found[name]:7.2f} s")
    ratio = (found["deciding"] + found["nearest"]) / found["reading"]
    print(f"  ROUGE-L takes {ratio:.2f} times as long as reading (required: at most 1)")
    sys.exit(f"ROUGE-L takes {ratio:.2f} times as long as reading, more than 1" if ratio > 1 and not options.small else None)


def make(directory: Path, rows: int) -> None:
    """Make a finished run with this many rows."""
    texts, notation = list(realistic.texts(int(rows * _CANDIDATES) + 20 * _TASKS)), numbered()

    def answer(key: str, request: Any) -> str:
        first = int(key) * _TASKS
        chosen = [texts[number % len(texts)] for number in range(first, first + _TASKS)]
        outputs = [" ".join(texts[(first * 7 + number * 13) % len(texts)].split()[:80]) for number in range(_TASKS)]
        examples = [Example.of(text, "", f"Here it is: {output}.") for text, output in zip(chosen, outputs, strict=True)]
        return notation.render(examples, start=4)

    made = si.Run(directory, teacher=si.Scripted(answer), num=rows, concurrency=64).generate()
    if len(made.rows) < rows:
        sys.exit(f"the run has only {len(made.rows):,} rows of {rows:,} ({made.funnel})")


def build(directory: Path, rouge: float) -> dict[str, Any]:
    """Build the run again. Return the seconds of each part, and the numbers of rows and candidates."""
    spent = {"deciding": 0.0, "nearest": 0.0}

    class Timed(RougeIndex):
        def add_all(self, *given: Any) -> None:
            _clocked(spent, "deciding", lambda: super(Timed, self).add_all(*given))

        def admit_all(self, *given: Any) -> Any:
            return _clocked(spent, "deciding", lambda: super(Timed, self).admit_all(*given))

        def nearest_earlier(self, *given: Any) -> Iterator[Any]:
            found = super().nearest_earlier(*given)
            while (neighbours := _clocked(spent, "nearest", lambda: next(found, None))) is not None:
                yield neighbours

    before = time.perf_counter()
    with patch.object(curator, "RougeIndex", Timed):
        run = si.Run(directory)
        dataset = run.build(rouge=rouge)
        run.write(dataset, to=directory.with_name("built"))
    spent["reading"] = time.perf_counter() - before - sum(spent.values())
    return {**spent, "rows": len(dataset.rows), "candidates": len(dataset.rows) + len(dataset.rejected)}


def _clocked(spent: dict[str, float], name: str, work: Callable[[], Any]) -> Any:
    before = time.perf_counter()
    try:
        return work()
    finally:
        spent[name] += time.perf_counter() - before


if __name__ == "__main__":
    main()
