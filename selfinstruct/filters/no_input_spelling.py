"""The many spellings of "no input" that the released Alpaca data has as inputs."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection

_SPELLING = re.compile(
    r"[<(\[]?(no(ne)?|not? (applicable|available|needed|required|provided|given|necessary)|n/?a|nil|null|empty|blank"
    r"|no[ _-]?(additional |specific |further )?(input|context|text)s?( (is |was )?(needed|required|provided|given|necessary))?)"
    r"[>)\]]?[.!]?",
    re.IGNORECASE,
)


@filter(stage=Stage.PROPOSED, languages=("en",))
def no_input_spelling(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an input that only says in words that there is none ("N/A", "No input required.")."""
    return Rejection(example.input) if _SPELLING.fullmatch(example.input) else None
