"""What all kinds of tables have in common: a table gives its rows a batch at a time, in their order."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from selfinstruct.errors import TableError

MOST_ROWS = 4096  # of a batch
MOST_BYTES = 8 << 20  # of a batch, where its rows are large


class Rows(Protocol):
    """A batch: rows that follow one another in one table."""

    kind: str
    first: int  # the number of its first row; the first row of a table is number 1

    def __len__(self) -> int:
        """How many rows."""

    def column(self, path: str) -> list[Any]:
        """The value of each row at a path (see `fields`); raises TableError where a row has no such field."""

    def line(self, place: int) -> int | None:
        """The line of the file on which a row begins, where there are lines."""

    def where(self, place: int) -> str:
        """File and line, or file and row, for a person."""

    def json(self, place: int) -> bytes:
        """A row as one line of JSON (UTF-8, no newline): as it was written, where it is JSON already."""


class Table(Protocol):
    """Rows of one kind under one name. `columns` is None where each row says for itself which fields it has.

    `size` and `done` are bytes, and say how far `batches` is; `length` is the number of rows, where that is known before.
    """

    name: str
    kind: str
    columns: tuple[str, ...] | None
    size: int
    length: int | None

    @property
    def done(self) -> int:
        """How much of `size` has been read."""

    def batches(self) -> Iterator[Rows]:
        """All rows; raises TableError, with the place, where they cannot be read."""

    def sha256(self) -> str | None:
        """The digest (hex) of the file's bytes, where it is one file; raises TableError if it changed since it was opened."""


@dataclass
class TextRows:
    """Rows of a file of text: each with its line, its own bytes and its fields."""

    name: str
    kind: str
    first: int
    lines: list[int] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    values: list[dict[str, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.values)

    def column(self, path: str) -> list[Any]:
        """The value of each row at a path."""
        from selfinstruct.tables.paths import at

        return [at(value, path, place, self.where) for place, value in enumerate(self.values)]

    def line(self, place: int) -> int | None:
        """The line on which a row begins."""
        return self.lines[place]

    def where(self, place: int) -> str:
        """File and line."""
        return f"{self.name}:{self.lines[place]}"

    def json(self, place: int) -> bytes:
        """A row as one line of JSON; of JSON its own bytes, where a newline can only be white space."""
        if self.kind in ("json", "jsonl"):
            return self.raw[place].strip().replace(b"\r", b" ").replace(b"\n", b" ")
        return json.dumps(self.values[place], ensure_ascii=False).encode()


def batched(name: str, kind: str, rows: Iterable[tuple[int, bytes, dict[str, Any]]]) -> Iterator[TextRows]:
    """Rows with their line and bytes as batches, which are as small as their rows are large."""
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


def distinct(names: Sequence[str]) -> list[str]:
    """Names of columns without repetition: of two that are called `a`, the second becomes `a.1`."""
    given: list[str] = []
    taken = set(names)
    for name in names:
        new, number = name, 0
        while new in given or (number and new in taken):
            number += 1
            new = f"{name}.{number}"
        given.append(new)
    return given


def an_object(value: Any, where: str) -> dict[str, Any]:
    """The row itself; raises TableError for JSON that is no object."""
    if isinstance(value, dict):
        return value
    raise TableError(f"{where}: is {called(value)} and not an object with fields; mend or remove it")


def called(value: Any) -> str:
    """What a person calls a value of this type."""
    names = {"NoneType": "null", "bool": "true or false", "str": "a text", "list": "a list", "dict": "an object"}
    return names.get(type(value).__name__, "a number" if isinstance(value, int | float) else f"of type {type(value).__name__}")
