"""The arguments of `Run`: names and objects, recorded as plain settings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from selfinstruct import plugins
from selfinstruct.errors import RecipeError, UserMistake, setting


@dataclass(frozen=True)
class Arguments:
    """Settings by name, and the objects that stand behind some of them.

    `method` is a function or None. `filters` has functions by the names that are recorded for them. `teachers` has objects
    by the names of several teachers, or by "" for the only one.
    """

    settings: Mapping[str, Any]
    method: Callable[..., Any] | None = None
    filters: Mapping[str, Callable[..., Any]] = field(default_factory=dict)
    teachers: Mapping[str, Any] = field(default_factory=dict)


def read_arguments(
    teacher: Any, method: Any, filters: Mapping[str, Any] | Sequence[Callable[..., Any]], settings: Mapping[str, Any]
) -> Arguments:
    """Return what was passed to `Run`. An object is recorded by its name and, for a teacher, its model.

    Raises UserMistake for filters that cannot be told apart by name, or that are not functions, and for an object that is not a
    teacher.
    """
    plain: dict[str, Any] = {name: str(value) if isinstance(value, Path) else value for name, value in settings.items()}
    if isinstance(fields := plain.get("extra"), list | tuple):
        plain["extra"] = _table_of(fields)
    objects: dict[str, Any] = {}
    if teacher is not None:
        recorded, objects = _recorded_teacher("", teacher)
        plain |= recorded
    rows: Any = plain.get("teachers")
    if isinstance(rows, Mapping):
        table: dict[str, Any] = {}
        for name, row in rows.items():
            stated = dict(row) if isinstance(row, Mapping) else {"teacher": row}
            if stated.get("teacher") is not None:
                recorded, found = _recorded_teacher(name, stated["teacher"])
                stated |= recorded
                objects |= found
            table[name] = stated
        plain["teachers"] = table
    if method is not None:
        plain["method"] = plugins.name_of(method) if callable(method) else plugins.recorded("method", method)
    functions = {} if isinstance(filters, Mapping) else _filters_by_name(filters)
    if filters:
        by_name = filters if isinstance(filters, Mapping) else dict.fromkeys(functions, True)
        plain["filters"] = {plugins.recorded("filter", name): setting for name, setting in by_name.items()}
    return Arguments(plain, method if callable(method) else None, functions, objects)


def _table_of(fields: Sequence[object]) -> dict[str, Any]:
    """Return texts of the form `key=value` as a table. A value is read as JSON where it can be. Raises RecipeError."""
    table: dict[str, Any] = {}
    for one in fields:
        name, equals, text = str(one).partition("=")
        if not equals or not name.strip():
            raise RecipeError(
                f"{setting('extra')}: must be written as KEY=VALUE (got {str(one)!r}). Fix: write it like top_k=40."
            )
        try:
            table[name.strip()] = json.loads(text)
        except ValueError:
            table[name.strip()] = text
    return table


def _recorded_teacher(name: str, teacher: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings that record a teacher, and the object by its name if it is one."""
    if isinstance(teacher, str):
        return {"teacher": plugins.recorded("teacher", teacher)}, {}
    if isinstance(teacher, type):
        raise UserMistake(f"teacher: is the class {teacher.__name__}. Fix: pass an object of it, such as {teacher.__name__}().")
    if not hasattr(teacher, "reply") and callable(teacher):
        raise UserMistake("teacher: is a function. Fix: pass selfinstruct.Scripted(function).")
    plugins.check_parts("teacher", teacher, plugins.TEACHER_PARTS, "teachers")
    return {"teacher": plugins.name_of(type(teacher)), "model": teacher.model}, {name: teacher}


def _filters_by_name(filters: Sequence[Callable[..., Any]] | Callable[..., Any]) -> dict[str, Callable[..., Any]]:
    """Return the functions by the names under which they are recorded."""
    found: dict[str, Callable[..., Any]] = {}
    for function in [filters] if callable(filters) else filters:
        if not callable(function):
            raise UserMistake(
                f"filters: {function!r} is not a function. Fix: pass functions, or a mapping such as {{'refusal': False}}."
            )
        name = plugins.name_of(function)
        if name in found:
            raise UserMistake(f"filters: two functions have the name {name!r}. Fix: rename one of them.")
        found[name] = function
    return found
