"""The many spellings of "no input" that were left as inputs in the released Alpaca data."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext, for_languages, on_instruction
from selfinstruct.records import Example, Rejection

_SPELLING = re.compile(
    r"[<(\[]?(no(ne)?|not? (applicable|available|needed|required|provided|given|necessary)|n/?a|nil|null|empty|blank"
    r"|no[ _-]?(additional |specific |further )?(input|context|text)s?( (is |was )?(needed|required|provided|given|necessary))?)"
    r"[>)\]]?[.!]?",
    re.IGNORECASE,
)


@for_languages("en")
@on_instruction
def no_input_spelling(example: Example, around: FilterContext) -> Rejection | None:
    """Drops an input that only says in words that there is none ("N/A", "No input required.")."""
    return Rejection(example.input) if _SPELLING.fullmatch(example.input) else None
