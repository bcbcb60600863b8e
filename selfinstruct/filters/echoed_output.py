"""Self-Instruct's rule against an output that repeats its question."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection


def echoed_output(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an output that equals the input or the instruction (Self-Instruct)."""
    output = example.output.casefold().split()
    for name in ("input", "instruction"):
        if output and output == getattr(example, name).casefold().split():
            return Rejection(f"equals the {name}")
    return None
