"""Read CSV and TSV: cells of text between commas or tabs, with the names of the columns in the first row."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.file_table import FileTable
from selfinstruct.tables.rows import TextRows, batched, distinct_names

_LONGEST = 1 << 28  # characters of a cell, so that a quotation mark without an end cannot fill the memory


class CsvTable(FileTable):
    """A CSV or TSV file, quoted as in RFC 4180. Blank lines are skipped."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(path)
        self.kind = kind
        _, self.header, cells = next(self._records(), (0, b"", []))
        if not cells:
            raise TableError(f"{self.name}: has no row with the names of the columns. Fix: choose a file with rows.")
        self.columns = tuple(distinct_names(cells))

    def batches(self) -> Iterator[TextRows]:
        """Yield all rows. The bytes of a row are its lines in the file, with their ends."""
        return batched(self.name, self.kind, self._rows())

    def _rows(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        assert self.columns is not None
        records = self._records()
        next(records)
        for line, raw, cells in records:
            if len(cells) != len(self.columns):
                raise TableError(
                    f"{self.name}:{line}: has {len(cells):,} cells, but the first row has {len(self.columns):,}. Fix: add "
                    "quotation marks around cells that contain the separator, or remove the row."
                )
            yield line, raw, dict(zip(self.columns, cells, strict=True))

    def _records(self) -> Iterator[tuple[int, bytes, list[str]]]:
        """Yield each record as the line on which it begins, its bytes and its cells."""
        pulled: list[bytes] = []

        def lines() -> Iterator[str]:
            for _, line, text in self.lines():
                pulled.append(line)
                yield text

        reader = csv.reader(lines(), delimiter="\t" if self.kind == "tsv" else ",", strict=True)
        while True:
            line = reader.line_num + 1
            try:
                with _long_cells():
                    cells = next(reader, None)
            except csv.Error as error:
                raise TableError(
                    f"{self.name}:{line}: is not valid {self.kind.upper()} ({error}). Fix: add quotation marks around the cell, "
                    "and double those inside it."
                ) from None
            if cells is None:
                return
            if cells:
                yield line, b"".join(pulled), cells
            pulled.clear()


@contextmanager
def _long_cells() -> Iterator[None]:
    """Raise the csv module's limit on the length of a cell, which holds for the whole process, and restore it at the end."""
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
