"""Outputs that stop before they are complete."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection
from selfinstruct.text import COLONS, COMMAS

_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)


def truncated_output(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an output cut at the token limit, with an open code block, or that ends in a comma or colon (Self-Instruct)."""
    if context.cut:
        return Rejection("the reply ended at the token limit")
    if len(_FENCE.findall(example.output)) % 2:
        return Rejection("a code block without an end")
    if example.output.endswith(tuple(COMMAS + COLONS)):
        return Rejection(f"ends in {example.output[-1]!r}")
    return None
