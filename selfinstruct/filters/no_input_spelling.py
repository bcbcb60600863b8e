"""The many spellings of "no input" that the released Alpaca data has as inputs."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.languages.codes import ENGLISH, base
from selfinstruct.languages.no_input import says_no_input
from selfinstruct.records import Example, Rejection

_SPELLING = re.compile(
    r"[<(\[]?(no(ne)?|not? (applicable|available|needed|required|provided|given|necessary)|n/?a|nil|null|empty|blank"
    r"|no[ _-]?(additional |specific |further )?(input|context|text)s?( (is |was )?(needed|required|provided|given|necessary))?)"
    r"[>)\]]?[.!]?",
    re.IGNORECASE,
)


@filter(stage=Stage.PROPOSED)
def no_input_spelling(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an input that only says in words that there is none ("N/A", "No input required.", "无")."""
    english = base(context.language) == ENGLISH
    spelled = _SPELLING.fullmatch(example.input) if english else says_no_input(example.input)
    return Rejection(example.input) if spelled and example.input else None
