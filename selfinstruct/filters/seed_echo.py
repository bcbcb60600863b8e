"""The rule against an instruction that a teacher copied from the prompt."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection
from selfinstruct.text import END_MARKS


@filter(stage=Stage.PROPOSED)
def seed_echo(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an instruction that is a seed's instruction, whatever the case and the end mark."""
    instruction = example.instruction.lower()
    echoed = instruction in context.seed_instructions or instruction.rstrip(END_MARKS) in context.seed_instructions
    return Rejection("a seed's instruction") if echoed else None
