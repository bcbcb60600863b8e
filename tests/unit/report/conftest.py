"""A run whose teacher is a function: three rows per request, no network."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from selfinstruct.records import Request

PRICE = {"input": 1.0, "output": 10.0}  # US dollars per million tokens


def three_tasks(key: str, request: Request) -> str:
    """Answer with three tasks that differ from those of other requests."""
    tasks = (
        f"{n}. Instruction: Explain the number {key} times {n} to me\n{n}. Output: It is {key} times {n}." for n in (1, 2, 3)
    )
    return "\n###\n".join(tasks)


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., si.Run]:
    """Return a function that makes a run, with settings of a recipe, which accepts all three tasks of each reply."""

    def make(answer: Callable[[str, Request], str] = three_tasks, **settings: Any) -> si.Run:
        usual = {"num": 6, "rouge": 1.0, "concurrency": 1, "price": PRICE}
        return si.Run(tmp_path / "run", teacher=si.Scripted(answer), **{**usual, **settings})

    return make
