"""Name languages by their codes."""

from __future__ import annotations

from selfinstruct.errors import RecipeError, setting


def name_of(code: str) -> str:
    """Return the English name of a language for prompts ("sw": "Swahili").

    Raises: RecipeError when no language has this code.
    """
    from babel import Locale, UnknownLocaleError

    try:
        name = Locale.parse(code).get_display_name("en")
    except (ValueError, UnknownLocaleError):
        name = Locale("en").languages.get(code)  # Babel has the names of more languages than it has locales
    if not name:
        raise RecipeError(f"{setting('languages')}: unknown language code {code!r}. Fix: give codes such as en or sw.")
    return str(name)
