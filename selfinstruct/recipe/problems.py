"""Problems of a recipe in words: the place that the user wrote, what is wrong there, and what to give instead."""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ValidationError

from selfinstruct.errors import setting
from selfinstruct.names import rename
from selfinstruct.recipe.credentials import KEY_VARIABLES
from selfinstruct.recipe.schema import SECTIONS, NamedTeacher, Recipe, TeacherPace
from selfinstruct.text import shown

_KINDS: Mapping[Any, str] = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}
_LIMITS = {"greater_than_equal": "at least", "greater_than": "greater than", "less_than_equal": "at most"}
# A teacher by a name has two tables. A setting may be put into the wrong one: the other table, and what it may have.
_TWINS: Mapping[str, tuple[str, type[BaseModel]]] = {
    "teachers": ("runtime.pace", TeacherPace),
    "pace": ("generate.teachers", NamedTeacher),
}
# Each pattern of the schema in words: the problem of a text that does not match it, and the remedy.
_PATTERNS: Mapping[str, tuple[str, str]] = {
    "^([A-Za-z_][A-Za-z0-9_]*)?$": ("must be the name of an environment variable", "give a name such as MY_API_KEY"),
    "^[a-z0-9][a-z0-9_-]{0,30}$": (
        "must be a name of at most 31 characters: small letters, digits, - and _",
        "give a name such as first",
    ),
}
_KEY = "[key]"  # pydantic's mark of a name in a table, not of its value


def first_problem(error: ValidationError, source: str = "") -> str:
    """Return the first problem that pydantic found, as a message.

    `source` is the recipe file, empty for the arguments of a call.
    """
    first = error.errors(include_url=False)[0]
    path, annotation, marks = _walk(first["loc"])
    where = place(path, source)
    kind, own = first["type"], str(first["msg"]).removeprefix("Value error, ")
    if kind == "extra_forbidden" or (first["loc"][-1] == _KEY and kind == "literal_error"):
        return f"{where}: {_unknown(path, annotation, source)}"
    if kind == "missing":
        return f"{where}: is missing. Fix: add it."
    problem, _, fix = own.partition(". Fix: ")
    whole_section = len(path) == 1
    if whole_section and kind == "value_error":  # the message of a check of several settings begins with one of them
        name, _, problem = problem.partition(": ")
        where = place([*path, name], source)
    if kind == "string_pattern_mismatch":
        problem, fix = _PATTERNS[first["ctx"]["pattern"]]
    elif kind != "value_error":
        allowed = _allowed(annotation, marks)
        limit = next((first["ctx"][name] for name in ("ge", "gt", "le") if name in first.get("ctx", {})), None)
        problem = f"must be {_LIMITS[kind]} {limit:,.10g}" if kind in _LIMITS else f"must be {_kind(annotation)}"
        problem = "must be a finite number" if kind == "finite_number" else problem
        fix = f"give {allowed}"
    secret = "password" in problem or path[-1] == "key_variable"  # people put the key itself there
    value = first["input"]
    if kind == "value_error" and isinstance(value, list | tuple) and len(value) == 1:  # a flag that may be repeated
        value = value[0]
    if kind in _LIMITS and isinstance(value, float) and value.is_integer():  # a flag's -1 is read as -1.0
        value = int(value)
    got = " (got a value that is not shown)" if secret else f" (got {shown(value)})"
    return f"{where}: {problem}{'' if whole_section else got}. Fix: {fix.rstrip('.')}."


def place(path: Sequence[str], source: str = "") -> str:
    """Return the place of a setting as the user wrote it, given section, name and keys inside of it.

    In a recipe file it is file, table and key. Else it is the flag or the keyword.
    """
    if not source:
        return setting(".".join(path[1:])) if len(path) > 1 else path[0]
    if len(path) == 1:
        return f"{source}: {path[0]}"
    return f"{source}: [{'.'.join(path[:-1])}] {path[-1]}"


def unknown(name: str) -> str:
    """Return the problem and the remedy for a setting that no section has."""
    return f"unknown setting. Fix: {rename(name, [name for model in SECTIONS.values() for name in model.model_fields])}."


