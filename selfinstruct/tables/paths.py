"""Find a value inside a row by its path."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from selfinstruct.errors import TableError

_SHOWN = 20  # names of fields in a message
_LONG = 60  # characters of a name in a message
_MISSING = object()


def prefixes(path: str) -> list[str]:
    """The columns that a path can begin with, the longest first: a column's own name may have dots in it."""
    parts = path.split(".")
    return [".".join(parts[:count]) for count in range(len(parts), 0, -1)]


def at(row: dict[str, Any], path: str, place: int, where: Callable[[int], str]) -> Any:
    """The value at a path; raises TableError, with the place, if there is none."""
    value = row.get(path, _MISSING)
    if value is _MISSING and (value := _walk(row, path)) is _MISSING:
        raise TableError(f"{where(place)}: {_no_field(path, row)}")
    return value


def _walk(value: Any, path: str) -> Any:
    if value is None:  # an object that is null has only null in it
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


def _no_field(path: str, names: Iterable[str]) -> str:
    listed = [name if name.isprintable() else repr(name) for name in names]
    shown = ", ".join(name if len(name) <= _LONG else f"{name[:_LONG]}..." for name in listed[:_SHOWN]) or "none"
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"has no field {path!r}; there are: {shown}{more}; name one by --field (--against-field for a reference)"
