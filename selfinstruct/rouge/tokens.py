"""What ROUGE-L compares: the tokens of a text.

`rouge_score` lower-cases and takes runs of a-z and 0-9. That is kept for ASCII text, token for token. In other scripts it
finds nothing, so that two equal Thai texts score 0; there, by default, a token is a run of letters, marks and digits, and
where a script puts no spaces between words, one letter or digit with its marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Literal

from selfinstruct.errors import UserMistake
from selfinstruct.text import WITHOUT_SPACES

Tokenizer = Callable[[str], list[str]]
Kind = Literal["unicode", "ascii"]

_ASCII = re.compile(r"[a-z0-9]+")
# Signs of English typesetting: a text that has no other characters beyond ASCII is treated as ASCII, which is quick.
_ENGLISH_SIGNS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u2026\u00a0\u00b0\u20ac\u00a3", " ")
)
_STEMMED_FROM = 4  # characters; `rouge_score` leaves shorter tokens as they are


def ascii_tokens(text: str) -> list[str]:
    """The tokens of a text as `rouge_score` makes them without stemming: lower case, runs of a-z and 0-9."""
    found: list[str] = _ASCII.findall(text.lower())
    return found


def unicode_tokens(text: str) -> list[str]:
    """The same for ASCII text; for other text also runs of letters, marks and digits of any script.

    The text is brought to one form first, so that one word written in two ways is one token: compatibility forms and case as
    in Unicode's NFKC_Casefold, without characters that are invisible, stretch a word or enclose (joiners, soft hyphens,
    variation selectors, Arabic tatweel, keycaps). A zero-width space ends a word, as it is meant to. Scripts that put no
    spaces between words (Han, Kana, Thai, Lao, Khmer, Burmese, Tibetan and others) give a token for each letter or digit.
    Signs, emoji and marks without a letter give none.
    """
    text = text.translate(_ENGLISH_SIGNS)
    if text.isascii():
        return ascii_tokens(text)
    run, ignored, piled = _patterns()
    normal = ignored.sub("", unicodedata.normalize("NFKC", piled.sub("", text))).casefold()
    normal = normal.replace("i\u0307", "i")  # what Python makes of the Turkish capital of i
    found: list[str] = []
    for word in run.findall(unicodedata.normalize("NFKC", normal)):
        if word.isascii():
            found.append(word)
        else:
            found += _parts(word)
    return found


def tokenizer(kind: Kind = "unicode", stem: bool = False) -> Tokenizer:
    """The function that makes tokens: `unicode` or `ascii`; with `stem`, by Porter's stemmer as in `rouge_score`.

    Raises UserMistake for another kind.
    """
    functions: dict[str, Tokenizer] = {"unicode": unicode_tokens, "ascii": ascii_tokens}
    if kind not in functions:
        raise UserMistake(f"tokens must be one of {', '.join(functions)} (got {kind!r}). Fix: set tokens to one of these.")
    plain = functions[kind]
    if not stem:
        return plain
    stemmed = _stems()
    return lambda text: [stemmed(token) for token in plain(text)]


@cache
def _patterns() -> tuple[Any, Any, Any]:
    """What a word is; which characters are left out; marks beyond the thirtieth in a row, which make normalization slow."""
    import regex  # knows the scripts, which `re` does not; needed for text that is not ASCII only

    ignored = r"[[\p{Default_Ignorable_Code_Point}\p{Me}\u0640]--[\u200B]]+"
    return (
        regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*"),
        regex.compile(f"(?V1){ignored}"),
        regex.compile(r"\p{M}{30}\K\p{M}+"),
    )


@lru_cache(1 << 16)  # to look up the script of each character takes long, and words come again
def _parts(word: str) -> tuple[str, ...]:
    """A word as it is, or the letters of which it is made where its script puts no spaces."""
    return tuple(_pattern_of_parts().findall(word))


@cache
def _pattern_of_parts() -> Any:
    import regex

    alone = rf"[[\p{{L}}\p{{N}}]&&[{WITHOUT_SPACES}]]\p{{M}}*"
    run = rf"[[\p{{L}}\p{{N}}]--[{WITHOUT_SPACES}]][[\p{{L}}\p{{M}}\p{{N}}]--[{WITHOUT_SPACES}]]*"
    return regex.compile(f"(?V1){alone}|{run}")


@cache
def _stems() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer  # slow to load, and seldom wanted

    stemmer = PorterStemmer()
    return cache(lambda token: stemmer.stem(token) if len(token) >= _STEMMED_FROM else token)
