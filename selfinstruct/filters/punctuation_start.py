"""Alpaca's and Self-Instruct's rule on the first character."""

from __future__ import annotations

import string

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection
from selfinstruct.text import COLONS, COMMAS, SENTENCE_MARKS

# ASCII punctuation, and the signs of other scripts that never begin a sentence. Their brackets and quotation marks may.
_MARKS = frozenset(string.punctuation + SENTENCE_MARKS.replace("\u2026", "") + COLONS + COMMAS)


@filter(stage=Stage.PROPOSED)
def punctuation_start(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an instruction that starts with an ASCII punctuation character (Alpaca), or with such a mark of another script."""
    first = example.instruction[:1]
    return Rejection(first) if first in _MARKS else None
