"""A numbered list of instructions alone, as Self-Instruct writes them: `1. ...`, `2. ...`, to be solved by other requests."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_NUMBER = re.compile(r"[ \t]*[*_]{0,2}\d{1,4}[ \t]*[.):][*_]{0,2}(?:[ \t]+|$)")


def listed() -> Notation:
    """Instructions as a numbered list, one after the other."""
    return _Listed()


class _Listed:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """The instructions, numbered from `start`; a line of one that looks like the next number gets a backslash."""
        return "\n".join(f"{number}. {_escaped(example.instruction)}" for number, example in enumerate(examples, start))

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """An item for each number; what stands before the first one goes on where the prompt ended."""
        bodies: list[list[str]] = []
        for line in clean(text).split("\n"):
            if number := _NUMBER.match(line):
                bodies.append([line[number.end() :]])
            elif bodies:
                bodies[-1].append(_unescaped(line))
            else:
                bodies.append([line])
        items = [ParsedTask(clean("\n".join(body))) for body in bodies]
        items = [item if item.instruction else replace(item, defect=ParseDefect("empty_reply")) for item in items]
        cut = {TOKEN_LIMIT: "truncated", CONTENT_FILTER: "content_filter"}.get(finish_reason)
        if cut:
            items[-1] = replace(items[-1], defect=ParseDefect(cut, "the reply ended in this item"))
        return items

    def sampling(self) -> Mapping[str, Any]:
        """Nothing beyond what the method asks for."""
        return {}


def _escaped(text: str) -> str:
    first, *others = text.split("\n")
    return "\n".join([first, *("\\" + line if _NUMBER.match(line.lstrip("\\")) else line for line in others)])


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\") and _NUMBER.match(line.lstrip("\\")) else line
