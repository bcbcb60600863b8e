"""Files of the rows that are kept: the same kind as they came in, or JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

from selfinstruct.errors import TableError
from selfinstruct.tables.rows import Rows, Table

KINDS = ("jsonl", "json", "csv", "tsv", "parquet", "arrow")
FORMATS = ("jsonl", "json")  # into which every kind can be turned
NAMES = tuple(f"kept.{kind}" for kind in KINDS)
_GROUP_ROWS, _GROUP_BYTES = 1 << 16, 32 << 20  # of a row group, whichever is reached first


class RowWriter(Protocol):
    """A file that takes the rows that are kept."""

    def write(self, rows: Rows, places: Sequence[int]) -> None:
        """Put these rows of a batch at the end."""


def kind_for(tables: Sequence[Table], format: str | None) -> str:
    """The kind of one file that can hold the rows of all these tables.

    Raises TableError for a format that there is not, and where no such file is possible without a format.
    """
    if format is not None and format not in FORMATS:
        raise TableError(f"kept rows can be written as {' or '.join(FORMATS)}, or as what they were in (not as {format!r})")
    first = tables[0]
    for other in () if format else tables[1:]:
        remedy = "add --format jsonl, or give them to a command each"
        if other.kind != first.kind:
            raise TableError(f"{other.name} is {other.kind}, {first.name} is {first.kind}, and one file cannot be both; {remedy}")
        if why := _differs(first, other):
            raise TableError(f"{other.name} has other columns than {first.name} ({why}), which one file cannot hold; {remedy}")
    return format or first.kind


@contextmanager
def file_for(kind: str, tables: Sequence[Any], sink: IO[bytes]) -> Iterator[RowWriter]:
    """A file of this kind for the rows of these tables; whole after the `with` statement, while `sink` stays open."""
    into = _file_for(kind, tables, sink)
    try:
        yield into
    except BaseException:
        into.abandon()
        raise
    into.close()


def _file_for(kind: str, tables: Sequence[Any], sink: IO[bytes]) -> _Array | _Lines | _Columns:
    if kind == "json":
        return _Array(sink)
    if kind in ("csv", "tsv"):
        return _Lines(sink, kind, tables[0].header)
    if kind in ("parquet", "arrow"):
        return _Columns(sink, tables)
    return _Lines(sink, kind)


def _differs(first: Any, other: Any) -> str:
    """The first difference between the columns of two tables of one kind; empty if there is none."""
    if first.columns is None or other.columns is None:
        return ""
    for number, (ours, theirs) in enumerate(zip(first.columns, other.columns, strict=False), 1):
        if ours != theirs:
            return f"column {number} is {theirs!r} and not {ours!r}"
    if len(first.columns) != len(other.columns):
        return f"{len(other.columns)} columns and not {len(first.columns)}"
    if hasattr(first, "schema"):
        for ours, theirs in zip(first.schema, other.schema, strict=True):
            if not ours.equals(theirs):
                null = "" if str(ours.type) != str(theirs.type) else " with nulls" if theirs.nullable else " without nulls"
                return f"{theirs.name!r} is {theirs.type}{null} and not {ours.type}"
    return ""


class _Lines:
    """Rows with a line end each: of the same kind byte for byte, of others as JSON."""

    def __init__(self, sink: IO[bytes], kind: str, header: bytes = b"") -> None:
        self._sink, self._kind = sink, kind
        self._end = b"\r\n" if header.endswith(b"\r\n") else b"\n"
        if header:
            self._sink.write(_ended(header, self._end))

    def write(self, rows: Rows, places: Sequence[int]) -> None:
        """Each row as it was, with a line end if it had none."""
        raw = getattr(rows, "raw", None) if rows.kind == self._kind else None
        self._sink.write(b"".join(_ended(raw[place] if raw else rows.json(place), self._end) for place in places))

    def close(self) -> None:
        """Nothing is held back."""

    def abandon(self) -> None:
        """Nothing is held back."""


class _Array:
    """Rows as one JSON array: of JSON the text of each element as it was."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._before = b"[\n"

    def write(self, rows: Rows, places: Sequence[int]) -> None:
        """Each row as an element."""
        raw = getattr(rows, "raw", None) if rows.kind == "json" else None
        for place in places:
            self._sink.write(self._before + (raw[place] if raw else rows.json(place)))
            self._before = b",\n"

    def close(self) -> None:
        """The end of the array."""
        self._sink.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")

    def abandon(self) -> None:
        """Nothing is held back."""


class _Columns:
    """Rows as Parquet or Arrow, with the very schema of the first table and its metadata."""

    def __init__(self, sink: IO[bytes], tables: Sequence[Any]) -> None:
        import pyarrow
        from pyarrow import parquet

        first = tables[0]
        self._schema = first.schema
        self._rows = self._bytes = 0
        self._batches: list[Any] = []
        if first.kind == "parquet":
            compression = first.compression.replace("UNCOMPRESSED", "NONE")
            self._writer = parquet.ParquetWriter(sink, self._schema, compression=compression)
        else:
            # An Arrow file can hold one dictionary of categories, a stream as many as there are tables.
            categories = len(tables) > 1 and any("dictionary<" in str(type) for type in self._schema.types)
            new = pyarrow.ipc.new_stream if first.is_stream or categories else pyarrow.ipc.new_file
            self._writer = new(sink, self._schema)

    def write(self, rows: Any, places: Sequence[int]) -> None:
        """These rows, once there are enough for a row group."""
        import pyarrow

        chosen = [rows.batch]
        if len(places) < len(rows):
            try:
                chosen = [rows.batch.take(pyarrow.array(places, pyarrow.int64()))]
            except pyarrow.ArrowNotImplementedError:  # a type that pyarrow cannot choose from can still be cut
                chosen = [rows.batch.slice(place, 1) for place in places]
        self._batches += chosen
        self._rows += len(places)
        self._bytes += sum(batch.nbytes for batch in chosen)
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """What is held back, and the end of the file."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Let go of the file, which pyarrow would else complain about."""
        with suppress(Exception):
            self._writer.close()
        self._writer.is_open = False

    def _flush(self) -> None:
        import pyarrow

        if self._rows:
            self._writer.write_table(pyarrow.Table.from_batches(self._batches, self._schema))
        self._batches, self._rows, self._bytes = [], 0, 0


def _ended(line: bytes, end: bytes) -> bytes:
    return line if line.endswith(b"\n") else line + end
