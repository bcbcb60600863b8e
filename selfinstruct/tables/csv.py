"""Cells with commas or tabs between them, all of them text; the first row has the names of the columns."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.file_table import FileTable
from selfinstruct.tables.rows import TextRows, batched, distinct

_LONGEST = 1 << 28  # characters of a cell: a quotation mark that is never closed must not fill the memory


class CsvTable(FileTable):
    """A CSV or TSV file, quoted as RFC 4180 says; blank lines are passed over."""

    def __init__(self, path: Path, kind: str) -> None:
        super().__init__(path)
        self.kind = kind
        _, self.header, cells = next(self._records(), (0, b"", []))
        if not cells:
            raise TableError(f"{self.name}: has no row with the names of the columns; give a file with rows")
        self.columns = tuple(distinct(cells))

    def batches(self) -> Iterator[TextRows]:
        """All rows; their bytes are the lines of the file, with their ends."""
        return batched(self.name, self.kind, self._rows())

    def _rows(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        assert self.columns is not None
        records = self._records()
        next(records)
        for line, raw, cells in records:
            if len(cells) != len(self.columns):
                raise TableError(
                    f"{self.name}:{line}: has {len(cells):,} cells and the first row has {len(self.columns):,}; put quotation "
                    "marks around cells that hold the sign between cells, or remove the row"
                )
            yield line, raw, dict(zip(self.columns, cells, strict=True))

    def _records(self) -> Iterator[tuple[int, bytes, list[str]]]:
        """Each record with the line on which it begins and the bytes that it was read from."""
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
                    f"{self.name}:{line}: is not valid {self.kind.upper()} ({error}); put quotation marks around the cell, and "
                    "double those inside it"
                ) from None
            if cells is None:
                return
            if cells:
                yield line, b"".join(pulled), cells
            pulled.clear()


@contextmanager
def _long_cells() -> Iterator[None]:
    """The limit of the csv module, which holds for the whole process, as it is needed here and then as it was."""
    before = csv.field_size_limit(_LONGEST)
    try:
        yield
    finally:
        csv.field_size_limit(before)
