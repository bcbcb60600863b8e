"""The rule against one question with two answers, which teaches a model to guess."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection


@filter(stage=Stage.AMONG_ROWS)
def same_task(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an instruction and input that an earlier row already has, with this output or another (Self-Instruct)."""
    earlier = context.rows.get((example.instruction.lower(), example.input.lower()))
    if earlier is None:
        return None
    return Rejection("the same output" if earlier == example.output else "another output")
