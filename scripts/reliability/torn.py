"""Truncate the journal of a small run at every byte and resume each time.

    .venv/bin/python scripts/reliability/torn.py [--rows 6] [--every 1]

The journal has every kind of line that live calls write: sent, fault, reply and failure. The program exits with status 1 and
the reason unless, for each length that a crash can leave,

- dataset, provenance, rejected candidates and card have the bytes of the whole run,
- no request is sent whose reply or failure is in the remaining journal, even if only its newline is missing,
- the new journal begins with the bytes of the remaining one, and a rebuild from it gives the same files.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from harness import Ledger, derived, require, run_and_report

import selfinstruct as si
from selfinstruct.errors import RATE_LIMIT, RequestRefused, TransientError
from selfinstruct.records import Reply, Request, Usage

_WORDS = ["amber", "brook", "cedar", "delta", "ember", "fjord", "grove", "harbour", "island", "juniper", "kettle", "moss"]
_SEEDS = ("Is water wet on a Tuesday?", "Which river runs past the mill?", "Name four kinds of bread.")
_KINDS = {"sent", "fault", "reply", "failure"}


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.place) as place:
        journal, lengths = tear(Path(place), options.rows, options.every)
    kinds = Counter(json.loads(line)["kind"] for line in journal.splitlines())
    print(f"the journal: {len(journal):,} bytes, {', '.join(f'{count} {kind}' for kind, count in kinds.items())}")
    print(f"truncated to {len(lengths):,} different lengths: the same bytes each time, and no saved reply was asked again")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--every", type=int, default=1, help="take every N-th length, and all lengths near the ends of lines")
    parser.add_argument("--place", help="folder for the run directories (one in memory is faster)")
    return parser.parse_args()


def tear(place: Path, rows: int, every: int = 1) -> tuple[bytes, Sequence[int]]:
    """Make a run, then truncate its journal to each length and resume. Return the journal and the lengths."""
    (place / "seeds.jsonl").write_text("".join(json.dumps(seed(number)) + "\n" for number in range(len(_SEEDS))))
    whole = place / "whole"
    si.Run(whole, seeds=place / "seeds.jsonl", teacher=ScriptedFaults(), num=rows).generate()
    expected, journal = derived(whole), (whole / "journal.jsonl").read_bytes()
    require(len(expected) == 4 and expected["dataset.jsonl"].count(b"\n") == rows, "the whole run did not make its rows")
    missing = _KINDS - {json.loads(line)["kind"] for line in journal.splitlines()}
    require(not missing, f"the journal has no {' and no '.join(sorted(missing))}. Fix: set more --rows.")
    ends = [place + 1 for place, byte in enumerate(journal) if byte == 10]
    near = {end + offset for end in ends for offset in (-2, -1, 0, 1)}
    lengths = sorted(length for length in {*range(0, len(journal), every), *near} if 0 <= length <= len(journal))
    for length in lengths:
        resume(whole, place / "torn", journal[:length], expected)
    return journal, lengths


def resume(whole: Path, torn: Path, left: bytes, expected: dict[str, bytes]) -> None:
    """Resume a copy of a run with only this much of its journal, and require what must hold."""
    shutil.rmtree(torn, ignore_errors=True)
    shutil.copytree(whole, torn)
    (torn / "journal.jsonl").write_bytes(left)
    for name in expected:
        (torn / name).unlink()
    teacher = ScriptedFaults()
    si.Run(torn, teacher=teacher).generate()
    where = f"truncated to {len(left):,} bytes"
    for name, content in expected.items():
        require((torn / name).read_bytes() == content, f"{where}: {name} differs")
    require(si.Run(torn).files() == expected, f"{where}: the new journal gives other files")
    again = saved(left) & teacher.asked.keys()
    require(not again, f"{where}: saved, but asked again: {sorted(again)}")
    require((torn / "journal.jsonl").read_bytes().startswith(left), f"{where}: the remaining journal was changed")


def saved(left: bytes) -> set[str]:
    """Return the keys whose outcome is in this part of a journal. The last line may lack its newline."""
    ledger = Ledger()
    for line in left.split(b"\n"):
        try:
            ledger.add(json.loads(line))
        except ValueError:
            continue  # torn or empty
    return set(ledger.saved)


class ScriptedFaults:
    """Teacher that refuses some requests, fails others at the first call, and answers by a function of the key."""

    name, host, model = "moody", "none", "script"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def reply(self, key: str, request: Request) -> Reply:
        """Return the scripted answer, or raise the error that this request has."""
        self.asked[key] += 1
        if int(key) % 3 == 0 and self.asked[key] == 1:
            raise TransientError("slow down", cause=RATE_LIMIT, wait=0.0)  # the only fault that is retried at once
        if int(key) % 5 == 0:
            raise RequestRefused("HTTP 400: no", cause="content_policy", status=400)
        usage = Usage(300, 40) if int(key) % 2 else None  # some servers do not count tokens
        return Reply(answer(key), "stop", self.model, usage, self.host, 0)

    async def close(self) -> None:
        """Do nothing."""


def answer(key: str) -> str:
    """Return three tasks: a good one, one that a filter rejects, and one that differs for each key."""
    odd = " ".join(random.Random(key).sample(_WORDS, 7))
    tasks = [(f"Explain why number {key} likes {odd}.", "<noinput>"), (f"Draw a {key} now.", "<noinput>"), (f"{odd}?", f"i{key}")]
    return "\n###\n".join(
        f"{number}. Instruction: {instruction}\n{number}. Input:\n{input}\n{number}. Output:\nIt is {key}."
        for number, (instruction, input) in enumerate(tasks, 1)
    )


def seed(number: int) -> dict[str, object]:
    """Return a row of the seed file."""
    instances = [{"input": "", "output": "Yes."}]
    return {"id": f"s{number}", "name": f"s{number}", "instruction": _SEEDS[number], "instances": instances}


if __name__ == "__main__":
    run_and_report(main)
