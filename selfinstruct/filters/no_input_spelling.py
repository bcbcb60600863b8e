"""The many spellings of "no input" that were left as inputs in the released Alpaca data."""

from __future__ import annotations

import re

from selfinstruct.contracts import Surroundings, for_languages, on_instruction
from selfinstruct.records import Drop, Example

_SPELLING = re.compile(
    r"[<(\[]?(no(ne)?|not? (applicable|available|needed|required|provided|given|necessary)|n/?a|nil|null|empty|blank"
    r"|no[ _-]?(additional |specific |further )?(input|context|text)s?( (is |was )?(needed|required|provided|given|necessary))?)"
    r"[>)\]]?[.!]?",
    re.IGNORECASE,
)


@for_languages("en")
@on_instruction
def no_input_spelling(example: Example, around: Surroundings) -> Drop | None:
    """Drops an input that only says in words that there is none ("N/A", "No input required.")."""
    return Drop(example.input) if _SPELLING.fullmatch(example.input) else None
