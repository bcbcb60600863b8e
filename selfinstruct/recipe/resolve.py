"""Resolve the settings of a run from their layers.

Precedence, the strongest layer first:

    1. the call        keywords of `Run`, or flags of the command
    2. the recipe      the TOML file or the bundled recipe that the call names
    3. the run         what run.json has, where a run is continued
    4. the defaults    what fits the teacher and the method, and OPENAI_BASE_URL
    5. the schema      the default of each setting in `schema.py`

`merge` applies layers 1 and 2. `resolve` puts the result over the other three. A setting of a stronger layer removes the
settings of weaker layers that it excludes (see `EXCLUDES`). Two settings that exclude each other in one layer are an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from selfinstruct.errors import RecipeError, setting
from selfinstruct.languages.codes import ENGLISH
from selfinstruct.recipe import defaults, problems
from selfinstruct.recipe.loading import section_of, with_settings
from selfinstruct.recipe.schema import NamedTeacher, Recipe
from selfinstruct.text import shown

SEVERAL = "several"  # recorded as the teacher, or the method, of a run that has several

EXCLUDES: Mapping[str, tuple[str, ...]] = {
    "teacher": ("teachers", "pace"),
    "model": ("teachers", "pace"),
    "base_url": ("teachers", "pace"),
    "teachers": ("teacher", "model", "base_url", "pace"),
    "method": ("mix",),
    "mix": ("method", "prompt", "options"),
    "language": ("languages",),
    "languages": ("language",),
}
_GO_TOGETHER = ("pace",)  # belongs to the teachers of its own layer
_OF_A_METHOD = ("prompt", "options")  # go with the method of a weaker layer, if a stronger one names another method
_TABLES = ("teachers", "mix", "pace")  # tables by a name that the user chose


def merge(call: Mapping[str, Any], below: Mapping[str, Any] | None = None, source: str = "") -> dict[str, Any]:
    """Merge the settings of a call with those of a weaker layer `below`, which `source` names in messages.

    A setting replaces that of the weaker layer, and removes those that it excludes. Filters are merged by name. None counts as
    not set. Raises RecipeError if two settings remain that exclude each other.
    """
    merged: dict[str, Any] = {}
    for layer in (call, below or {}):
        stated = {name: value for name, value in layer.items() if value is not None and name not in _excluded(merged, layer)}
        filters = {**stated.get("filters", {}), **merged.get("filters", {})}
        merged = {**stated, **merged, **({"filters": filters} if filters else {})}
    for name, excluded in EXCLUDES.items():
        for other in excluded:
            if merged.get(name) and merged.get(other) and other not in _GO_TOGETHER:
                first, second = ("" if call.get(one) is not None else source for one in (name, other))
                both = f"{_place(name, first)} and {other if first == second != '' else _place(other, second)}"
                raise RecipeError(f"{both}: cannot be given together. Fix: remove one of them.")
    return merged


def _place(name: str, source: str) -> str:
    return problems.place([section_of(name), name], source)


def resolve(given: Mapping[str, Any], stored: Recipe | None = None) -> Recipe:
    """Return the recipe of a run.

    `given` has the merged settings of call and recipe file, by name. `stored` is the recipe of a run that is continued.
    Raises RecipeError for a setting that is unknown or out of its limits, and for defaults that contradict each other.
    """
    for name in _TABLES:
        _check_table(name, given.get(name) or {})
    return _over_run(stored, given) if stored else _over_defaults(given)


def _excluded(stronger: Mapping[str, Any], weaker: Mapping[str, Any]) -> set[str]:
    excluded = {other for name, others in EXCLUDES.items() if stronger.get(name) for other in others}
    method = stronger.get("method")
    if method and method != weaker.get("method", method):
        excluded |= set(_OF_A_METHOD)
    return excluded


def _check_table(name: str, table: Any) -> None:
    if not isinstance(table, Mapping) or not all(isinstance(row, Mapping) for row in table.values()):
        raise RecipeError(f"{setting(name)}: must be a table with a table for each name (got {shown(table)}). Fix: correct it.")


def _over_run(stored: Recipe, given: Mapping[str, Any]) -> Recipe:
    """Return a continued run's recipe. Filters that its version did not have stay away."""
    settings = dict(given)
    for name, table in (
        ("teachers", stored.generate.teachers),
        ("mix", stored.generate.mix),
        ("pace", stored.runtime.pace),
    ):
        if given.get(name):  # a row's settings that are left out stay as they are
            before = {row: known.model_dump(exclude_none=True) for row, known in table.items()}
            settings[name] = {row: _merged_row(before.get(row, {}), new) for row, new in given[name].items()}
    if settings.get("teachers"):
        settings.setdefault("teacher", SEVERAL)
    if settings.get("mix"):
        settings.setdefault("method", SEVERAL)
    recipe = with_settings(stored, settings)
    if recipe.curate.language == stored.curate.language:
        return recipe
    fresh = defaults.with_all_filters(recipe.curate.model_copy(update={"filters": {}}), recipe.generate.languages).filters
    by_language = {name: fresh[name] for name in recipe.curate.filters if name in fresh and defaults.languages_of(name)}
    filters = {**recipe.curate.filters, **by_language, **given.get("filters", {})}
    return recipe.model_copy(update={"curate": recipe.curate.model_copy(update={"filters": filters})})


