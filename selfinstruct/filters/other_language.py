"""The rule against rows that are not in the language that the teacher was asked for."""

from __future__ import annotations

import re
from functools import lru_cache

from selfinstruct.contracts import FilterContext
from selfinstruct.languages.codes import ENGLISH, base, name_of, names_in, scripts_of
from selfinstruct.languages.detection import Guess, detect, share_in_scripts
from selfinstruct.records import Example, Rejection

_WHOLE = 2  # times `from_letters`, from which an output counts without its instruction
_LIKELIEST = 0.5  # least score of one language, where several together are sure enough
_LONG = 3  # times `from_letters`, where these several count
_HEAD = 8  # letters before a colon that tell their language well enough
_QUOTED = re.compile(r"\"[^\"\n]*\"|“[^”\n]*”|„[^“\n]*“|«[^»\n]*»|「[^」\n]*」|『[^』\n]*』|‘[^’\n]*’|(?<!\w)'[^'\n]{4,}'(?!\w)")  # noqa: RUF001
_MATERIAL = re.compile(
    r"[:\uff1a\n].*", re.DOTALL
)  # what stands below an instruction, or after its colon, is often a text to work on
_MENTIONED = 0.25  # share of letters in the scripts of a language, from which a text counts as written in it
_COMMON = frozenset(  # words of many English texts that are rare in other languages
    """about all also and any are because been between but by can could create describe do does each every explain for from
    generate give given has have how identify into it its it's list make more most not of or other people provide rewrite sentence
    should some such suggest than that the their them there these they this through two using was were what when where which who
    why will with would write you your""".split()  # noqa: SIM905 (words in one text are easier to read)
)
_COMMON_SHARE = 0.15  # of the words of an English text, which are words of that list
_FOREIGN = frozenset(  # words of most texts in other languages with the Latin alphabet
    """de la el los las que en un una por para con es le les des du et est dans il che di per non sono della der die das und
    ist ein eine nicht mit zu den auf os da em um uma het een van niet och att som det er og til nie na jest se je ve bir
    ya wa kwa ni za cha yang dan untuk dengan ini itu ang ng sa mga si ay ka ku iyo oo ta su ne kuma ei ja va ca cu din pe
    te ko ki ha hai mein hay har""".split()  # noqa: SIM905 (words in one text are easier to read)
)
_BEGINNING = 300  # characters of a text that are looked at for them
_OF_LANGUAGES = re.compile(  # an answer to such an instruction may be in any language
    r"translat|language|bilingual|übersetz|sprache|tradu|idioma|lengua|langue|língua|перев[её]|язык|翻译|翻譯|译|譯|语|語|[英中日韩韓法德俄]文"
    r"|訳|번역|언어|[영한일중]어|แปล|ภาษา|ترجم|لغة|अनुवाद|भाषा|dịch|tiếng|terjemah|bahasa|çevir|dilin|tafsiri|lugha|tłumacz"
    r"|język|vertaal",
    re.IGNORECASE,
)


def other_language(example: Example, context: FilterContext, *, sure: float = 0.8, from_letters: int = 20) -> Rejection | None:
    """Reject an example that is surely in another language than asked for. Code, names and translations are accepted."""
    code = context.language
    asked = _guess(example.instruction, code)
    if _sure(asked, code, sure, from_letters) and not _begins_in(code, example.instruction):
        return Rejection(f"{asked.language} ({asked.score:.2f}) in the instruction", code)
    answered = _guess(example.output, code)
    if not _sure(answered, code, sure, _WHOLE * from_letters) or _may_answer_in(answered.language, code, example):
        return None
    return Rejection(f"{answered.language} ({answered.score:.2f}) in the output", code)


def _guess(text: str, code: str) -> Guess:
    """Return the language of a text without what it quotes. A text with many letters of the right script is of no other one."""
    if base(code) == ENGLISH and _is_plain_english(text):
        return Guess(ENGLISH, 1.0, len(text))
    words = _QUOTED.sub(" ", text)
    found = detect(words)
    foreign = found.language and not scripts_of(found.language) & scripts_of(code)
    return Guess(base(code), 1.0, found.letters) if foreign and share_in_scripts(words, code) >= _MENTIONED else found


def _is_plain_english(text: str) -> bool:
    """Return True for most texts in which no other language can be found, as the model takes longer than all other filters."""
    words = text[:_BEGINNING].lower().split()
    if text.isascii() and _FOREIGN.isdisjoint(words):
        return True
    return sum(word in _COMMON for word in words) >= max(2, _COMMON_SHARE * len(words))


def _begins_in(code: str, instruction: str) -> bool:
    """Return True if an instruction begins in the right language, and goes on with a text in another one."""
    head = _guess(_MATERIAL.sub("", instruction), code)
    return head.letters >= _HEAD and not head.other_than(code)


def _sure(guess: Guess, code: str, score: float, letters: int) -> bool:
    if guess.letters < letters or not guess.other_than(code):
        return False
    return guess.score >= score or (
        guess.letters >= _LONG * letters and guess.score >= _LIKELIEST and guess.against(code) >= score
    )


def _may_answer_in(language: str, code: str, example: Example) -> bool:
    """Return True if a task speaks of languages, or brings a text in this one, so that its answer may be in it."""
    task = f"{example.instruction}\n{example.input}"
    if _OF_LANGUAGES.search(task) or any(name in task.casefold() for name in _names(language, base(code))):
        return True
    if any(detect(text).language == language for text in (example.input, *_QUOTED.findall(task), *_MATERIAL.findall(task))):
        return True
    mixed = share_in_scripts(task, code) > 0 and share_in_scripts(task, language) > 0
    return mixed and not scripts_of(language) & scripts_of(code)


@lru_cache(1024)
def _names(language: str, reader: str) -> tuple[str, ...]:
    """Return the beginnings of the names of a language in English, in itself, and in the language `reader`."""
    names = (name_of(language), *(names_in(one).get(language, "") for one in (language, reader, ENGLISH)))
    return tuple({_stem(name.casefold()) for name in names if name})


def _stem(name: str) -> str:
    """Return a name without an ending that may change."""
    return name[: max(4, len(name) - 2)] if len(name) > 4 else name
