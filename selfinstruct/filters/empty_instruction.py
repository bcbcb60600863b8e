"""An instruction must say something."""

from __future__ import annotations

from selfinstruct.contracts import Surroundings, on_instruction
from selfinstruct.records import Drop, Example


@on_instruction
def empty_instruction(example: Example, around: Surroundings) -> Drop | None:
    """Drops an example whose instruction is empty."""
    return None if example.instruction else Drop("")
