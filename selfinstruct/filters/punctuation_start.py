"""Alpaca's and Self-Instruct's rule on the first character."""

from __future__ import annotations

import string

from selfinstruct.contracts import FilterContext, on_instruction
from selfinstruct.records import Example, Rejection


@on_instruction
def punctuation_start(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an instruction that starts with an ASCII punctuation character (Alpaca)."""
    first = example.instruction[:1]
    return Rejection(first) if first and first in string.punctuation else None
