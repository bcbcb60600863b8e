"""What the tests share: a teacher's server in its own process, and runs through the command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DERIVED = ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md")


@dataclass
class Teacher:
    """A running server: where it is, and which requests it got."""

    url: str
    log: Path
    process: subprocess.Popen[str] = field(repr=False)

    def asked(self) -> Counter[str]:
        """How often each different request arrived."""
        return Counter(json.loads(line)["mark"] for line in self.log.read_text().splitlines())


@pytest.fixture
def start_teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Teacher]]:
    """A function that starts a server; all of them end with the test."""
    started: list[Teacher] = []

    def start(latency: float = 0.0, outage: tuple[int, int] = (0, 0)) -> Teacher:
        log = tmp_path_factory.mktemp("teacher") / "log.jsonl"
        log.touch()
        command = [sys.executable, str(HERE / "teacher_server.py"), "--log", str(log), "--latency", str(latency)]
        command += ["--outage", *map(str, outage)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        started.append(Teacher(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log, process))
        return started[-1]

    yield start
    for teacher in started:
        teacher.process.communicate("")


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
