"""What the trust_... scripts share: a run as a person starts it, its journal and the server's log read while they grow.

Nothing of this asks selfinstruct what happened: the journal's lines are read as plain JSON, and the server has its own log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from fake_openai import FakeOpenAI, running_fake_openai  # noqa: E402 (tests/ had to be made known first)

DERIVED = ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md")
__all__ = [
    "DERIVED",
    "ROOT",
    "Broken",
    "Growing",
    "Ledger",
    "FakeOpenAI",
    "command",
    "derived",
    "ending",
    "generate",
    "require",
    "running_fake_openai",
    "start",
]
_KEYS = ("OPENAI_API_KEY", "SELFINSTRUCT_API_KEY", "OPENAI_BASE_URL")


class Broken(Exception):
    """A property that was to hold does not; or the script's sizes were such that nothing was tested."""


def require(holds: bool, reason: str) -> None:
    """End the script with this reason unless it holds."""
    if not holds:
        raise Broken(reason)


def ending(main: Callable[[], None]) -> None:
    """Run a script's main function: exit status 1 and the reason when a property does not hold."""
    try:
        main()
    except Broken as broken:
        sys.exit(f"BROKEN: {broken}")
    print("all of it holds")


def command(directory: Path, teacher: FakeOpenAI, *flags: object) -> list[str]:
    """The command that begins a run and goes on with it."""
    return generate(directory, "--base-url", teacher.url, "--model", "m", *flags)


def generate(directory: Path, *flags: object) -> list[str]:
    """The same with these flags alone."""
    return [sys.executable, "-m", "selfinstruct", "generate", str(directory), *map(str, flags)]


def start(words: list[str], errors: Path) -> subprocess.Popen[bytes]:
    """Start a command with this working tree's package, and with no key of the person who runs it; stderr goes to a file."""
    environment = {name: value for name, value in os.environ.items() if name not in _KEYS} | {"PYTHONPATH": str(ROOT)}
    with errors.open("wb") as stream:
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=stream, env=environment)


def derived(directory: Path) -> dict[str, bytes]:
    """The bytes of the derived files that are there."""
    return {name: (directory / name).read_bytes() for name in DERIVED if (directory / name).exists()}


class Growing:
    """A file of JSON lines that grows: each look gives the whole lines since the last one.

    A last line without its newline counts if it is JSON already, which is what selfinstruct promises of its journal too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = 0
        self._read = 0

    def look(self) -> list[dict[str, Any]]:
        """The objects of the new lines; what is no JSON object is counted in `torn`."""
        if not self.path.exists():
            return []
        with self.path.open("rb") as file:
            file.seek(self._read)
            found = [self._taken(line) for line in file]
        return [fields for fields in found if fields]

    def _taken(self, line: bytes) -> dict[str, Any]:
        try:
            fields = json.loads(line)
        except ValueError:
            fields = None
        if not isinstance(fields, dict):
            if line.endswith(b"\n"):  # else it may still be growing: it is looked at again
                self.torn += line != b"\n"
                self._read += len(line)
            return {}
        self._read += len(line)
        return fields


class Ledger:
    """What a journal's lines say of each key: calls sent, how they ended, and which outcomes are saved."""

    def __init__(self) -> None:
        self.lines: Counter[str] = Counter()  # by kind
        self.faults: Counter[str] = Counter()  # by cause
        self.failures: Counter[str] = Counter()  # by cause, of calls
        self.saved: dict[str, dict[str, Any]] = {}  # the reply or failure of a key
        self.open: set[str] = set()  # sent, and not ended
        self.given_up = 0  # failures that follow the last of many faults instead of ending a call
        self.problems: list[str] = []

    def add(self, line: dict[str, Any]) -> None:
        """Take in the next line; what breaks the journal's order is noted in `problems`."""
        kind, key = line["kind"], line["key"]
        self.lines[kind] += 1
        if kind == "sent":
            self._expect(key not in self.saved, f"{key} was sent though its outcome was saved")
            self._expect(key not in self.open, f"{key} was sent twice at a time")
            self.open.add(key)
            return
        given_up = kind == "failure" and line["attempts"] > 1 and key not in self.open
        if given_up:  # its last call ended with a fault, after which it was not to be tried again
            self.given_up += 1
        else:
            self._expect(key in self.open, f"{key} has a {kind} that ends no call")
        self.open.discard(key)
        if kind == "fault":
            self.faults[line["cause"]] += 1
        else:
            self._expect(key not in self.saved, f"{key} has two outcomes")
            self.saved[key] = line
            if kind == "failure" and not given_up:
                self.failures[line["cause"]] += 1

    def cut_off(self) -> set[str]:
        """The process is gone: the calls that it had under way, which will come to nothing."""
        gone, self.open = self.open, set()
        return gone

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)
