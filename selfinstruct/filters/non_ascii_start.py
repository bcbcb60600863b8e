"""Alpaca's and Self-Instruct's rule on the first character, for data sets in English."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, for_languages, on_instruction
from selfinstruct.records import Example, Rejection


@for_languages("en")
@on_instruction
def non_ascii_start(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an instruction that starts with a non-ASCII character; off unless the language is English (Alpaca)."""
    first = example.instruction[:1]
    return None if first.isascii() else Rejection(first)
