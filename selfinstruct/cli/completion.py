"""Values that a shell completes. Each function returns all names, and typer keeps those that begin with the typed text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from selfinstruct import packaged, plugins
from selfinstruct.names import matching

# Rules of `rejected.jsonl` that are not filters: those of every run, and those of methods.
OTHER_RULES = (
    *("content_filter", "empty_reply", "malformed", "no_tasks_found", "over_quota", "over_target", "request_refused", "rouge"),
    *("truncated", "unanswered"),
    *("conflicting_outputs", "copied_prompt", "empty_words", "evasive_answer", "no_instances", "no_quote", "nothing_gained"),
    "unsupported_quote",
)

recipes = packaged.recipes


def tokens() -> list[str]:
    """Return the kinds of tokens that ROUGE-L can compare."""
    return ["unicode", "ascii"]


def formats() -> list[str]:
    """Return the formats of the kept rows of `dedup`."""
    return ["jsonl", "json"]


def filters(incomplete: str) -> list[str]:
    """Return the names of all filters. After `NAME:`, return the options of that filter as `NAME:option=`."""
    name, colon, _ = incomplete.partition(":")
    if not colon:
        return list(plugins.names("filter"))
    found = matching(name, plugins.names("filter"))
    return [f"{name}:{option}=" for option, _ in plugins.options_of("filter", found)] if found else []


def exports() -> list[str]:
    """Return the names of all exports."""
    return plugins.shown_names("export")


def rules() -> list[str]:
    """Return "any", and the names of all rules that can reject a candidate."""
    return ["any", *sorted({*plugins.names("filter"), *OTHER_RULES})]


def of_setting(name: str, choices: tuple[Any, ...]) -> Callable[[], list[str]] | None:
    """Return a function that gives the values of a setting: its choices, or the names of its kind. None if there are none."""
    if choices:
        return lambda: list(map(str, choices))
    if name in plugins.FOLDERS:
        return lambda: plugins.shown_names(name)
    return packaged.prompts if name == "prompt" else None
