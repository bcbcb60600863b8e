"""Define what tables of all kinds have in common: a table gives its rows in order, a batch at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from selfinstruct.errors import TableError
from selfinstruct.tables.paths import value_at

MOST_ROWS = 4096  # of a batch
MOST_BYTES = 8 << 20  # of a batch, unless a single row is larger


class Rows(Protocol):
    """A batch: successive rows of one table. A row of the batch is named by its place, counted from 0."""

    kind: str
    first: int  # the number of the batch's first row in the table, counted from 1

    def __len__(self) -> int:
        """Return the number of rows."""

    def column(self, path: str) -> list[Any]:
        """Return the value of each row at a path (see `paths`). Raises TableError where a row has no such field."""

    def line(self, place: int) -> int | None:
        """Return the line of the file on which a row begins, or None where the file has no lines."""

    def where(self, place: int) -> str:
        """Return the file with the line, or with the number of the row, for messages."""

    def json(self, place: int) -> bytes:
        """Return a row as one line of JSON (UTF-8, no newline), unchanged if it was JSON already."""


class Table(Protocol):
    """Rows of one kind under one name.

    `columns` is None where rows may differ in their fields. `size` and `done` are bytes: the whole, and how much of it
    `batches` has read. `length` is the number of rows where it is known in advance, else None.
    """

    name: str
    kind: str
    columns: tuple[str, ...] | None
    size: int
    length: int | None

    @property
    def done(self) -> int:
        """The bytes of `size` that have been read."""

    def batches(self) -> Iterator[Rows]:
        """Yield all rows. Raises TableError, with the place, where they cannot be read."""

    def sha256(self) -> str | None:
        """Return the SHA-256 (hex) of the file, or None where the table is not one file.

        Raises TableError if the file changed after it was opened.
        """


@dataclass
class TextRows:
    """A batch of rows from a text file, each with its line, its bytes and its fields."""

    name: str
    kind: str
    first: int
    lines: list[int] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def column(self, path: str) -> list[Any]:
        """Return the value of each row at a path."""
        return [value_at(value, path, place, self.where) for place, value in enumerate(self.values)]

    def line(self, place: int) -> int | None:
        """Return the line on which a row begins."""
        return self.lines[place]

    def where(self, place: int) -> str:
        """Return the file and line of a row."""
        return f"{self.name}:{self.lines[place]}"

    def json(self, place: int) -> bytes:
        """Return a row as one line of JSON, with the bytes of the file if it is JSON (a newline there is white space)."""
        if self.kind in ("json", "jsonl"):
            return self.raw[place].strip().replace(b"\r", b" ").replace(b"\n", b" ")
        return json.dumps(self.values[place], ensure_ascii=False).encode()


def batched(name: str, kind: str, rows: Iterable[tuple[int, bytes, dict[str, Any]]]) -> Iterator[TextRows]:
    """Yield rows, given as line, bytes and fields, in batches of at most MOST_ROWS rows and about MOST_BYTES bytes."""
    batch, size = TextRows(name, kind, 1), 0
    for line, raw, value in rows:
        batch.lines.append(line)
        batch.raw.append(raw)
        batch.values.append(value)
        size += len(raw)
        if len(batch) >= MOST_ROWS or size >= MOST_BYTES:
            yield batch
            batch, size = TextRows(name, kind, batch.first + len(batch)), 0
    if len(batch):
        yield batch


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return names of columns without repetition: if two are `a`, the second becomes `a.1`."""
    given: list[str] = []
    taken = set(names)
    for name in names:
        new, number = name, 0
        while new in given or (number and new in taken):
            number += 1
            new = f"{name}.{number}"
        given.append(new)
    return given


def require_object(value: Any, where: str) -> dict[str, Any]:
    """Return the value if it is an object of JSON, else raise TableError with the place `where`."""
    if isinstance(value, dict):
        return value
    raise TableError(f"{where}: must be an object with fields (got {type_name(value)}). Fix: correct it or remove it.")


def type_name(value: Any) -> str:
    """Return a phrase for the type of a value, such as "a number", for messages."""
    names = {"NoneType": "null", "bool": "true or false", "str": "a text", "list": "a list", "dict": "an object"}
    other = "a number" if isinstance(value, int | float) else f"a value of type {type(value).__name__}"
    return names.get(type(value).__name__, other)
