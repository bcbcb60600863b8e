"""Write chosen rows to one file, of the kind that they came in or as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, Any, Protocol

from selfinstruct.errors import TableError, setting
from selfinstruct.tables.rows import Rows, Table

KINDS = ("jsonl", "json", "csv", "tsv", "parquet", "arrow")
FORMATS = ("jsonl", "json")  # which rows of every kind can be written as
NAMES = tuple(f"kept.{kind}" for kind in KINDS)
_GROUP_ROWS, _GROUP_BYTES = 1 << 16, 32 << 20  # of a row group, whichever limit is reached first


class RowWriter(Protocol):
    """A file that rows are written to."""

    def write(self, rows: Rows, places: Sequence[int]) -> None:
        """Append the rows at these places of a batch."""


def output_kind(tables: Sequence[Table], format: str | None) -> str:
    """Return the kind of one file that can hold the rows of all these tables: `format`, or the kind that they have.

    Raises: TableError for an unknown format, and for tables that differ in kind or columns when no format is given.
    """
    if format is not None and format not in FORMATS:
        raise TableError(
            f"{setting('format')}: must be {' or '.join(FORMATS)} (got {format!r}). Fix: set one of these, or remove it."
        )
    first = tables[0]
    for other in () if format else tables[1:]:
        fix = f"Fix: add {setting('format', 'jsonl')}, or run one command for each."
        if other.kind != first.kind:
            raise TableError(
                f"{other.name}: is {other.kind}, but {first.name} is {first.kind}, and one file cannot be both. {fix}"
            )
        if difference := _difference(first, other):
            raise TableError(
                f"{other.name}: has other columns than {first.name} ({difference}), which one file cannot hold. {fix}"
            )
    return format or first.kind


@contextmanager
def open_writer(kind: str, tables: Sequence[Any], sink: IO[bytes]) -> Iterator[RowWriter]:
    """Yield a writer to `sink` for the rows of these tables. The file is complete, and `sink` still open, after the `with`."""
    writer = _writer(kind, tables, sink)
    try:
        yield writer
    except BaseException:
        writer.abandon()
        raise
    writer.close()


def _writer(kind: str, tables: Sequence[Any], sink: IO[bytes]) -> _Array | _Lines | _Columns:
    if kind == "json":
        return _Array(sink)
    if kind in ("csv", "tsv"):
        return _Lines(sink, kind, tables[0].header)
    if kind in ("parquet", "arrow"):
        return _Columns(sink, tables)
    return _Lines(sink, kind)


def _difference(first: Any, other: Any) -> str:
    """Return the first difference between the columns of two tables of one kind, or "" if there is none."""
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
    """Rows on a line each: bytes of the same kind are copied, rows of other kinds become JSON."""

    def __init__(self, sink: IO[bytes], kind: str, header: bytes = b"") -> None:
        self._sink, self._kind = sink, kind
        self._end = b"\r\n" if header.endswith(b"\r\n") else b"\n"
        if header:
            self._sink.write(_ended(header, self._end))

    def write(self, rows: Rows, places: Sequence[int]) -> None:
        """Append each row, with a line end if it had none."""
        raw = getattr(rows, "raw", None) if rows.kind == self._kind else None
        self._sink.write(b"".join(_ended(raw[place] if raw else rows.json(place), self._end) for place in places))

    def close(self) -> None:
        """Do nothing: no row is buffered."""

    def abandon(self) -> None:
        """Do nothing: no row is buffered."""


class _Array:
    """Rows as one JSON array, in which rows of JSON keep their text."""

    def __init__(self, sink: IO[bytes]) -> None:
        self._sink = sink
        self._before = b"[\n"

    def write(self, rows: Rows, places: Sequence[int]) -> None:
        """Append each row as an element."""
        raw = getattr(rows, "raw", None) if rows.kind == "json" else None
        for place in places:
            self._sink.write(self._before + (raw[place] if raw else rows.json(place)))
            self._before = b",\n"

    def close(self) -> None:
        """Write the end of the array."""
        self._sink.write(b"[]\n" if self._before == b"[\n" else b"\n]\n")

    def abandon(self) -> None:
        """Do nothing: no row is buffered."""


class _Columns:
    """Rows as Parquet or Arrow, with the schema of the first table and its metadata."""

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
            # An Arrow file can hold one dictionary of categories, a stream one for each table.
            categories = len(tables) > 1 and any("dictionary<" in str(type) for type in self._schema.types)
            new = pyarrow.ipc.new_stream if first.is_stream or categories else pyarrow.ipc.new_file
            self._writer = new(sink, self._schema)

    def write(self, rows: Any, places: Sequence[int]) -> None:
        """Append the rows to a row group, which is written once it is large enough."""
        import pyarrow

        chosen = [rows.batch]
        if len(places) < len(rows):
            try:
                chosen = [rows.batch.take(pyarrow.array(places, pyarrow.int64()))]
            except pyarrow.ArrowNotImplementedError:  # pyarrow cannot `take` from this type, but can slice it
                chosen = [rows.batch.slice(place, 1) for place in places]
        self._batches += chosen
        self._rows += len(places)
        self._bytes += sum(batch.nbytes for batch in chosen)
        if self._rows >= _GROUP_ROWS or self._bytes >= _GROUP_BYTES:
            self._flush()

    def close(self) -> None:
        """Write the buffered rows and the end of the file."""
        self._flush()
        self._writer.close()

    def abandon(self) -> None:
        """Close the file and ignore errors, so that pyarrow prints no warning when it is collected."""
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
