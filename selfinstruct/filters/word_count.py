"""Alpaca's and Self-Instruct's bounds on the length of an instruction, for words of any language."""

from __future__ import annotations

import re
from math import ceil
from unicodedata import category

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.languages.codes import ENGLISH, base
from selfinstruct.records import Example, Rejection
from selfinstruct.text import SPELLED_WITHOUT_SPACES, WITHOUT_SPACES

_ALONE = re.compile(f"[{WITHOUT_SPACES}]")  # letters of scripts without spaces
_SOUND = re.compile(f"[{SPELLED_WITHOUT_SPACES}]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
# A text in English has 5 letters for each word. An English word takes 2 characters in Chinese and Japanese, and 4 in Thai.
_LETTERS, _CHARACTERS, _SOUNDS = 5, 2, 4


@filter(stage=Stage.PROPOSED)
def word_count(example: Example, context: FilterContext, *, more_than: int = 3, at_most: int = 150) -> Rejection | None:
    """Reject an instruction of 3 words or fewer, or of more than 150 (Alpaca). It knows scripts without spaces and long words."""
    fewest, most = _words(example.instruction, context.language)
    if fewest <= more_than:
        return Rejection(fewest, [more_than + 1, at_most])
    return Rejection(most, [more_than + 1, at_most]) if most > at_most else None


def _words(text: str, language: str) -> tuple[int, int]:
    """Return the number of words for the lower limit and for the upper limit.

    They differ in scripts without spaces, where a letter counts as a word for the lower limit, and in languages with long words,
    where 5 letters do.
    """
    if text.isascii() and base(language) == ENGLISH:
        words = len(text.split())
        return words, words
    alone, sounds = len(_ALONE.findall(text)), len(_SOUND.findall(text))
    rest = _ALONE.sub(" ", text)
    spaced = len(rest.split())
    fewest = alone + spaced
    if base(language) != ENGLISH:
        # Vowel signs count, and a syllable of Hangul has two letters or three.
        letters = sum(category(sign)[0] in "LM" for sign in rest) + len(_HANGUL.findall(rest))
        fewest = max(fewest, alone + ceil(letters / _LETTERS))
    return fewest, spaced + ceil((alone - sounds) / _CHARACTERS + sounds / _SOUNDS)
