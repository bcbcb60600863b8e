"""Alpaca's and Self-Instruct's bounds on the length of an instruction."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext, on_instruction
from selfinstruct.records import Example, Rejection

# Thai, Lao, Burmese, Khmer, kana and Han write no spaces between words: there, each character counts as a word.
_SPACELESS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]")


@on_instruction
def word_count(example: Example, around: FilterContext, *, more_than: int = 3, at_most: int = 150) -> Rejection | None:
    """Drops an instruction of 3 words or fewer, or of more than 150 (Alpaca)."""
    text = example.instruction
    words = len((text if text.isascii() else _SPACELESS.sub(" x ", text)).split())
    return None if more_than < words <= at_most else Rejection(words, [more_than + 1, at_most])
