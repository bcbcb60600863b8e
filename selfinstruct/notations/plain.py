"""The notation of a single instruction: the whole reply is the instruction. Another request solves it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean


def plain() -> Notation:
    """Write one instruction and nothing around it."""
    return _Plain()


class _Plain:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the instructions with a blank line between two. A reply should hold one."""
        return "\n\n".join(example.instruction for example in examples)

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return one task without an output. An empty reply or a reply that was cut is a defect."""
        instruction = clean(text)
        defect = None
        if not instruction:
            defect = ParseDefect("empty_reply")
        elif finish_reason == TOKEN_LIMIT:
            defect = ParseDefect("truncated", "the reply ended at the token limit")
        elif finish_reason == CONTENT_FILTER:
            defect = ParseDefect("content_filter", "the provider cut the reply")
        return [ParsedTask(instruction, "", None, defect)]

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields: this notation needs none."""
        return {}
