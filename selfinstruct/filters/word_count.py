"""Alpaca's and Self-Instruct's bounds on the length of an instruction."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection
from selfinstruct.text import WITHOUT_SPACES

_SPACELESS = re.compile(f"[{WITHOUT_SPACES}]")  # each of these characters counts as a word


@filter(stage=Stage.PROPOSED)
def word_count(example: Example, context: FilterContext, *, more_than: int = 3, at_most: int = 150) -> Rejection | None:
    """Reject an instruction of 3 words or fewer, or of more than 150 (Alpaca)."""
    text = example.instruction
    words = len((text if text.isascii() else _SPACELESS.sub(" x ", text)).split())
    return None if more_than < words <= at_most else Rejection(words, [more_than + 1, at_most])
