"""Read the texts of rows, by the names of columns or by paths into them, such as `messages.0.content`."""

from __future__ import annotations

from collections.abc import Sequence

from selfinstruct.errors import TableError, setting
from selfinstruct.tables.paths import no_field, prefixes
from selfinstruct.tables.rows import Rows, Table, type_name


def texts(rows: Rows, paths: Sequence[str]) -> list[str]:
    """Return one text for each row: its fields at `paths`, joined by a newline. A null is an empty text.

    Raises: TableError where a field is missing or does not hold text.
    """
    columns = [_texts_at(rows, path) for path in paths]
    return columns[0] if len(columns) == 1 else ["\n".join(several) for several in zip(*columns, strict=True)]


def check(table: Table, paths: Sequence[str]) -> None:
    """Raise TableError, before any row is read, if the table has columns but none that a path can begin with."""
    for path in paths:
        if table.columns is not None and not set(table.columns) & set(prefixes(path)):
            raise TableError(f"{table.name}: {no_field(path, table.columns)}")


def _texts_at(rows: Rows, path: str) -> list[str]:
    values = rows.column(path)
    for place, value in enumerate(values):
        if value is None:
            values[place] = ""
        elif not isinstance(value, str):
            inside = f", or to a part of it such as {path}.0.content" if isinstance(value, list) else ""
            raise TableError(
                f"{rows.where(place)}: {path!r} must be text (got {type_name(value)}). "
                f"Fix: set {setting('fields')} to another field{inside}."
            )
    return values
