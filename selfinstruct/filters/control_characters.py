"""Characters that a text does not need, and that a terminal or a trainer may trip over."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection

# C0 (without tab and newline), DEL, C1, directional overrides, lone surrogates, the mark of a decoding error, non-characters
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffd\ufffe\uffff]")


def control_characters(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an example with control characters, directional overrides, or marks of broken decoding in any field."""
    for name in ("instruction", "input", "output"):
        text = getattr(example, name)
        if text.isascii() and text.isprintable():
            continue
        if found := _CONTROL.search(text):
            return Rejection(f"U+{ord(found[0]):04X} in the {name}")
    return None
