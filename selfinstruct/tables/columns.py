"""A text of a row, by the name of its column or by a path into it, such as `messages.0.content`."""

from __future__ import annotations

from collections.abc import Sequence

from selfinstruct.errors import TableError
from selfinstruct.tables.paths import _no_field, prefixes
from selfinstruct.tables.rows import Rows, Table, called


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
