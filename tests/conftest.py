"""What the tests share: a teacher's server in its own process, and runs through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from servers import Teacher, running_teacher

HERE = Path(__file__).parent
DERIVED = ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md")


@pytest.fixture
def start_teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Teacher]]:
    """A function that starts a server, given options of teacher_server.py; all of them end with the test."""
    with ExitStack() as started:

        def start(latency: float = 0.0, outage: tuple[int, int] = (0, 0), **options: object) -> Teacher:
            log = tmp_path_factory.mktemp("teacher") / "log.jsonl"
            return started.enter_context(running_teacher(log, latency=latency, outage=outage, **options))

        yield start


@pytest.fixture
def teacher(start_teacher: Callable[..., Teacher]) -> Teacher:
    return start_teacher()


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test may depend on, or use, a key of the person who runs it."""
    for name in ("OPENAI_API_KEY", "SELFINSTRUCT_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "selfinstruct", *map(str, words)]


def cli(*words: object, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as a person would."""
    return subprocess.run(command(*words), capture_output=True, text=True, env={**os.environ, **environment}, timeout=300)


def derived(directory: Path) -> dict[str, bytes]:
    """The bytes of the four derived files."""
    return {name: (directory / name).read_bytes() for name in DERIVED}


def rows(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def outcomes(directory: Path) -> list[dict[str, object]]:
    """The lines of a run's journal that say what came of a request: replies and failures."""
    return [line for line in rows(directory / "journal.jsonl") if line["kind"] in ("reply", "failure")]
