"""A text of a row, by the name of its column or by a path into it, such as `messages.0.content`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.rows import Rows, Table, called

_SHOWN = 20  # names of fields in a message
_LONG = 60  # characters of a name in a message
_MISSING = object()


def texts(rows: Rows, paths: Sequence[str]) -> list[str]:
    """What is compared of each row: its fields with a newline between them; null is an empty text.

    Raises TableError where a field is missing or holds no text.
    """
    columns = [_as_texts(rows, path) for path in paths]
    return columns[0] if len(columns) == 1 else ["\n".join(several) for several in zip(*columns, strict=True)]


def check(table: Table, paths: Sequence[str]) -> None:
    """Raise TableError if a table that has columns has none for one of the paths; said before anything is read."""
    for path in paths:
        if table.columns is not None and not set(table.columns) & set(prefixes(path)):
            raise TableError(f"{table.name}: {_no_field(path, table.columns)}")


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


def _as_texts(rows: Rows, path: str) -> list[str]:
    found = rows.column(path)
    for place, value in enumerate(found):
        if value is None:
            found[place] = ""
        elif not isinstance(value, str):
            inside = f", or a part of it such as {path}.0.content" if isinstance(value, list) else ""
            raise TableError(
                f"{rows.where(place)}: {path!r} is {called(value)} and not text; name another one by --field{inside}"
            )
    return found


def _no_field(path: str, names: Iterable[str]) -> str:
    listed = [name if name.isprintable() else repr(name) for name in names]
    shown = ", ".join(name if len(name) <= _LONG else f"{name[:_LONG]}..." for name in listed[:_SHOWN]) or "none"
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return f"has no field {path!r}; there are: {shown}{more}; name one by --field (--against-field for a reference)"
