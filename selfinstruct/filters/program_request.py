"""Alpaca's rule against an instruction that its teacher wrote too often."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, for_languages, on_instruction
from selfinstruct.records import Example, Rejection

_START = "Write a program"


@for_languages("en")
@on_instruction
def program_request(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an instruction that starts with "Write a program", which leaves open what to hand in (Alpaca)."""
    return Rejection(_START) if example.instruction.startswith(_START) else None
