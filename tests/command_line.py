"""Run `selfinstruct` as a user does, and read the files of a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DERIVED = ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md")


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "selfinstruct", *map(str, words)]


def cli(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a person would."""
    return subprocess.run(command(*words), capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def derived(directory: Path) -> dict[str, bytes]:
    """The bytes of the four derived files."""
    return {name: (directory / name).read_bytes() for name in DERIVED}


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def outcomes(directory: Path) -> list[dict[str, Any]]:
    """The lines of a run's journal that say what came of a request: replies and failures."""
    return [line for line in rows(directory / "journal.jsonl") if line["kind"] in ("reply", "failure")]
