"""Read a recipe from TOML, check its values, and change settings in it. `schema` has the settings themselves."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from selfinstruct import packaged
from selfinstruct.errors import RecipeError, setting
from selfinstruct.names import advice, matching
from selfinstruct.packaged import folder
from selfinstruct.recipe import problems
from selfinstruct.recipe.schema import SECTIONS, Recipe
from selfinstruct.text import read_text, shown

FREE = ("curate", "card")  # sections that may change at any time: no request depends on them


def with_settings(recipe: Recipe, settings: Mapping[str, Any]) -> Recipe:
    """Return a recipe with some settings changed, each in the section that has its name.

    A table is merged with the one that is there. Raises RecipeError for a name or value that the schema does not have.
    """
    changed = recipe.model_dump()
    for name, value in settings.items():
        section = changed[section_of(name)]
        both = isinstance(value, dict) and isinstance(section[name], dict)
        section[name] = {**section[name], **value} if both else value
    return parse(changed)


def section_of(name: str) -> str:
    """Return the section of the recipe that has this setting. Raises RecipeError with the nearest name if none has it."""
    for section, model in SECTIONS.items():
        if name in model.model_fields:
            return section
    raise RecipeError(f"{setting(name)}: {problems.unknown(name)}")


def available() -> dict[str, str]:
    """Return the bundled recipes by name, each with what it says about itself."""
    return {path.stem: str(_values(path).get("about", "")) for path in sorted(folder("prompts").glob("*.toml"))}


def load(name_or_path: str | Path) -> dict[str, Any]:
    """Return the settings that a recipe names, checked, without defaults.

    A bundled recipe is loaded by its name, any other TOML file by its path. A text `about` describes the recipe. Raises
    RecipeError with file and place.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml" and len(path.parts) == 1 and not path.is_file():
        name = matching(path.name, packaged.recipes())
        if name is None:
            fix = advice(path.name, packaged.recipes(), otherwise="give a file")
            raise RecipeError(f"no recipe is named {path.name!r}. Fix: {fix}.")
        path = folder("prompts") / f"{name}.toml"
    values = {name: value for name, value in _values(path).items() if name != "about"}
    parse(values, str(path))
    return {name: value for section in values.values() for name, value in section.items()}


def _values(path: Path) -> dict[str, Any]:
    text = read_text(path, RecipeError)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: is not valid TOML ({error}). Fix: correct that line.") from None


def parse(values: Mapping[str, Any], source: str = "") -> Recipe:
    """Return a recipe from plain values by section.

    `source` is the file that they come from, empty for the arguments of a call. Raises RecipeError with source, setting,
    reason and value.
    """
    place = f"{source}: " if source else ""
    try:
        recipe = Recipe.model_validate(values)
        json.dumps(recipe.model_dump(), allow_nan=False, ensure_ascii=False).encode()
        return recipe
    except TypeError as error:
        raise RecipeError(
            f"{place}has a value that JSON cannot hold ({error}). Fix: use texts, numbers, lists or tables."
        ) from None
    except ValidationError as error:
        raise RecipeError(problems.first_problem(error, source)) from None
    except UnicodeEncodeError as error:
        raise RecipeError(f"{place}has a text that is not UTF-8 (got {shown(error.object)}). Fix: correct it.") from None
    except ValueError as error:
        raise RecipeError(f"{place}has a number that JSON cannot hold ({error}). Fix: use finite numbers.") from None
