"""Alpaca's rule against an instruction that its teacher wrote too often."""

from __future__ import annotations

from selfinstruct.contracts import Surroundings, for_languages, on_instruction
from selfinstruct.records import Drop, Example

_START = "Write a program"


@for_languages("en")
@on_instruction
def program_request(example: Example, around: Surroundings) -> Drop | None:
    """Drops an instruction that starts with "Write a program", which leaves open what to hand in (Alpaca)."""
    return Drop(_START) if example.instruction.startswith(_START) else None
