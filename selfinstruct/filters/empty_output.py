"""Rows without an answer were found in the released Alpaca data."""

from __future__ import annotations

from selfinstruct.contracts import Surroundings
from selfinstruct.records import Drop, Example


def empty_output(example: Example, around: Surroundings) -> Drop | None:
    """Drops an example whose output is empty or has neither a letter nor a digit nor a symbol."""
    return None if any(not c.isspace() and c not in ".,;:-_\u2026\u2013\u2014" for c in example.output) else Drop(example.output)
