"""What a new run uses where its settings do not say: the teacher, and what fits that teacher and its method."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from typing import Any

from selfinstruct import plugins
from selfinstruct.config import Recipe
from selfinstruct.curation import settled
from selfinstruct.errors import PluginError
from selfinstruct.teachers.openai import URL_VARIABLE, key_from_environment

_METHOD = "alpaca"


def teacher(settings: Mapping[str, Any]) -> str:
    """The teacher's name: as set; else the embedded one for a GGUF model, or when nothing points to another.

    A model's name, an address or a key in the environment point to an endpoint.
    """
    if name := settings.get("teacher"):
        return str(name)
    model = str(settings.get("model") or "")
    if model.endswith(".gguf") or model.startswith("hf:"):
        return "local"
    pointed = model or settings.get("base_url") or os.environ.get(URL_VARIABLE) or key_from_environment()
    return "openai" if pointed else "local"


def complete(settings: Mapping[str, Any]) -> Recipe:
    """A recipe in which nothing is left open; a teacher's and a method's own defaults give way to what is set."""
    chosen = {**settings, "teacher": teacher(settings)}
    defaults = _attribute("teacher", chosen["teacher"], "defaults", lambda settings: {})
    for name, value in defaults(chosen).items():
        if isinstance(value, dict):
            chosen[name] = {**value, **chosen.get(name, {})}
        chosen.setdefault(name, value)
    if chosen["teacher"] == "openai" and not chosen.get("base_url"):
        chosen["base_url"] = os.environ.get(URL_VARIABLE, "")  # recorded, so that a run goes on where it began
    chosen["method"] = chosen.get("method") or _METHOD
    chosen["prompt"] = chosen.get("prompt") or _attribute("method", chosen["method"], "PROMPT", _METHOD)
    recipe = Recipe().with_settings(chosen)
    return recipe.model_copy(update={"curate": settled(recipe.curate)})


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """An existing run's recipe with some settings changed; filters that its version did not have stay away."""
    new = recipe.with_settings(settings)
    if new.curate.language == recipe.curate.language:
        return new
    fresh = settled(new.curate.model_copy(update={"filters": {}})).filters
    bound = {name for name in new.curate.filters if name in fresh and _languages(name)}
    filters = {**new.curate.filters, **{name: fresh[name] for name in bound}, **settings.get("filters", {})}
    return new.model_copy(update={"curate": new.curate.model_copy(update={"filters": filters})})


def _languages(name: str) -> object:
    return getattr(plugins.find("filter", name), "languages", None)


def _attribute(kind: str, name: str, attribute: str, otherwise: Any) -> Any:
    """Something in the module in which a teacher or method is defined."""
    try:
        function = plugins.find(kind, name)
    except PluginError:
        if ":" not in name:
            raise
        return otherwise  # an object that was passed need not be found by name
    return getattr(importlib.import_module(function.__module__), attribute, otherwise)
