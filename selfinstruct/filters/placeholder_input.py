"""Inputs that only stand for an input, as found in the released Alpaca data."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection

_WHOLE = re.compile(
    r"[\[<{(]{1,2}[A-Za-z][A-Za-z '/_-]{0,59}[\]>})]{1,2}\.?"  # [text], <paragraph>, {{article}}
    r"|(the |a |your |any |some |sample |example |given |input )*"
    r"(text|input|paragraph|sentence|article|passage|list|data|content|document|story|essay|email|code)"
    r"( (goes|comes|is))?( here)?[.:]?"
    r"|lorem ipsum.*|\.{3,}|x{3,}",
    re.IGNORECASE | re.DOTALL,
)
_INSIDE = re.compile(
    r"[\[<{](insert|your|enter|add|provide|paste)\b[^\[\]<>{}()\n]{0,60}[\]>}]|\(insert\b[^\[\]<>{}()\n]{0,60}\)", re.IGNORECASE
)


@filter(stage=Stage.PROPOSED, languages=("en",))
def placeholder_input(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an input that is a placeholder such as [insert text], <paragraph> or "Your text here"."""
    found = _WHOLE.fullmatch(example.input) or _INSIDE.search(example.input)
    return Rejection(found[0][:80]) if found else None
