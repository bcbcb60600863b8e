"""Alpaca's and Self-Instruct's rule on the first character, for data sets in English."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection


@filter(stage=Stage.PROPOSED, languages=("en",))
def non_ascii_start(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an instruction that starts with a non-ASCII character. Off unless the language is English (Alpaca)."""
    first = example.instruction[:1]
    return None if first.isascii() else Rejection(first)
