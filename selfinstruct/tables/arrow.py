"""Read Parquet and Arrow files: batches of columns, with all their types."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.file_table import FileTable
from selfinstruct.tables.json_values import to_json_value
from selfinstruct.tables.paths import prefixes, value_at
from selfinstruct.tables.rows import MOST_BYTES, MOST_ROWS, distinct_names

_MAGIC = b"ARROW1"  # the first bytes of an Arrow file; an Arrow stream has none
_BUFFER = 1 << 20  # bytes of a column read at a time, so that a row group need not be in memory


class ArrowRows:
    """A batch of columns (see `rows.Rows`)."""

    def __init__(self, name: str, kind: str, first: int, batch: Any) -> None:
        self.name, self.kind, self.first, self.batch = name, kind, first, batch

    def __len__(self) -> int:
        return int(self.batch.num_rows)

    def column(self, path: str) -> list[Any]:
        """Return the value of each row at a path, reading only columns that the path can begin with."""
        names = self.batch.schema.names
        columns = {name: self._values(names.index(name)) for name in prefixes(path)[:1] if name in names}
        if columns:
            return columns[path]
        columns = {name: self._values(names.index(name)) for name in prefixes(path) if name in names}
        row = dict.fromkeys(names)  # with all columns, for a message that lists them
        values = []
        for place in range(len(self)):
            row.update((name, column[place]) for name, column in columns.items())
            values.append(value_at(row, path, place, self.where))
        return values

    def line(self, place: int) -> int | None:
        """Return None: there are no lines."""
        return None

    def where(self, place: int) -> str:
        """Return the file and the number of a row."""
        return f"{self.name}: row {self.first + place}"

    def json(self, place: int) -> bytes:
        """Return a row as JSON, with values that JSON has no type for as in `json_values`."""
        names = distinct_names(self.batch.schema.names)
        row = {name: self._values(number, slice(place, place + 1))[0] for number, name in enumerate(names)}
        return json.dumps(to_json_value(row), ensure_ascii=False).encode(errors="backslashreplace")

    def _values(self, number: int, part: slice = slice(None)) -> list[Any]:
        """Return the values of a column, as pyarrow's text where Python has no value (such as a date in the year 20000)."""
        import pyarrow

        column = self.batch.column(number)[part]
        try:
            values: list[Any] = column.to_pylist()
        except UnicodeDecodeError:
            raise self._unreadable(number, "its text is not UTF-8") from None
        except (ValueError, OverflowError, KeyError):
            try:
                values = column.cast("string").to_pylist()
            except (ValueError, pyarrow.ArrowException) as error:
                raise self._unreadable(number, first_line(error)) from None
        return values

    def _unreadable(self, number: int, why: str) -> TableError:
        rows = f"{self.where(0)} to {self.first + len(self) - 1}"
        return TableError(
            f"{rows}: column {self.batch.schema.names[number]!r} cannot be read ({why}). Fix: write the file again."
        )


class ParquetTable(FileTable):
    """A Parquet file."""

    kind = "parquet"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self._file_of_rows() as file:
            self.schema = file.schema_arrow
            self.length = file.metadata.num_rows
            groups, columns = file.metadata.num_row_groups, file.metadata.num_columns
            self.compression = file.metadata.row_group(0).column(0).compression if groups and columns else "SNAPPY"
            self._bytes = sum(file.metadata.row_group(number).total_byte_size for number in range(groups))
        self.columns = tuple(self.schema.names)

    def batches(self) -> Iterator[ArrowRows]:
        """Yield all rows."""
        first = 1
        with self._file_of_rows() as file:
            for batch in file.iter_batches(rows_per_batch(self.length or 0, self._bytes)):
                yield ArrowRows(self.name, self.kind, first, batch)
                first += batch.num_rows
                self.done = self.size * (first - 1) // max(1, self.length or 0)

    @contextmanager
    def _file_of_rows(self) -> Iterator[Any]:
        from pyarrow import parquet

        options = {"buffer_size": _BUFFER, "pre_buffer": False}  # pyarrow's default would hold the whole file by the end
        with (
            read_errors(self.name, "Parquet"),
            parquet.ParquetFile(self.path, page_checksum_verification=True, **options) as file,
        ):
            yield file


class ArrowTable(FileTable):
    """An Arrow IPC file or stream, as in the cache of `datasets` and in Feather (version 2)."""

    kind = "arrow"

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        with self.open() as file:
            self.is_stream = file.read(len(_MAGIC)) != _MAGIC
        with self._reader() as (reader, _):
            self.schema = reader.schema
        self.columns = tuple(self.schema.names)

    def batches(self) -> Iterator[ArrowRows]:
        """Yield all rows. A large batch of the file is divided."""
        first = 1
        with self._reader() as (reader, file):
            count = 1 if self.is_stream else reader.num_record_batches
            for number, whole in enumerate(reader if self.is_stream else map(reader.get_batch, range(count)), 1):
                whole.validate(full=True)  # offsets in a damaged file must not lead to memory outside it
                step = rows_per_batch(whole.num_rows, whole.nbytes)
                for start in range(0, whole.num_rows, step):
                    yield ArrowRows(self.name, self.kind, first + start, whole.slice(start, step))
                first += whole.num_rows
                self.done = file.tell() if self.is_stream else self.size * number // count
        self.done = self.size

    @contextmanager
    def _reader(self) -> Iterator[tuple[Any, Any]]:
        import pyarrow

        # Read, not mapped into memory: a mapped file that another process truncates would kill this one.
        with read_errors(self.name, "Arrow"), pyarrow.OSFile(str(self.path)) as file:
            yield (pyarrow.ipc.open_stream if self.is_stream else pyarrow.ipc.open_file)(file), file


def rows_per_batch(rows: int, size: int) -> int:
    """Return the number of rows of a batch, where a table of `rows` rows takes `size` bytes."""
    return max(1, min(MOST_ROWS, MOST_BYTES * max(1, rows) // max(1, size)))


@contextmanager
def read_errors(name: str, kind: str) -> Iterator[None]:
    """Turn the errors that pyarrow raises for a file into one TableError."""
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError, EOFError) as error:
        raise TableError(f"{name}: cannot be read as {kind} ({first_line(error)}). Fix: get or write the file again.") from None


def first_line(error: BaseException) -> str:
    """Return the first line of an error's message (300 characters at most), without the full stop."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:300].rstrip(". ")
