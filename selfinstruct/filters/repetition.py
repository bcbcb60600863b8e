"""Runaway repetition, as a teacher writes it when its sampling gets stuck."""

from __future__ import annotations

import re
from collections.abc import Sequence

from selfinstruct.contracts import FilterContext
from selfinstruct.records import Example, Rejection
from selfinstruct.rouge.tokens import unicode_tokens
from selfinstruct.text import SPELLED_WITHOUT_SPACES, WITHOUT_SPACES

_SIZE = 5  # words; the shortest n-gram whose repeats Rae et al. (2021, Gopher) count as duplicated text
_LETTERS_OF_WORD = ((re.compile(f"[{SPELLED_WITHOUT_SPACES}]"), 3), (re.compile(f"[{WITHOUT_SPACES}]"), 2))  # as ROUGE-L splits
_MANY = 3  # a text with one such letter in three characters is in such a script
_LONG = re.compile(r"\S{20}")  # each run contains it, and it is found ten times faster than a run
_RUN = re.compile(r"([^\s.=_#*~+-])\1{19,}|(?![.=_#*~+|:-]{2})(\S{2,12})\2{9,}")


def repetition(example: Example, context: FilterContext, *, at_most: float = 0.3, from_words: int = 100) -> Rejection | None:
    """Reject a text of 100 words or more with over 30 % of them in repeated 5-word phrases, or one with a sign that runs on."""
    for name in ("instruction", "output"):
        text = getattr(example, name)
        if (share := _repeated(text, from_words)) > at_most:
            return Rejection(round(share, 4), at_most)
        if _LONG.search(text) and (run := _RUN.search(text)):
            return Rejection(f"{run[0][:20]} ... runs on in the {name}")
    return None


def _repeated(text: str, from_words: int) -> float:
    """Return the share (0 to 1) of repeated words, or 0 if the text has fewer than `from_words` words."""
    if len(text) < from_words:
        return 0.0
    if text.isascii():
        return repeated_share(re.findall(r"\w+", text.lower())) if len(text.split()) >= from_words else 0.0
    letters = next((size for script, size in _LETTERS_OF_WORD if len(script.findall(text)) * _MANY > len(text)), 1)
    tokens = unicode_tokens(text)
    enough = len(tokens) >= from_words if letters > 1 else len(text.split()) >= from_words
    return repeated_share(tokens, _SIZE * letters) if enough else 0.0


def repeated_share(words: Sequence[str], size: int = _SIZE) -> float:
    """Return the share (0 to 1) of words that lie in a phrase of `size` words which occurred earlier."""
    seen: set[tuple[str, ...]] = set()
    covered = [False] * len(words)
    for start in range(len(words) - size + 1):
        phrase = tuple(words[start : start + size])
        if phrase in seen:
            covered[start : start + size] = [True] * size
        seen.add(phrase)
    return sum(covered) / len(words) if words else 0.0
