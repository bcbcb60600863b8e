"""Languages by their codes."""

from __future__ import annotations

from selfinstruct.errors import RecipeError


def name_of(code: str) -> str:
    """The English name of a language ("sw": "Swahili"), as prompts say it; raises RecipeError for a code that is none."""
    from babel import Locale, UnknownLocaleError

    try:
        name = Locale.parse(code).get_display_name("en")
    except (ValueError, UnknownLocaleError):
        name = Locale("en").languages.get(code)  # a language of which more than the name is not known
    if not name:
        raise RecipeError(f"generate.languages: {code!r} is the code of no language that is known; write it like en or sw")
    return str(name)
