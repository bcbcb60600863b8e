"""Shared fixtures: a stand-in server, and an environment without API keys."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from fake_openai import FakeOpenAI, running_fake_openai
from hypothesis import HealthCheck, settings

settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")  # no test depends on the speed of the machine
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in a background job, the commands that tests start would ignore Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def start_teacher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., FakeOpenAI]]:
    """Yield a function that starts a server with options of `fake_openai/server.py`. All servers end with the test."""
    with ExitStack() as started:

        def start(latency: float = 0.0, outage: tuple[int, int] = (0, 0), **options: Any) -> FakeOpenAI:
            log = tmp_path_factory.mktemp("teacher") / "log.jsonl"
            return started.enter_context(running_fake_openai(log, latency=latency, outage=outage, **options))

        yield start


@pytest.fixture
def teacher(start_teacher: Callable[..., FakeOpenAI]) -> FakeOpenAI:
    """Return a server without faults, limits or latency."""
    return start_teacher()


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Remove API keys and addresses from the environment, so that no test uses those of the person who runs it."""
    for name in ("OPENAI_API_KEY", "SELFINSTRUCT_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
