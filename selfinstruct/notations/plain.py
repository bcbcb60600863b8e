"""The notation of a single instruction: the whole reply is the instruction, to be solved by another request."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean


def plain() -> Notation:
    """One instruction and nothing around it."""
    return _Plain()


class _Plain:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """The instructions, a blank line between two (a reply is expected to hold one)."""
        return "\n\n".join(example.instruction for example in examples)

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """One item without an output; flawed when nothing came, or when the reply was cut off."""
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
        """Nothing beyond what the method asks for."""
        return {}
