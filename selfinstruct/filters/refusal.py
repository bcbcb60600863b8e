"""Outputs in which the teacher speaks of itself or declines, instead of answering."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.filters._refusals import OTHERS
from selfinstruct.languages.codes import base
from selfinstruct.records import Example, Rejection

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
# Each match contains a sign or begins with a start. They are searched first, because the pattern is slow and refusals are rare.
_SIGNS = (
    " ai", " a.i.", "artificial intelligence", "language model", "chatbot",
    "don't have", "my training data", "my knowledge cutoff",
)  # fmt: skip
_STARTS = ("i", "sorry", "unfortunately")


def refusal(example: Example, context: FilterContext) -> Rejection | None:
    """Reject an output in which the teacher refuses, or calls itself an AI or a language model. It knows 12 languages."""
    output = example.output.replace("\u2019", "'")
    found = _REFUSAL.search(output) if _may_refuse(output) else None
    if not found and (pattern := OTHERS.get(base(context.language))):
        found = pattern.search(output)
    return Rejection(found[0][:120]) if found else None


def _may_refuse(output: str) -> bool:
    """Return False when the pattern cannot match."""
    lower = output.lower()
    # The pattern takes some letters outside of ASCII for an i, an s or a k. `lower` does not.
    return not output.isascii() or lower.startswith(_STARTS) or any(sign in lower for sign in _SIGNS)
