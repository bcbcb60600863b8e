"""Helpers that run `selfinstruct` in a separate process and read the files of a run."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DERIVED = ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md")


def command(*words: object) -> list[str]:
    """Return the command line of `selfinstruct` with these arguments, for this Python."""
    return [sys.executable, "-m", "selfinstruct", *map(str, words)]


def cli(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `selfinstruct` to its end, with additional environment variables. It has 300 seconds."""
    variables = {**os.environ, **environment}
    return subprocess.run(command(*words), check=False, capture_output=True, text=True, env=variables, timeout=300)


def derived(directory: Path) -> dict[str, bytes]:
    """Return the content of the four derived files by name."""
    return {name: (directory / name).read_bytes() for name in DERIVED}


def rows(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def outcomes(directory: Path) -> list[dict[str, Any]]:
    """Return the replies and failures in a run's journal."""
    return [line for line in rows(directory / "journal.jsonl") if line["kind"] in ("reply", "failure")]


def on_a_terminal(*words: object, columns: int = 150, status: int = 0, **environment: str) -> str:
    """Run a command to its end on a terminal of so many columns, and return what the terminal was sent."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    variables = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "NO_COLOR")}
    variables = {**variables, "TERM": "xterm-256color", **environment}
    process = subprocess.Popen(command(*words), stderr=theirs, stdout=theirs, env=variables)
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the other end was closed: the process has ended
        pass
    assert process.wait() == status
    return shown.decode()
