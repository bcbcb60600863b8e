"""A teacher that repeats what it was shown adds nothing."""

from __future__ import annotations

from selfinstruct.contracts import Surroundings, on_instruction
from selfinstruct.records import Drop, Example


@on_instruction
def seed_echo(example: Example, around: Surroundings) -> Drop | None:
    """Drops an instruction that is a seed's instruction, whatever the case and the end mark."""
    instruction = example.instruction.lower()
    echoed = instruction in around.seed_instructions or instruction.rstrip(".!?: ") in around.seed_instructions
    return Drop("a seed's instruction") if echoed else None
