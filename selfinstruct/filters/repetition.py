"""Runaway repetition, as a teacher writes it when its sampling gets stuck."""

from __future__ import annotations

import re

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection

_SIZE = 5  # words; the shortest n-gram whose repeats Rae et al. (2021, Gopher) count as duplicated text
_LONG = re.compile(r"\S{20}")  # each run contains it, and it is found ten times faster than a run
_RUN = re.compile(r"([^\s.=_#*~+-])\1{19,}|(?![.=_#*~+|:-]{2})(\S{2,12})\2{9,}")


def repetition(example: Example, context: FilterContext, *, at_most: float = 0.3, from_words: int = 100) -> Rejection | None:
    """Reject a text of 100 words or more with over 30 % of them in repeated 5-word phrases, or one with a sign that runs on."""
    for name in ("instruction", "output"):
        text = getattr(example, name)
        if len(text) >= 2 * from_words - 1 and len(text.split()) >= from_words and (share := repeated_share(text)) > at_most:
            return Rejection(round(share, 4), at_most)
        if _LONG.search(text) and (run := _RUN.search(text)):
            return Rejection(f"{run[0][:20]} ... runs on in the {name}")
    return None


def repeated_share(text: str) -> float:
    """Return the share (0 to 1) of a text's words that lie in a 5-word phrase which occurred earlier in the text."""
    words = re.findall(r"\w+", text.lower())
    seen: set[tuple[str, ...]] = set()
    covered = [False] * len(words)
    for start in range(len(words) - _SIZE + 1):
        phrase = tuple(words[start : start + _SIZE])
        if phrase in seen:
            covered[start : start + _SIZE] = [True] * _SIZE
        seen.add(phrase)
    return sum(covered) / len(words) if words else 0.0
