"""What a new run uses where its settings do not say: the teacher, and what fits that teacher and its method."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from typing import Any

from selfinstruct import plugins
from selfinstruct.errors import RecipeError
from selfinstruct.recipe import loading
from selfinstruct.recipe.credentials import URL_VARIABLE, key_from_environment
from selfinstruct.recipe.schema import Curate, FilterSetting, NamedTeacher, Recipe

_METHOD = "alpaca"
_SEVERAL = "several"  # what is recorded as the teacher, or the method, where there are several


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
    chosen = dict(settings)
    _check(chosen)
    if chosen.get("teachers"):
        chosen["teachers"] = {name: _teacher_filled(one, chosen) for name, one in chosen["teachers"].items()}
    chosen["teacher"] = _SEVERAL if chosen.get("teachers") else teacher(chosen)
    if chosen.get("mix"):
        chosen["mix"] = {name: _part_filled(part, chosen) for name, part in chosen["mix"].items()}
        chosen["method"] = _SEVERAL
    if not chosen.get("teachers"):
        _use(_defaults(chosen["teacher"], chosen), chosen)
        if chosen["teacher"] == "openai" and not chosen.get("base_url"):
            chosen["base_url"] = os.environ.get(URL_VARIABLE, "")  # recorded, so that a run goes on where it began
    if not chosen.get("mix"):
        chosen["method"] = chosen.get("method") or _METHOD
        chosen["prompt"] = chosen.get("prompt") or _prompt_of(chosen["method"])
    recipe = loading.with_settings(Recipe(), chosen)
    return recipe.model_copy(update={"curate": settled(recipe.curate, recipe.generate.languages)})


def changed(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """An existing run's recipe with some settings changed; filters that its version did not have stay away."""
    chosen = dict(settings)
    for name, single, old in (
        ("teachers", "teacher", recipe.generate.teachers),
        ("mix", "method", recipe.generate.mix),
        ("pace", "", recipe.runtime.pace),
    ):
        if chosen.get(name):  # what is left out of a table is as it was
            _mapping(name, chosen[name])
            before = {one: known.model_dump(exclude_none=True) for one, known in old.items()}
            chosen[name] = {one: _merged(before.get(one, {}), new) for one, new in chosen[name].items()}
            if single:
                chosen.setdefault(single, _SEVERAL)
    new = loading.with_settings(recipe, chosen)
    if new.curate.language == recipe.curate.language:
        return new
    fresh = settled(new.curate.model_copy(update={"filters": {}}), new.generate.languages).filters
    bound = {name for name in new.curate.filters if name in fresh and _languages(name)}
    filters = {**new.curate.filters, **{name: fresh[name] for name in bound}, **settings.get("filters", {})}
    return new.model_copy(update={"curate": new.curate.model_copy(update={"filters": filters})})


def _check(chosen: Mapping[str, Any]) -> None:
    """Raise RecipeError for what excludes itself."""
    for several, single in (("teachers", ("teacher", "model", "base_url")), ("mix", ("method", "prompt", "options"))):
        if chosen.get(several):
            _mapping(several, chosen[several])
            if given := [name for name in single if chosen.get(name)]:
                raise RecipeError(f"{several} and {given[0]} cannot be given together; leave one of them out")


def _mapping(name: str, value: Any) -> None:
    if not isinstance(value, Mapping) or not all(isinstance(one, Mapping) for one in value.values()):
        raise RecipeError(f"generate.{name} is a table for each by its name, such as [generate.{name}.first]; write it so")


def _merged(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    tables = {name: {**old[name], **value} for name, value in new.items() if isinstance(value, Mapping) and name in old}
    return {**old, **new, **tables}


def _teacher_filled(one: Mapping[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """One of several teachers with its own defaults; what can only be said for all of them goes into `chosen`."""
    own = {**one, "teacher": teacher(one)}
    if own["teacher"] == "openai" and not own.get("base_url"):
        own["base_url"] = os.environ.get(URL_VARIABLE, "")
    usual = _defaults(own["teacher"], {**own, "method": chosen.get("method", "")})
    for name in NamedTeacher.model_fields.keys() & usual.keys():
        own.setdefault(name, usual[name])
    if usual.get("send_seed"):
        chosen.setdefault("send_seed", True)
    return own


def _part_filled(one: Mapping[str, Any], chosen: dict[str, Any]) -> dict[str, Any]:
    """One of several methods with what fits it and the teacher; what can only be said for all of them goes into `chosen`."""
    part = dict(one)
    if isinstance(method := part.get("method"), str) and method:
        usual = dict(_defaults(chosen["teacher"], {**chosen, "method": method})) if chosen["teacher"] != _SEVERAL else {}
        part["prompt"] = part.get("prompt") or usual.pop("prompt", "") or _prompt_of(method)
        part["options"] = {**usual.pop("options", {}), **part.get("options", {})}
        usual.pop("method", None)
        _use(usual, chosen)
    return part


def _use(usual: Mapping[str, Any], chosen: dict[str, Any]) -> None:
    """Put defaults where nothing is set; several methods have their own prompts and options."""
    for name, value in usual.items():
        if chosen.get("mix") and name in ("method", "prompt", "options"):
            continue
        if isinstance(value, dict):
            chosen[name] = {**value, **chosen.get(name, {})}
        chosen.setdefault(name, value)


def _defaults(name: str, settings: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = plugins.beside("teacher", name, "defaults", lambda settings: {})(settings)
    return found


def _prompt_of(method: str) -> str:
    return str(plugins.beside("method", method, "PROMPT", _METHOD))


def _languages(name: str) -> object:
    return getattr(plugins.find("filter", name), "languages", None)


def settled(curate: Curate, languages: Collection[str] = ()) -> Curate:
    """A [curate] part that names each filter with its setting, so that a filter added later cannot change it.

    One that only makes sense for some languages is on if the dataset's is among them, or one of those that are asked for.
    """
    asked = languages or [curate.language]
    filters: dict[str, FilterSetting] = {}
    for name in plugins.names("filter"):
        meant = getattr(plugins.find("filter", name), "languages", None)
        filters[name] = meant is None or not set(meant).isdisjoint(asked)
    return curate.model_copy(update={"filters": filters | curate.filters})
