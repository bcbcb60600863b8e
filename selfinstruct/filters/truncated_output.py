"""Outputs that end before their end."""

from __future__ import annotations

import re

from selfinstruct.contracts import Surroundings
from selfinstruct.records import Drop, Example

_FENCE = re.compile(r"^[ \t]*```", re.MULTILINE)


def truncated_output(example: Example, around: Surroundings) -> Drop | None:
    """Drops an output cut at the token limit, with an open code block, or that ends in a comma or colon (Self-Instruct)."""
    if around.cut:
        return Drop("the reply ended at the token limit")
    if len(_FENCE.findall(example.output)) % 2:
        return Drop("a code block without an end")
    if example.output.endswith((",", ":")):
        return Drop(f"ends in {example.output[-1]!r}")
    return None
