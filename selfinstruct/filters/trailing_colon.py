"""Self-Instruct's rule against texts that announce something and end there."""

from __future__ import annotations

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection


def trailing_colon(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an input or output that ends with a colon: what it announces is not there (Self-Instruct)."""
    for name in ("input", "output"):
        if getattr(example, name).endswith((":", "\uff1a")):
            return Rejection(f"the {name} ends with a colon")
    return None
