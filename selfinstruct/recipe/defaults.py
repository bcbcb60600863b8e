"""Defaults that depend on other settings: the teacher, what fits a teacher and its method, and the filters of a language."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from selfinstruct import plugins
from selfinstruct.errors import RecipeError
from selfinstruct.languages.codes import base
from selfinstruct.recipe.credentials import URL_VARIABLE, key_from_environment
from selfinstruct.recipe.schema import Curate
from selfinstruct.recipe.values import FilterSetting, check_address

METHOD = "alpaca"


def teacher_for(settings: Mapping[str, Any]) -> str:
    """Return the teacher's name: the one that is set, `local`, or `openai`.

    A GGUF file as the model means `local`. A model's name, an address or a key in the environment means `openai`. With none
    of these, it is `local`.
    """
    if name := settings.get("teacher"):
        return str(name)
    model = str(settings.get("model") or "")
    if model.endswith(".gguf") or model.startswith("hf:"):
        return "local"
    pointed = model or settings.get("base_url") or os.environ.get(URL_VARIABLE) or key_from_environment()
    return "openai" if pointed else "local"


def address_for(settings: Mapping[str, Any]) -> str | tuple[str, ...]:
    """Return a teacher's address: the one that is set, or for `openai` the one in the environment.

    Raises RecipeError if the environment has a bad one.
    """
    stated: str | tuple[str, ...] = settings.get("base_url") or ""
    if stated or settings["teacher"] != "openai":
        return stated
    address = os.environ.get(URL_VARIABLE, "")
    try:
        check_address(address)
    except ValueError as error:
        raise RecipeError(f"{URL_VARIABLE}: {error}") from None
    return address


def of_teacher(name: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that fit a teacher, given the model and the method in `settings`.

    A teacher's file may have a function `defaults` for this.
    """
    return dict(plugins.beside("teacher", name, "defaults", lambda settings: {})(settings))


def prompt_for(method: str) -> str:
    """Return the name of the prompt that fits a method."""
    return str(plugins.beside("method", method, "PROMPT", METHOD))


def with_all_filters(curate: Curate, languages: Collection[str] = ()) -> Curate:
    """Return the settings with every bundled filter named, so that a filter of a later version cannot change a run.

    A filter for certain languages is on if the dataset's language, or one of the `languages` asked for, is among them.
    """
    asked = languages or [curate.language]
    filters: dict[str, FilterSetting] = {}
    for name in plugins.names("filter"):
        fitting = languages_of(name)
        filters[name] = fitting is None or not set(fitting).isdisjoint(map(base, asked))
    return curate.model_copy(update={"filters": filters | curate.filters})


def languages_of(filter_name: str) -> Collection[str] | None:
    """Return the languages that a bundled filter is meant for, or None if it is for all."""
    found: Collection[str] | None = getattr(plugins.find("filter", filter_name), "languages", None)
    return found
