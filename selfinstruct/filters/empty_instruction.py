"""An instruction must say something."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, on_instruction
from selfinstruct.records import Example, Rejection


@on_instruction
def empty_instruction(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an example whose instruction is empty."""
    return None if example.instruction else Rejection("")
