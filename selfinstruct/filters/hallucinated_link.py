"""Links that a teacher made up, as found in the released Alpaca data."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection

_LINK = re.compile(r"(?:https?://|www\.)[^\s<>\"')\]]+", re.IGNORECASE)
_RESERVED = re.compile(
    r"(?:https?://)?(?:[\w.-]+\.)?(?:example(?:\.(?:com|org|net))?|localhost|test|invalid|127\.0\.0\.1)(?=[/:?#.,;!]*$|[/:?#])",
    re.IGNORECASE,
)


def hallucinated_link(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an output with a link that neither instruction nor input has (names reserved for examples are allowed)."""
    if "://" not in example.output and "www." not in example.output.lower():
        return None  # most outputs, found without a regular expression
    given = f"{example.instruction}\n{example.input}"
    for link in _LINK.findall(example.output):
        if link.rstrip(".,;:!?") not in given and not _RESERVED.match(link):
            return Rejection(link[:120])
    return None
