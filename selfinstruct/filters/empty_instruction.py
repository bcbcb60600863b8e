"""The rule against an instruction without text."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection


@filter(stage=Stage.PROPOSED)
def empty_instruction(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an example whose instruction is empty."""
    return None if example.instruction else Rejection("")
