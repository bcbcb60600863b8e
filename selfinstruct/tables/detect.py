"""Find out the kind of a file by its ending, and of JSON by its first character, and open it."""

from __future__ import annotations

import codecs
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from selfinstruct.errors import TableError
from selfinstruct.tables import hub
from selfinstruct.tables.arrow import ArrowTable, ParquetTable
from selfinstruct.tables.csv import CsvTable
from selfinstruct.tables.file_table import PACKED, FileTable
from selfinstruct.tables.json import JsonTable
from selfinstruct.tables.jsonl import JsonlTable, parse
from selfinstruct.tables.rows import Table
from selfinstruct.text import MakeError


def _open_json(path: Path) -> FileTable:
    """Open JSON as an array or as one object on each line, whichever the content is, regardless of the file's ending."""
    table = JsonlTable(path)
    with table.open() as file:
        start = file.read(1 << 16).removeprefix(codecs.BOM_UTF8).lstrip()
        while not start and (more := file.read(1 << 16)):
            start = more.lstrip()
    if start.startswith(b"["):
        return JsonTable(path)
    if start.startswith(b"{") and ".json" in [ending.lower() for ending in path.suffixes[-2:]]:
        _refuse_single_object(table)
    return table


def _refuse_single_object(table: JsonlTable) -> None:
    """Raise TableError for a .json file that holds one object, because its rows may be somewhere inside the object.

    A .json file with an object on each line is accepted.
    """
    filled = (text for _, _, text in table.lines() if text.strip(" \t\r\n"))
    try:
        parse(next(filled), "")
        next(filled)
    except (TableError, StopIteration):
        raise TableError(
            f"{table.name}: is one JSON object, not an array of objects or an object on each line. "
            "Fix: save the array inside it as a file, or rename the file to .jsonl if the object is a row."
        ) from None


_COLUMNS: dict[str, Callable[[Path], FileTable]] = {
    ".parquet": ParquetTable,
    ".pq": ParquetTable,
    ".arrow": ArrowTable,
    ".feather": ArrowTable,
}
_TEXT: dict[str, Callable[[Path], FileTable]] = {
    ".csv": lambda path: CsvTable(path, "csv"),
    ".tsv": lambda path: CsvTable(path, "tsv"),
    ".json": _open_json,
    ".jsonl": _open_json,
    ".ndjson": _open_json,
}
ENDINGS = (*_TEXT, PACKED, *_COLUMNS)  # of the files that are read as tables
_ARCHIVES = (PACKED, ".bz2", ".xz", ".zst", ".lz4", ".zip", ".7z", ".tar", ".tgz")
_SUPPORTED = "JSON, JSONL (NDJSON), CSV, TSV (each also as .gz), Parquet and Arrow"


def open_tables(name: str) -> list[Table]:
    """Return the table of a file, or one table for each split of a data set that `datasets` knows by this name.

    Raises: TableError when there is no such file or data set, or it cannot be read, or its kind is not supported.
    """
    if not name:
        raise TableError("the name of an input is empty. Fix: set it to a file or a data set.")
    path = Path(name)
    ending, open_file = _kind(path)
    if is_dataset_name(name):
        return [*hub.load(name)]
    if not exists(path):
        raise TableError(f"{name}: no such file. Fix: check the path.")
    if path.is_dir():
        raise TableError(f"{name}: is a directory. Fix: set the input to a file in it, {_example(path)}.")
    if not path.is_file():
        raise TableError(f"{name}: is not a regular file, and must be read more than once. Fix: save it as a file.")
    if open_file is None:
        fix = "unpack it" if ending in _ARCHIVES else "rename it to have the ending of its kind"
        raise TableError(f"{name}: kind of file not supported (supported are {_SUPPORTED}). Fix: {fix}.")
    table: Table = open_file(path)  # type: ignore[assignment]
    return [table]


@contextmanager
def table_errors_as(error: MakeError) -> Iterator[None]:
    """Turn each TableError into the error that `error` makes of its message."""
    try:
        yield
    except TableError as cause:
        raise error(str(cause)) from None


def exists(path: Path) -> bool:
    """Return whether there is such a file or directory. A name that the system refuses, such as a long one, is none."""
    try:
        return path.exists()
    except OSError:
        return False


def is_dataset_name(name: str) -> bool:
    """Return whether the name can only be that of a data set: it is not, and does not look like, a file."""
    path = Path(name)
    ending, open_file = _kind(path)
    return bool(name) and not (exists(path) or path.is_absolute() or open_file or ending in _ARCHIVES)


def _kind(path: Path) -> tuple[str, Callable[[Path], FileTable] | None]:
    """Return the last ending of a name, and the function that opens such a file. Only text files may be packed."""
    endings = ["", "", *(ending.lower() for ending in path.suffixes)]
    if endings[-1] == PACKED:
        return PACKED, _TEXT.get(endings[-2])
    return endings[-1], _TEXT.get(endings[-1]) or _COLUMNS.get(endings[-1])


def _example(path: Path) -> str:
    """Return a hint with the first file of a directory that is read as a table."""
    try:
        names = sorted(entry.name for entry in os.scandir(path) if Path(entry.name).suffix in {**_TEXT, **_COLUMNS})
    except OSError:
        names = []
    return f"such as {path / names[0]}" if names else "or to the name of a data set"