def _merged_row(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    tables = {name: {**old[name], **value} for name, value in new.items() if isinstance(value, Mapping) and name in old}
    return {**old, **new, **tables}


def _over_defaults(given: Mapping[str, Any]) -> Recipe:
    """Return a new run's recipe, in which nothing is left open."""
    with_settings(Recipe(), given)  # refuses bad values before a default depends on them
    settings = dict(given)
    usual: list[tuple[str, Mapping[str, Any]]] = []  # defaults for the whole run, each with the setting they come from
    if given.get("teachers"):
        settings["teacher"] = SEVERAL
        settings["teachers"] = {}
        for name, row in given["teachers"].items():
            settings["teachers"][name], of_run = _complete_teacher(row, given)
            usual.append((f"teachers.{name}", of_run))
    else:
        settings["teacher"] = defaults.teacher_for(given)
    if given.get("mix"):
        settings["method"] = SEVERAL
        settings["mix"] = {}
        for name, row in given["mix"].items():
            settings["mix"][name], of_run = _complete_method(row, settings)
            usual.append((f"mix.{name}", of_run))
    elif not given.get("teachers"):
        usual.append(("teacher", defaults.of_teacher(settings["teacher"], settings)))
    settings = _with_defaults(settings, _agreed(usual, given))
    if not given.get("teachers"):
        settings["base_url"] = defaults.address_for(settings)  # recorded, so that a run continues where it began
    if not given.get("mix"):
        settings["method"] = settings.get("method") or defaults.METHOD
        settings["prompt"] = settings.get("prompt") or defaults.prompt_for(settings["method"])
    recipe = _asking_for_its_language(with_settings(Recipe(), settings))
    curate = defaults.with_all_filters(recipe.curate, recipe.generate.languages)
    return recipe.model_copy(update={"curate": curate})


def _asking_for_its_language(recipe: Recipe) -> Recipe:
    """Return a recipe in which the language of the dataset is what the teacher is asked for. Prompts are in English anyway."""
    language = recipe.curate.language
    if language == ENGLISH or recipe.generate.languages:
        return recipe
    return recipe.model_copy(update={"generate": recipe.generate.model_copy(update={"languages": {language: 1.0}})})


def _complete_teacher(row: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one of several teachers with its defaults, and those defaults that only the whole run can have."""
    teacher = {**row, "teacher": defaults.teacher_for(row)}
    if address := defaults.address_for(teacher):
        teacher["base_url"] = address
    usual = defaults.of_teacher(teacher["teacher"], {**teacher, "method": given.get("method", "")})
    own = {name: value for name, value in usual.items() if name in NamedTeacher.model_fields}
    return {**own, **teacher}, {"send_seed": True} if usual.get("send_seed") else {}


def _complete_method(row: Mapping[str, Any], settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return one of several methods with what fits it and the teacher, and the defaults that only the whole run can have."""
    method = row.get("method")
    if not method or not isinstance(method, str):
        return dict(row), {}  # refused with its place when the recipe is checked
    usual: dict[str, Any] = {}
    if settings["teacher"] != SEVERAL:
        usual = defaults.of_teacher(settings["teacher"], {**settings, "method": method})
    prompt = row.get("prompt") or usual.pop("prompt", "") or defaults.prompt_for(method)
    options = {**usual.pop("options", {}), **row.get("options", {})}
    return {**row, "prompt": prompt, "options": options}, {name: usual[name] for name in usual if name not in EXCLUDES["mix"]}


def _agreed(usual: list[tuple[str, Mapping[str, Any]]], given: Mapping[str, Any]) -> dict[str, Any]:
    """Merge the defaults of teachers and methods. Raises RecipeError where two differ and no setting decides."""
    merged: dict[str, Any] = {}
    origin: dict[str, str] = {}
    for place, settings in usual:
        for name, value in settings.items():
            if name in merged and name not in given and merged[name] != value:
                raise RecipeError(
                    f"{origin[name]} and {place}: need a different {name} (got {merged[name]!r} and {value!r}). "
                    f"Fix: set {setting(name)}."
                )
            merged.setdefault(name, value)
            origin.setdefault(name, place)
    return merged


def _with_defaults(settings: Mapping[str, Any], usual: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with defaults below them. A table of options gets the options that it lacks."""
    tables = {name: {**usual[name], **settings[name]} for name in usual if isinstance(settings.get(name), Mapping)}
    return {**usual, **settings, **tables}
