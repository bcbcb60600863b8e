"""A teacher that repeats what it was shown adds nothing."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, on_instruction
from selfinstruct.records import Example, Rejection


@on_instruction
def seed_echo(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an instruction that is a seed's instruction, whatever the case and the end mark."""
    instruction = example.instruction.lower()
    echoed = instruction in around.seed_instructions or instruction.rstrip(".!?: ") in around.seed_instructions
    return Rejection("a seed's instruction") if echoed else None
