"""Rows without an answer were found in the released Alpaca data."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection

_SAYS = re.compile("[^\\s.,;:_\u2026\u2013\u2014-]")


def empty_output(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an example whose output is empty or has neither a letter nor a digit nor a symbol."""
    return None if _SAYS.search(example.output) else Rejection(example.output)
