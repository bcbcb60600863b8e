"""Alpaca's and Self-Instruct's rule on the first character."""

from __future__ import annotations

import string

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection


@filter(stage=Stage.PROPOSED)
def punctuation_start(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an instruction that starts with an ASCII punctuation character (Alpaca)."""
    first = example.instruction[:1]
    return Rejection(first) if first and first in string.punctuation else None
