"""Alpaca's rule against an instruction that its teacher wrote too often."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection

_START = "Write a program"


@filter(stage=Stage.PROPOSED, languages=("en",))
def program_request(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an instruction that starts with "Write a program", which leaves open what to hand in (Alpaca)."""
    return Rejection(_START) if example.instruction.startswith(_START) else None
