"""The rule against rows without an answer, which the released Alpaca data has."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection
from selfinstruct.text import COLONS, COMMAS, SENTENCE_MARKS

_SILENT = "".join({*SENTENCE_MARKS, *COLONS, *COMMAS} - {"!", "?"}) + ";_\u2013\u2014\uff1b\u061b-"
_SAYS = re.compile(rf"[^\s{re.escape(_SILENT)}]")


def empty_output(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an output that is empty or has neither a letter nor a digit nor a symbol."""
    return None if _SAYS.search(example.output) else Rejection(example.output)
