"""Which kind a name is: by its ending, and JSON by its first sign."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable
from pathlib import Path

from selfinstruct.errors import TableError
from selfinstruct.tables.arrow import ArrowTable, ParquetTable
from selfinstruct.tables.csv import CsvTable
from selfinstruct.tables.file_table import PACKED, FileTable
from selfinstruct.tables.hub import loaded
from selfinstruct.tables.json import JsonTable
from selfinstruct.tables.jsonl import JsonlTable, parsed
from selfinstruct.tables.rows import Table

_COLUMNS: dict[str, Callable[[Path], FileTable]] = {
    ".parquet": ParquetTable,
    ".pq": ParquetTable,
    ".arrow": ArrowTable,
    ".feather": ArrowTable,
}
_TEXT: dict[str, Callable[[Path], FileTable]] = {
    ".csv": lambda path: CsvTable(path, "csv"),
    ".tsv": lambda path: CsvTable(path, "tsv"),
    ".json": lambda path: _json(path),
    ".jsonl": lambda path: _json(path),
    ".ndjson": lambda path: _json(path),
}
_NOT_READ = (PACKED, ".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z", ".tar", ".tgz")
_READ = "JSON, JSONL (NDJSON), CSV, TSV (all of them also as .gz), Parquet and Arrow"


def opened(name: str) -> list[Table]:
    """The tables that a file, or a data set that `datasets` knows, has: one, or one a split.

    Raises TableError for what is not there, cannot be read or is of no kind that is read.
    """
    if not name:
        raise TableError("the name of an input is empty; name a file")
    path = Path(name)
    ending, kind = _kind(path)
    if is_name(name):
        return [*loaded(name)]
    if not is_there(path):
        raise TableError(f"{name}: no such file; check the path")
    if path.is_dir():
        raise TableError(f"{name}: is a directory; name the files in it, {_example(path)}")
    if not path.is_file():
        raise TableError(f"{name}: is no regular file, and must be read more than once; save it as a file")
    if kind is None:
        remedy = "unpack it" if ending in _NOT_READ else "give it the ending of what it is"
        raise TableError(f"{name}: is of no kind that is read, which are {_READ}; {remedy}")
    table: Table = kind(path)  # type: ignore[assignment]
    return [table]


def is_there(path: Path) -> bool:
    """Whether there is such a file or directory that can be looked at; no name is too long to be asked about."""
    try:
        return path.exists()
    except OSError:
        return False


def is_name(name: str) -> bool:
    """Whether this can only be the name of a data set: there is no such file, and it does not look like one."""
    path = Path(name)
    ending, kind = _kind(path)
    return bool(name) and not (is_there(path) or path.is_absolute() or kind or ending in _NOT_READ)


def _kind(path: Path) -> tuple[str, Callable[[Path], FileTable] | None]:
    """The last ending of a name, and what reads such a file; only files of text are read packed."""
    endings = ["", "", *(ending.lower() for ending in path.suffixes)]
    if endings[-1] == PACKED:
        return PACKED, _TEXT.get(endings[-2])
    return endings[-1], _TEXT.get(endings[-1]) or _COLUMNS.get(endings[-1])


def _example(path: Path) -> str:
    """The first file of a directory that could have been meant."""
    try:
        names = sorted(entry.name for entry in os.scandir(path) if Path(entry.name).suffix in {**_TEXT, **_COLUMNS})
    except OSError:
        names = []
    return f"such as {path / names[0]}" if names else "or the name of a data set"


def _json(path: Path) -> FileTable:
    """An array, or an object a line, whatever the file is called."""
    table = JsonlTable(path)
    with table.opened() as file:
        start = file.read(1 << 16).removeprefix(codecs.BOM_UTF8).lstrip()
        while not start and (more := file.read(1 << 16)):
            start = more.lstrip()
    if start.startswith(b"["):
        return JsonTable(path)
    if start.startswith(b"{") and ".json" in [ending.lower() for ending in path.suffixes[-2:]]:
        _refuse_one_object(table)
    return table


def _refuse_one_object(table: JsonlTable) -> None:
    """A file called .json may have an object a line; one object with the rows somewhere inside is not a table."""
    filled = (text for _, _, text in table.lines() if text.strip(" \t\r\n"))
    try:
        parsed(next(filled), "")
        next(filled)
    except (TableError, StopIteration):
        raise TableError(
            f"{table.name}: is one JSON object, not an array of objects or an object a line; save the array in it as a file, or "
            "call the file .jsonl if this object is a row"
        ) from None
