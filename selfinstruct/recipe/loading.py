"""The recipe of a run: reading it from TOML, and changing some of its settings.

What settings there are is said in `settings`.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from selfinstruct.errors import RecipeError
from selfinstruct.packaged import folder
from selfinstruct.recipe.schema import Card, Curate, Generate, Recipe, Runtime
from selfinstruct.text import read_text


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """A recipe with some settings changed, each in the part that has its name; raises RecipeError."""
    changed = recipe.model_dump()
    for name, value in settings.items():
        part = part_of(name)
        if isinstance(value, dict) and isinstance(changed[part][name], dict):
            changed[part][name] = {**changed[part][name], **value}
        else:
            changed[part][name] = value
    return parse(changed, "settings")


def part_of(name: str) -> str:
    """The part of the recipe that has a setting of this name; raises RecipeError with what there is."""
    parts: dict[str, type[BaseModel]] = {"generate": Generate, "curate": Curate, "runtime": Runtime, "card": Card}
    for part, model in parts.items():
        if name in model.model_fields:
            return part
    known = ", ".join(field for model in parts.values() for field in model.model_fields)
    raise RecipeError(f"there is no setting {name!r}; there are: {known}")


def without_what_gives_way(older: Mapping[str, Any], newer: Mapping[str, Any]) -> dict[str, Any]:
    """Older settings without those that another method, or other teachers, among newer ones make void."""
    void: set[str] = set()
    if newer.get("method"):
        void |= {"mix"}
        if newer["method"] != older.get("method", newer["method"]):  # what names no method was meant for this one too
            void |= {"prompt", "options"}
    if newer.get("mix"):
        void |= {"method", "prompt", "options"}
    if newer.get("teacher") or newer.get("model") or newer.get("base_url"):
        void |= {"teachers", "pace"}
    if newer.get("teachers"):
        void |= {"teacher", "model", "base_url", "teachers", "pace"}
    return {name: value for name, value in older.items() if name not in void}


def available() -> dict[str, str]:
    """The recipes that come with this package, and what each says of itself."""
    return {path.stem: str(_values(path).get("about", "")) for path in sorted(folder("prompts").glob("*.toml"))}


def load(name_or_path: str | Path) -> dict[str, Any]:
    """The settings of a recipe, checked, but only those that it names; raises RecipeError with file and place.

    It is a bundled one by its name, or any TOML file by its path; a text `about` says what it is for.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and len(path.parts) == 1 and not path.is_file():
        path = folder("prompts") / f"{name_or_path}.toml"
        if not path.exists():
            raise RecipeError(
                f"no recipe is named {str(name_or_path)!r}; there are: {', '.join(available())}, or give the path of a file"
            )
    values = {name: value for name, value in _values(path).items() if name != "about"}
    parse(values, str(path))
    return {name: value for part in values.values() for name, value in part.items()}


def _values(path: Path) -> dict[str, Any]:
    text = read_text(path, RecipeError)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: is not valid TOML ({error}); mend the file") from None


def parse(values: Mapping[str, Any], source: str) -> Recipe:
    """A recipe from plain values; raises RecipeError that names the setting, the value and the reason."""
    try:
        recipe = Recipe.model_validate(values)
        json.dumps(recipe.model_dump(), allow_nan=False, ensure_ascii=False).encode()
        return recipe
    except TypeError as error:
        raise RecipeError(
            f"{source}: has a value that JSON cannot hold ({error}); use texts, numbers, lists and tables"
        ) from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        if place == "generate.max_tokens":
            raise RecipeError(
                f"{source}: the most tokens of one reply are called reply_tokens in [generate]; max_tokens in [runtime] "
                "bounds the whole run"
            ) from None
        if first["type"] == "extra_forbidden":
            raise RecipeError(f"{source}: there is no setting {place!r}; check its name and its part") from None
        given, reason = repr(first["input"])[:60], first["msg"].removeprefix("Value error, ")
        raise RecipeError(f"{source}: {place}: {reason[:1].lower()}{reason[1:]} (it is {given})") from None
    except UnicodeEncodeError:
        raise RecipeError(f"{source}: has a text that is not UTF-8; mend it") from None
    except ValueError as error:
        raise RecipeError(f"{source}: has a number that JSON cannot hold ({error}); use finite numbers") from None
