"""Self-Instruct's rule against texts that announce something and end there."""

from __future__ import annotations

from selfinstruct.contracts import Surroundings
from selfinstruct.records import Drop, Example


def trailing_colon(example: Example, around: Surroundings) -> Drop | None:
    """Drops an input or output that ends with a colon: what it announces is not there (Self-Instruct)."""
    for name in ("input", "output"):
        if getattr(example, name).endswith((":", "\uff1a")):
            return Drop(f"the {name} ends with a colon")
    return None
