"""Self-Instruct's rule against texts that announce something and end there."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection
from selfinstruct.text import COLONS


def trailing_colon(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an input or output that ends with a colon, because what it announces is missing (Self-Instruct)."""
    for name in ("input", "output"):
        if getattr(example, name).endswith(tuple(COLONS)):
            return Rejection(f"the {name} ends with a colon")
    return None
