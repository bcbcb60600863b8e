"""Alpaca's and Self-Instruct's rule on the first character."""

from __future__ import annotations

import string

from selfinstruct.contracts import Surroundings, on_instruction
from selfinstruct.records import Drop, Example


@on_instruction
def punctuation_start(example: Example, around: Surroundings) -> Drop | None:
    """Drops an instruction that starts with an ASCII punctuation character (Alpaca)."""
    first = example.instruction[:1]
    return Drop(first) if first and first in string.punctuation else None
