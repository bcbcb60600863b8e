"""The same question with two answers teaches a model to guess."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext, compares_rows
from selfinstruct.records import Example, Rejection


@compares_rows
def same_task(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an instruction and input that an earlier row has already, with this output or another (Self-Instruct)."""
    earlier = around.rows.get((example.instruction.lower(), example.input.lower()))
    if earlier is None:
        return None
    return Rejection("the same output" if earlier == example.output else "another output")
