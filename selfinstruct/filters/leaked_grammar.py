"""Headings of a reply's list inside a text, which show that the reply was not split as its writer meant it."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection

_HEADING = re.compile(
    r"^[ \t#*_]*\d{1,4}[ \t]*[.):][ \t*_]*(?:Instruction|Input|Output)[ \t*_]*:|<noinput>", re.IGNORECASE | re.MULTILINE
)


def leaked_grammar(example: Example, context: FilterContext) -> Rejection | None:
    """Reject a text with a heading of the list that it was read from, such as `4. Output:`, or a bare `<noinput>`."""
    for name in ("instruction", "input", "output"):
        if found := _HEADING.search(getattr(example, name)):
            return Rejection(f"{found[0].strip()} in the {name}")
    return None
