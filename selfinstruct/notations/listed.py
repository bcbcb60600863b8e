"""A numbered list of instructions, as Self-Instruct writes them: `1. ...`, `2. ...`. Other requests solve them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_NUMBER = re.compile(r"[ \t]*[*_]{0,2}\d{1,4}[ \t]*[.):][*_]{0,2}(?:[ \t]+|$)")


def listed() -> Notation:
    """Write instructions as a numbered list."""
    return _Listed()


class _Listed:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the instructions, numbered from `start`. A line inside one that looks like a number gets a backslash."""
        return "\n".join(f"{number}. {_escaped(example.instruction)}" for number, example in enumerate(examples, start))

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return a task for each number. Text before the first number is a task too: the prompt may end with its number."""
        bodies: list[list[str]] = []
        for line in clean(text).split("\n"):
            if number := _NUMBER.match(line):
                bodies.append([line[number.end() :]])
            elif bodies:
                bodies[-1].append(_unescaped(line))
            else:
                bodies.append([line])
        tasks = [ParsedTask(clean("\n".join(body))) for body in bodies]
        tasks = [task if task.instruction else replace(task, defect=ParseDefect("empty_reply")) for task in tasks]
        cut = {TOKEN_LIMIT: "truncated", CONTENT_FILTER: "content_filter"}.get(finish_reason)
        if cut:
            tasks[-1] = replace(tasks[-1], defect=ParseDefect(cut, "the reply ended in this item"))
        return tasks

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields: this notation needs none."""
        return {}


def _escaped(text: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *("\\" + line if _NUMBER.match(line.lstrip("\\")) else line for line in others)])


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\") and _NUMBER.match(line.lstrip("\\")) else line
