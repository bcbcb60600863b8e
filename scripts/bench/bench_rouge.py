"""Measure the search for near-duplicates: `rouge_score`, Alpaca's loop, rapidfuzz, MinHash and this package in one run.

    .venv/bin/python scripts/bench/bench_rouge.py [--sizes 1000 10000 52000 200000 1000000] [--limit 60] [--small]

It needs the extra `bench` (matplotlib, datasketch) and writes `rouge.md`, `rouge.json` and `rouge.png` into `data/bench/`.

The task is to keep each text whose ROUGE-L F-measure to all texts kept before is at most 0.7. Inputs are the seeds, the sample
in `data/`, and the texts of `realistic.py`. Each contender (`rouge_contenders.py`) has a separate process for each size, one
after the other on the same texts. So has each further question (`rouge_cases.py`). A measurement that would take too long is
made on a part and extrapolated, and the figure is marked. All exact contenders must make the same decisions, otherwise the
program exits with status 1. Compare the ratios, because a machine's speed changes from minute to minute.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any

import rouge_cases
import rouge_contenders
from rouge_cases import CASES, HARD
from rouge_contenders import CONTENDERS, SAMPLED, TRUTH, WHOLE
from rouge_report import duration, markdown, plot

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
SIZES = [1_000, 10_000, 52_000, 200_000, 1_000_000]
PACKAGES = ("selfinstruct", "rouge_score", "rapidfuzz", "datasketch", "numpy")
_SURPLUS = 1.6  # texts for each text of the pool of single admissions, because some are dropped

Found = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of rows")
    parser.add_argument(
        "--limit", type=float, default=60, help="most seconds for each contender and size, where it can stop early"
    )
    parser.add_argument("--into", type=Path, default=ROOT / "data" / "bench", help="directory for the results")
    parser.add_argument("--small", action="store_true", help="check that the program works")
    options = parser.parse_args()
    if missing := [name for name in ("matplotlib", "datasketch") if not importlib.util.find_spec(name)]:
        sys.exit(f"bench_rouge.py: missing packages {' and '.join(missing)}. Fix: install 'selfinstruct[bench]' with pip.")
    if options.small:
        options.sizes, options.limit = [100, 300], 0.1
    with tempfile.TemporaryDirectory() as work:
        found = measure(sorted(options.sizes), options.limit, options.small, Path(work))
    options.into.mkdir(parents=True, exist_ok=True)
    (options.into / "rouge.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (options.into / "rouge.md").write_text(markdown(found), encoding="utf-8")
    plot(found, options.into / "rouge.png")
    print(f"\n{markdown(found)}")
    wrong = [f"{race['contender']} ({race['rows']} rows of {race['input']})" for race in found["races"] if "differs" in race]
    sys.exit(f"different decisions: {', '.join(wrong)}" if wrong else None)


def measure(sizes: list[int], limit: float, small: bool, work: Path) -> Found:
    """Measure everything, and return all figures."""
    pool = min(52_000, sizes[-1])
    most = max(sizes[-1], int(pool * _SURPLUS))
    begun = time.perf_counter()
    with (work / "realistic.jsonl").open("w") as into:
        subprocess.run([sys.executable, str(HERE / "realistic.py"), str(most)], stdout=into, check=True)
    made = {"rows": most, "seconds": time.perf_counter() - begun}
    print(f"{most:,} realistic rows made in {duration(made['seconds'])}", flush=True)
    races = []
    for name, texts in real_inputs(most=50 if small else 1_000).items():
        (work / f"{name}.jsonl").write_text("".join(json.dumps(text) + "\n" for text in texts), encoding="utf-8")
        races += race(name, len(texts), limit, [name for name in CONTENDERS if name not in SAMPLED], work)
    for size in sizes:
        races += race("realistic", size, limit, [name for name in CONTENDERS if name not in WHOLE], work, here=small)
    return {"made": circumstances(), "generator": made, "races": races, "cases": ask(pool, most, limit, small, work)}


def ask(pool: int, most: int, limit: float, small: bool, work: Path) -> Found:
    """Measure the further questions."""
    cases = {}
    for name in CASES:
        asked: Found = {"rows": pool, "limit": 2 * limit, "texts": str(work / "realistic.jsonl"), "most": most}
        if name in HARD:
            asked = {"rows": HARD[name][1] // (100 if small else 1), "limit": 2 * limit}
        cases[name] = (rouge_cases.measure if small and name in HARD else apart(rouge_cases))(name, asked)
        seconds = cases[name].get("seconds")
        print(f"{name:50} {'see the table' if seconds is None else duration(seconds)}", flush=True)
    return cases


def real_inputs(most: int) -> dict[str, list[str]]:
    """Return the instructions of the seeds, and those of the sample with its rejected candidates."""
    names = {"seeds": ["seeds/seed_tasks.jsonl"], "sample": ["data/sample/dataset.jsonl", "data/sample/rejected.jsonl"]}
    found = {
        name: [line for path in paths for line in (ROOT / path).read_text("utf-8").split("\n")] for name, paths in names.items()
    }
    return {name: [json.loads(line)["instruction"] for line in lines if line][:most] for name, lines in found.items()}


def race(name: str, rows: int, limit: float, contenders: list[str], work: Path, here: bool = False) -> list[Found]:
    """Measure the contenders on the first `rows` texts of an input. The decisions of the first are the right ones."""
    texts, truth = str(work / f"{name}.jsonl"), str(work / f"{name}-{rows}.npy")
    results: list[Found] = []
    for contender in contenders:
        asked = {"texts": texts, "rows": rows, "limit": limit, "save" if contender == TRUTH else "truth": truth}
        found = (rouge_contenders.measure if here else apart(rouge_contenders))(contender, asked)
        kept, pairs = (results[0]["kept"], results[0]["pairs"]) if results else (found["kept"], found["pairs"])
        results.append({"input": name, "rows": rows, "contender": contender, "right": kept, "pairs": pairs, **found})
        about = " (extrapolated)" if "extrapolated" in found else ""
        print(f"{rows:9,} rows of {name:10} {contender:22} {duration(found['seconds'])}{about}", flush=True)
    return results


def apart(module: ModuleType) -> Callable[[str, Found], Found]:
    """Return the measurement of a module as a function that runs it in a separate process."""

    def measured(name: str, asked: Found) -> Found:
        command = [sys.executable, str(module.__file__), name, json.dumps(asked)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"{name} {asked}: {done.stderr}")
        found: Found = json.loads(done.stdout.splitlines()[-1])
        return found

    return measured


def circumstances() -> Found:
    """Return the machine, the packages and the command, on which the figures depend."""
    processor = platform.processor() or platform.machine()
    if (described := Path("/proc/cpuinfo")).exists():
        lines = [line.partition(":")[2].strip() for line in described.read_text().split("\n") if line.startswith("model name")]
        processor = (lines or [processor])[0]
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "scripts/bench/bench_rouge.py", *sys.argv[1:]]),
        "cores": len(os.sched_getaffinity(0)),
        "processor": processor,
        "system": platform.system(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }


if __name__ == "__main__":
    main()
