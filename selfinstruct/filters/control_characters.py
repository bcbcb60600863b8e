"""Characters that a text does not need and that can break a terminal or a trainer."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection
from selfinstruct.text import UNSAFE_ON_A_TERMINAL

# Besides characters that are unsafe on a terminal: the mark of a decoding error, and code points without a character.
_CONTROL = re.compile(f"[{UNSAFE_ON_A_TERMINAL}\ufffd\ufffe\uffff]")


def control_characters(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an example with control characters, directional overrides, or marks of broken decoding in any field."""
    for name in ("instruction", "input", "output"):
        text = getattr(example, name)
        if text.isascii() and text.isprintable():
            continue
        if found := _CONTROL.search(text):
            return Rejection(f"U+{ord(found[0]):04X} in the {name}")
    return None
