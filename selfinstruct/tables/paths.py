"""Find a value inside a row by its path, such as `messages.0.content`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from selfinstruct.errors import TableError, setting

_SHOWN = 20  # names of fields in a message
_LONGEST = 60  # characters of a name in a message
_MISSING = object()


def prefixes(path: str) -> list[str]:
    """Return the columns that a path can begin with, the longest first, because a column's name may contain dots."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def value_at(row: dict[str, Any], path: str, place: int, where: Callable[[int], str]) -> Any:
    """Return the value of a row at a path.

    `where` gives the file and line of the row at `place`, for messages. Raises TableError when there is no such value.
    """
    value = row.get(path, _MISSING)
    if value is _MISSING and (value := _walk(row, path)) is _MISSING:
        raise TableError(f"{where(place)}: {no_field(path, row)}")
    return value


def no_field(path: str, names: Iterable[str]) -> str:
    """Return the message for a path that leads to no value, with the names of the fields that there are."""
    listed = [name if name.isprintable() else repr(name) for name in names]
    shown = ", ".join(name if len(name) <= _LONGEST else f"{name[:_LONGEST]}..." for name in listed[:_SHOWN]) or "none"
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    fix = f"Fix: set {setting('fields')} ({setting('against_fields')} for a reference) to one of these."
    return f"has no field {path!r} (there are: {shown}{more}). {fix}"


def _walk(value: Any, path: str) -> Any:
    if value is None:  # all fields of an object that is null are null
        return None
    if isinstance(value, list):
        head, _, rest = path.partition(".")
        inside = (
            value[int(head)] if head.isdecimal() and head.isascii() and len(head) < 9 and int(head) < len(value) else _MISSING
        )
        return inside if inside is _MISSING or not rest else _walk(inside, rest)
    if not isinstance(value, dict):
        return _MISSING
    for head in prefixes(path):
        if head in value:
            rest = path[len(head) + 1 :]
            found = _walk(value[head], rest) if rest else value[head]
            if found is not _MISSING:
                return found
    return _MISSING
