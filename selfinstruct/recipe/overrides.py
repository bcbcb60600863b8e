"""Objects passed to `Run`, as the settings by which they are recorded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from selfinstruct.errors import UserMistake


def name_of(thing: Callable[..., Any]) -> str:
    """The name by which an object passed in a notebook is recorded, and found again where its module can be imported."""
    module = getattr(thing, "__module__", None) or type(thing).__module__
    label = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return f"{module}:{label}"


def functions_by_name(filters: Mapping[str, Any] | Sequence[Callable[..., Any]]) -> dict[str, Callable[..., Any]]:
    """The functions in `filters` by the names under which they are recorded; raises UserMistake for what has none."""
    if isinstance(filters, Mapping):
        return {}
    found: dict[str, Callable[..., Any]] = {}
    for function in [filters] if callable(filters) else filters:
        if not callable(function):
            raise UserMistake(f"filters: {function!r} is no function; give functions, or a mapping such as {{'refusal': False}}")
        name = name_of(function)
        if name in found:
            raise UserMistake(f"filters: two functions are called {name!r}; give each a name of its own")
        found[name] = function
    return found


def named(teacher: Any, method: Any, filters: Any, functions: Mapping[str, Any]) -> dict[str, Any]:
    """What was passed to `Run`, names or objects, as the settings by which it is recorded."""
    found: dict[str, Any] = {}
    if teacher is not None:
        found["teacher"] = teacher if isinstance(teacher, str) else name_of(type(teacher))
        if not isinstance(teacher, str):
            found["model"] = teacher.model
    if method is not None:
        found["method"] = name_of(method) if callable(method) else method
    if filters:
        found["filters"] = dict(filters) if isinstance(filters, Mapping) else dict.fromkeys(functions, True)
    return found


def with_named_teachers(settings: Mapping[str, Any], teacher: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings in which each of several teachers that is an object is put as its name, and the objects by those names.

    `teacher` is the only one, where there are not several: a name, an object or None.
    """
    own: dict[str, Any] = {} if teacher is None or isinstance(teacher, str) else {"": teacher}
    if not isinstance(settings.get("teachers"), Mapping):
        return dict(settings), own
    teachers = {}
    for name, one in settings["teachers"].items():
        given = one if isinstance(one, Mapping) else {"teacher": one}
        if (teacher := given.get("teacher")) is not None and not isinstance(teacher, str):
            own[name] = teacher
            given = {**given, "teacher": name_of(type(teacher)), "model": teacher.model}
        teachers[name] = dict(given)
    return {**settings, "teachers": teachers}, own
