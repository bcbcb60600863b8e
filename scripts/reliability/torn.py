"""Tear the journal of a small run at every byte, and go on each time; what comes out must be as if nothing had happened.

    python scripts/reliability/torn.py [--rows 6] [--every 1]

The journal has every kind of line that live calls write: sent, fault, reply and failure. Exit status 1 with the reason
unless, for each length that a crash can leave of it,

- dataset, provenance, rejected candidates and card are, byte for byte, those of the whole run,
- no request is asked whose reply or failure is in what was left (lacking its newline at most),
- what was left of the journal is still its beginning afterwards, byte for byte, and the new journal gives the same files.
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

from harness import Ledger, derived, ending, require

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
    print(f"torn to {len(lengths):,} different lengths: the same bytes each time, and nothing saved was asked again")


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=6)
    parser.add_argument("--every", type=int, default=1, help="take one byte in so many, and all at the ends of lines")
    parser.add_argument("--place", help="where to put the run's directories; one in memory is faster")
    return parser.parse_args()


def tear(place: Path, rows: int, every: int = 1) -> tuple[bytes, Sequence[int]]:
    """Make a run, tear its journal to each length and go on; its journal, and the lengths."""
    (place / "seeds.jsonl").write_text("".join(json.dumps(seed(number)) + "\n" for number in range(len(_SEEDS))))
    whole = place / "whole"
    si.Run(whole, seeds=place / "seeds.jsonl", teacher=Moody(), num=rows).generate()
    expected, journal = derived(whole), (whole / "journal.jsonl").read_bytes()
    require(len(expected) == 4 and expected["dataset.jsonl"].count(b"\n") == rows, "the whole run did not make its rows")
    missing = _KINDS - {json.loads(line)["kind"] for line in journal.splitlines()}
    require(not missing, f"the journal has no {' and no '.join(sorted(missing))}; take more rows")
    ends = [place + 1 for place, byte in enumerate(journal) if byte == 10]
    near = {end + offset for end in ends for offset in (-2, -1, 0, 1)}
    lengths = sorted(length for length in {*range(0, len(journal), every), *near} if 0 <= length <= len(journal))
    for length in lengths:
        go_on(whole, place / "torn", journal[:length], expected)
    return journal, lengths


def go_on(whole: Path, torn: Path, left: bytes, expected: dict[str, bytes]) -> None:
    """Go on with a copy of a run of whose journal this much is left, and require what must hold."""
    shutil.rmtree(torn, ignore_errors=True)
    shutil.copytree(whole, torn)
    (torn / "journal.jsonl").write_bytes(left)
    for name in expected:
        (torn / name).unlink()
    teacher = Moody()
    si.Run(torn, teacher=teacher).generate()
    where = f"torn to {len(left):,} bytes"
    for name, content in expected.items():
        require((torn / name).read_bytes() == content, f"{where}: {name} is another one")
    require(si.Run(torn).files() == expected, f"{where}: the journal that came of it gives other files")
    again = saved(left) & teacher.asked.keys()
    require(not again, f"{where}: asked again though it was saved: {sorted(again)}")
    require((torn / "journal.jsonl").read_bytes().startswith(left), f"{where}: what was left of the journal was changed")


def saved(left: bytes) -> set[str]:
    """The requests whose outcome is in this much of a journal, be it without its newline."""
    ledger = Ledger()
    for line in left.split(b"\n"):
        try:
            ledger.add(json.loads(line))
        except ValueError:
            continue  # torn, or nothing
    return set(ledger.saved)


class Moody:
    """A teacher that refuses some requests, fails others at the first call, and answers by a function of the key."""

    name, host, model = "moody", "none", "script"

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def reply(self, key: str, request: Request) -> Reply:
        """The scripted answer, or the trouble that this request has."""
        self.asked[key] += 1
        if int(key) % 3 == 0 and self.asked[key] == 1:
            raise TransientError("slow down", cause=RATE_LIMIT, wait=0.0)  # the one fault that is tried again at once
        if int(key) % 5 == 0:
            raise RequestRefused("HTTP 400: no", cause="content_policy", status=400)
        usage = Usage(300, 40) if int(key) % 2 else None  # some servers do not count
        return Reply(answer(key), "stop", self.model, usage, self.host, 0)

    async def close(self) -> None:
        """Nothing to give back."""


def answer(key: str) -> str:
    """Three tasks: a good one, one that a filter drops, and one that is good for each key."""
    odd = " ".join(random.Random(key).sample(_WORDS, 7))
    tasks = [(f"Explain why number {key} likes {odd}.", "<noinput>"), (f"Draw a {key} now.", "<noinput>"), (f"{odd}?", f"i{key}")]
    return "\n###\n".join(
        f"{number}. Instruction: {instruction}\n{number}. Input:\n{input}\n{number}. Output:\nIt is {key}."
        for number, (instruction, input) in enumerate(tasks, 1)
    )


def seed(number: int) -> dict[str, object]:
    """A row of the seed file."""
    instances = [{"input": "", "output": "Yes."}]
    return {"id": f"s{number}", "name": f"s{number}", "instruction": _SEEDS[number], "instances": instances}


if __name__ == "__main__":
    ending(main)
