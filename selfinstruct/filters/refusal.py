"""Outputs in which the teacher speaks of itself or declines, instead of answering."""

from __future__ import annotations

import re

from selfinstruct.contracts import Surroundings, for_languages
from selfinstruct.records import Drop, Example

_CANNOT = r"(can't|cannot|can not|could not|couldn't|won't|am unable|'m unable|am not able|'m not able|must decline)"
_SERVE = (
    r"(assist|help|comply|fulfill?|provide|do (that|this|so)|answer|generate|create|write|complete|access|open|see|engage"
    r"|support|continue|process)"
)
_TRADE = r"(engineer|researcher|expert|specialist|scientist|developer|ethicist|consultant|lead)"
_REFUSAL = re.compile(
    r"\b(?=[aim])("  # tried at few places of a text: where a word begins, with one of these letters
    rf"as an? (\w+ ){{0,2}}(ai|a\.i\.|artificial intelligence|(large )?language model|chatbot)\b(?! {_TRADE}s?\b)"
    r"|i('m| am) (just |only )?an? (\w+ ){0,2}(ai|language model|chatbot|ai model)\b"
    r"|i don't have (the )?(ability|capability|capacity|access|personal (opinions|feelings|experiences))\b"
    r"|my (training data|knowledge cutoff)\b)"
    r"|^("
    r"(i('m| am) (so |very )?(sorry|afraid)\b|sorry\b|unfortunately\b|i apologi[sz]e\b)"
    rf"[^.!?\n]{{0,60}}\bi {_CANNOT} (to )?{_SERVE}\b"
    rf"|i {_CANNOT} (to )?{_SERVE})",
    re.IGNORECASE,
)


@for_languages("en")
def refusal(example: Example, around: Surroundings) -> Drop | None:
    """Drops an output in which the teacher refuses, or calls itself an AI, a chatbot or a language model."""
    found = _REFUSAL.search(example.output.replace("\u2019", "'"))
    return Drop(found[0][:120]) if found else None
