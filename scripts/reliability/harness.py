"""Shared parts of the reliability programs: start a run, and read its journal and the server's log while they grow.

These parts do not ask selfinstruct what happened. They read the journal as plain JSON, and the server has a log of its own.
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

from fake_openai import FakeOpenAI, running_fake_openai  # noqa: E402 (tests/ must be on the path first)

DERIVED = ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md")
__all__ = [
    "DERIVED",
    "ROOT",
    "Violation",
    "GrowingFile",
    "Ledger",
    "FakeOpenAI",
    "command",
    "derived",
    "environment",
    "run_and_report",
    "generate",
    "require",
    "running_fake_openai",
    "start",
]
_KEYS = ("OPENAI_API_KEY", "SELFINSTRUCT_API_KEY", "OPENAI_BASE_URL")


class Violation(Exception):
    """A property does not hold, or the chosen sizes tested nothing."""


def require(holds: bool, reason: str) -> None:
    """Raise Violation with this reason unless the property holds."""
    if not holds:
        raise Violation(reason)


def run_and_report(main: Callable[[], None]) -> None:
    """Run a program's main function. Exit with status 1 and the reason when it raises Violation."""
    try:
        main()
    except Violation as violation:
        sys.exit(f"VIOLATED: {violation}")
    print("all properties hold")


def command(directory: Path, teacher: FakeOpenAI, *flags: object) -> list[str]:
    """Return the command that starts or resumes a run with one server."""
    return generate(directory, "--base-url", teacher.url, "--model", "m", *flags)


def generate(directory: Path, *flags: object) -> list[str]:
    """Return the `generate` command with these flags."""
    return [sys.executable, "-m", "selfinstruct", "generate", str(directory), *map(str, flags)]


def environment() -> dict[str, str]:
    """Return environment variables that select the package of this checkout and hold no API key."""
    return {name: value for name, value in os.environ.items() if name not in _KEYS} | {"PYTHONPATH": str(ROOT)}


def start(words: list[str], errors: Path) -> subprocess.Popen[bytes]:
    """Start a command in `environment()`, with standard error in a file and standard output dropped."""
    with errors.open("wb") as stream:
        return subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=stream, env=environment())


def derived(directory: Path) -> dict[str, bytes]:
    """Return the content of the derived files that exist, by name."""
    return {name: (directory / name).read_bytes() for name in DERIVED if (directory / name).exists()}


class GrowingFile:
    """File of JSON lines that grows, read from where the last reading ended.

    A last line without its newline counts if it is valid JSON. selfinstruct reads its journal by this rule too.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = 0
        self._read = 0

    def new_lines(self) -> list[dict[str, Any]]:
        """Return the objects of the lines since the last call. Count the other whole lines in `torn`."""
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
            if line.endswith(b"\n"):  # a line without an end may still grow, so it is read again
                self.torn += line != b"\n"
                self._read += len(line)
            return {}
        self._read += len(line)
        return fields


class Ledger:
    """Account of a journal by key: calls sent, how they ended, and the saved outcomes."""

    def __init__(self) -> None:
        self.lines: Counter[str] = Counter()  # by kind
        self.faults: Counter[str] = Counter()  # by cause
        self.failures: Counter[str] = Counter()  # by cause, of calls
        self.saved: dict[str, dict[str, Any]] = {}  # the reply or failure of a key
        self.open: set[str] = set()  # sent and not ended
        self.given_up = 0  # failures after the last of many faults, which end no call
        self.problems: list[str] = []

    def add(self, line: dict[str, Any]) -> None:
        """Add the next line. Breaches of the journal's order go into `problems`."""
        kind, key = line["kind"], line["key"]
        self.lines[kind] += 1
        if kind == "sent":
            self._expect(key not in self.saved, f"{key} was sent though its outcome was saved")
            self._expect(key not in self.open, f"{key} was sent twice at a time")
            self.open.add(key)
            return
        given_up = kind == "failure" and line["attempts"] > 1 and key not in self.open
        if given_up:  # its last call ended with a fault, and no more retries were allowed
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

    def process_killed(self) -> set[str]:
        """Return the keys of the calls in flight, and forget them because the process is gone."""
        gone, self.open = self.open, set()
        return gone

    def _expect(self, holds: bool, problem: str) -> None:
        if not holds:
            self.problems.append(problem)