def _unknown(path: Sequence[str], annotation: Any, source: str) -> str:
    """Return the problem and the remedy for a name that is not known at this place. `annotation` is the table's type."""
    name = path[-1]
    if name == "api_key":
        return f"is not a setting, because the key stays out of files. Fix: remove it, and set the variable {KEY_VARIABLES[1]}."
    if len(path) == 2 and name == "max_tokens":
        return "is a setting of [runtime], for the whole run. Fix: set reply_tokens for one reply, or move it below [runtime]."
    if len(path) == 4 and path[1] in _TWINS and name in _TWINS[path[1]][1].model_fields:
        home = f"[{_TWINS[path[1]][0]}.{path[2]}]"
        return f"is a setting of {home}. Fix: move it there."
    home = next((section for section, model in SECTIONS.items() if name in model.model_fields), "")
    if home and source and len(path) < 3:
        return f"is a setting of [{home}]. Fix: move it below [{home}]."
    if len(path) == 1:
        return f"unknown section. Fix: {rename(name, SECTIONS)}."
    known = annotation.model_fields if _is_model(annotation) else typing.get_args(_bare(typing.get_args(annotation)[0])[0])
    return f"unknown setting. Fix: {rename(name, known)}."


def _walk(location: tuple[int | str, ...]) -> tuple[list[str], Any, list[Any]]:
    """Return the path of names to a setting, its type and its limits.

    An unknown name ends the path, with the type of the table that should have it.
    """
    path: list[str] = []
    annotation: Any = Recipe
    marks: list[Any] = []
    for number, part in enumerate(location):
        if part == _KEY:
            break
        inner, marks = _bare(annotation, marks)
        if _is_model(inner):
            path.append(str(part))
            if part not in inner.model_fields:
                return path, inner, []
            annotation, marks = inner.model_fields[part].annotation, list(inner.model_fields[part].metadata)
        elif typing.get_origin(inner) is dict:
            path.append(str(part))
            if location[number + 1 :] != (_KEY,):  # else the name itself is wrong, and its table is wanted
                annotation, marks = typing.get_args(inner)[1], []
        else:
            break  # a branch of several types, or a place in a list
    return path, *_bare(annotation, marks)


def _bare(annotation: Any, marks: Sequence[Any] = ()) -> tuple[Any, list[Any]]:
    """Return a type without None and `Annotated`, and all of its limits."""
    found = list(marks)
    while True:
        members = typing.get_args(annotation)
        if typing.get_origin(annotation) is Annotated:
            annotation, *more = members
            found += [mark for info in more for mark in getattr(info, "metadata", [info])]
        elif typing.get_origin(annotation) in (types.UnionType, typing.Union) and len(_without_none(members)) == 1:
            annotation = _without_none(members)[0]
        else:
            return annotation, found


def _without_none(members: Sequence[Any]) -> list[Any]:
    return [member for member in members if member is not types.NoneType]


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _kind(annotation: Any) -> str:
    """Return a type in words."""
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal:
        return f"one of {', '.join(map(str, members))}"
    if origin in (types.UnionType, typing.Union):
        kinds = dict.fromkeys(_kind(_bare(member)[0]) for member in _without_none(members) if {member, float} != {int, float})
        return " or ".join(kinds).replace("true or false or", "true, false or")
    return _KINDS.get(annotation, "a list of texts" if origin is tuple else "a table")


def _allowed(annotation: Any, marks: Sequence[Any]) -> str:
    """Return the allowed values in words, such as "a number from 0 to 1"."""
    kind = _kind(annotation)
    limits = {name: value for mark in marks for name in ("ge", "gt", "le") if (value := getattr(mark, name, None)) is not None}
    most = f"{limits['le']:,.10g}" if "le" in limits else ""
    if "gt" in limits:
        return f"{kind} greater than {limits['gt']:,g}" + (f" and at most {most}" if most else "")
    if "ge" in limits:
        return f"{kind} from {limits['ge']:,g} to {most}" if most else f"{kind} of at least {limits['ge']:,g}"
    return f"{kind} in quotation marks" if annotation is str else kind
