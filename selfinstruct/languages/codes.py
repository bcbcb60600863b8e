"""Read language codes as BCP 47 writes them, such as `zh`, `pt-BR` and `zh-Hant`, and name languages by them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

ENGLISH = "en"
_FORM = re.compile(r"([A-Za-z]{2,3})(?:[-_]([A-Za-z]{4}))?(?:[-_]([A-Za-z]{2}|\d{3}))?")
_NO_LANGUAGES = frozenset({"und", "mul", "mis", "zxx", "root"})


def canonical(code: Any) -> Any:
    """Return a language code in its usual case and with hyphens ("ZH_cn": "zh-CN"). Other than text is returned as it is.

    Raises: ValueError, with a fix, for a text that is not the code of a language.
    """
    if code == ENGLISH or not isinstance(code, str):
        return code
    match = _FORM.fullmatch(code.strip())
    names = _english_names()
    if match:
        language, script, region = (part or "" for part in match.groups())
        language = _alias(language.lower())
        parts = [language, script.title(), region.upper()]
        tables = (names.languages, names.scripts, names.territories)
        if language not in _NO_LANGUAGES and all(part in table for part, table in zip(parts, tables, strict=True) if part):
            return "-".join(filter(None, parts))
    raise ValueError(f"is not a language code. Fix: {_advice(code)}")


def base(code: str) -> str:
    """Return the language of a code without script and region ("pt-BR": "pt")."""
    return code.partition("-")[0]


def name_of(code: str) -> str:
    """Return the English name of a language for prompts ("sw": "Swahili", "pt-BR": "Brazilian Portuguese")."""
    from babel import Locale, UnknownLocaleError

    names = _english_names().languages
    if name := names.get(code.replace("-", "_")):
        return str(name)
    try:
        name = Locale.parse(code, sep="-").get_display_name(ENGLISH)
    except (ValueError, UnknownLocaleError):
        name = names.get(base(code))  # Babel has the names of more languages than it has locales
    return str(name or code)


@cache
def names_in(code: str) -> Mapping[str, str]:
    """Return the names of languages by code, in the words of one language. Empty if Babel does not have it."""
    from babel import Locale, UnknownLocaleError

    try:
        return dict(Locale.parse(code, sep="-").languages)
    except (ValueError, UnknownLocaleError):
        return {}


@cache
def scripts_of(code: str) -> frozenset[str]:
    """Return the scripts that a language is usually written in, as codes of ISO 15924 ("ja": Hani, Hira, Kana).

    It is empty if this is not known.
    """
    from babel.core import get_global

    language, *more = code.split("-")
    named = [part for part in more if len(part) == 4]
    likely: Any = get_global("likely_subtags")
    found = named[:1] or str(likely.get(code.replace("-", "_")) or likely.get(language) or "").split("_")[1:2]
    together = {
        "Hans": "Hani", "Hant": "Hani", "Jpan": "Hani Hira Kana", "Kore": "Hang Hani", "Jamo": "Hang", "Hira": "Hani Hira Kana",
    }  # fmt: skip
    return frozenset(name for script in found for name in together.get(script, script).split())


@cache
def _english_names() -> Any:
    from babel import Locale

    return Locale(ENGLISH)


def _alias(language: str) -> str:
    """Return the code that replaced another one ("iw": "he"), or the two letters of a code with three ("deu": "de")."""
    from babel.core import get_global

    table: Any = get_global("language_aliases")
    new = str(table.get(language, language))
    return language if language in _english_names().languages or "_" in new else new


def _advice(given: str) -> str:
    """Return what to give instead of a text that is not a code: the code of the language that it names, if it names one."""
    wanted = " ".join(given.split()).casefold()
    for code, name in _english_names().languages.items():
        if wanted and str(name).casefold() == wanted:
            return f"give its code, {code.replace('_', '-')}"
    return "give a code such as zh, sw or pt-BR"
