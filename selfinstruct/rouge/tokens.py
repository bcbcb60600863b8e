"""Make the tokens of a text that ROUGE-L compares.

`rouge_score` makes text lower case and takes runs of a-z and 0-9. For ASCII text, the tokens here are the same. In other
scripts `rouge_score` finds no tokens, so that two equal Thai texts score 0. There, by default, a token is a run of letters,
marks and digits. In scripts without spaces between words, it is one letter or digit with its marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any, Literal

from selfinstruct.errors import UserMistake, setting
from selfinstruct.text import WITHOUT_SPACES

Tokenizer = Callable[[str], list[str]]
Kind = Literal["unicode", "ascii"]

_ASCII = re.compile(r"[a-z0-9]+")
# Signs of English typesetting: text with no other characters beyond ASCII takes the fast path for ASCII.
_ENGLISH_SIGNS = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2018\u2019\u201c\u201d\u2022\u2026\u00a0\u00b0\u20ac\u00a3", " ")
)
_STEMMED_FROM = 4  # characters: `rouge_score` does not stem shorter tokens


def ascii_tokens(text: str) -> list[str]:
    """Return the tokens of a text as `rouge_score` makes them without stemming: lower case, runs of a-z and 0-9."""
    found: list[str] = _ASCII.findall(text.lower())
    return found


def unicode_tokens(text: str) -> list[str]:
    """Return the tokens of `ascii_tokens` for ASCII text, and tokens of all scripts for other text.

    A word that can be written in two ways becomes one token. The text is normalized by NFKC and case folding, as in
    Unicode's NFKC_Casefold. Characters that are invisible, stretch a word or enclose one (joiners, soft hyphens, variation
    selectors, Arabic tatweel, keycaps) are removed, except the zero-width space, which ends a word. Vowel marks that a writer
    may leave out, in Arabic and Hebrew, are removed too.

    Scripts without spaces between words (Han, Kana, Thai, Lao, Khmer, Burmese, Tibetan and others) give one token for each
    letter or digit. Punctuation, emoji, and marks without a letter give none.
    """
    text = text.translate(_ENGLISH_SIGNS)
    if text.isascii():
        return ascii_tokens(text)
    run, ignored, piled, vowels = _patterns()
    normal = ignored.sub("", unicodedata.normalize("NFKC", piled.sub("", text))).casefold()
    normal = normal.replace("i\u0307", "i")  # Python's case folding of the Turkish capital I with a dot
    found: list[str] = []
    for word in run.findall(vowels.sub("", unicodedata.normalize("NFKC", normal))):
        if word.isascii():
            found.append(word)
        else:
            found += _parts(word)
    return found


def tokenizer(kind: Kind = "unicode", stem: bool = False) -> Tokenizer:
    """Return the function that makes tokens of a kind, with `stem` those of Porter's stemmer as in `rouge_score`.

    Raises: UserMistake when `kind` is neither "unicode" nor "ascii".
    """
    functions: dict[str, Tokenizer] = {"unicode": unicode_tokens, "ascii": ascii_tokens}
    if kind not in functions:
        raise UserMistake(f"{setting('tokens')}: must be one of {', '.join(functions)} (got {kind!r}). Fix: give one of these.")
    plain = functions[kind]
    if not stem:
        return plain
    stemmed = _stems()
    return lambda text: [stemmed(token) for token in plain(text)]


@cache
def _patterns() -> tuple[Any, Any, Any, Any]:
    """Return patterns of words, of ignored characters, of marks after the thirtieth in a row, and of optional vowel marks.

    Long rows of marks would make normalization slow.
    """
    import regex  # `re` does not know Unicode properties, which only text beyond ASCII needs

    ignored = r"[[\p{Default_Ignorable_Code_Point}\p{Me}\u0640]--[\u200B]]+"
    return (
        regex.compile(r"[\p{L}\p{N}][\p{L}\p{M}\p{N}]*"),
        regex.compile(f"(?V1){ignored}"),
        regex.compile(r"\p{M}{30}\K\p{M}+"),
        # Arabic tashkil and signs of the Quran, without the hamza and madda above or below a letter, and Hebrew niqqud.
        re.compile(
            "[\u0610-\u061a\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed"
            "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7]+"
        ),
    )


@lru_cache(1 << 16)  # words repeat, and finding the parts of one is slow
def _parts(word: str) -> tuple[str, ...]:
    """Return the word itself, or its letters where its script has no spaces."""
    return tuple(_pattern_of_parts().findall(word))


@cache
def _pattern_of_parts() -> Any:
    import regex

    alone = rf"[[\p{{L}}\p{{N}}]&&[{WITHOUT_SPACES}]]\p{{M}}*"
    run = rf"[[\p{{L}}\p{{N}}]--[{WITHOUT_SPACES}]][[\p{{L}}\p{{M}}\p{{N}}]--[{WITHOUT_SPACES}]]*"
    return regex.compile(f"(?V1){alone}|{run}")


@cache
def _stems() -> Callable[[str], str]:
    from nltk.stem.porter import PorterStemmer  # slow to load, and rarely used

    stemmer = PorterStemmer()
    return cache(lambda token: stemmer.stem(token) if len(token) >= _STEMMED_FROM else token)
