"""Documents of the user's own, split into the passages that tasks are made from.

Read are folders and files of text and Markdown, and a column of any table (see `tables`). A passage is an exact piece of
its document: all that is between two of them is white space, so nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from selfinstruct.errors import DocumentError, TableError
from selfinstruct.inputs.chunking import as_title, split
from selfinstruct.records import Passage
from selfinstruct.tables.detect import is_there, opened
from selfinstruct.tables.paths import at
from selfinstruct.tables.rows import Rows, Table, called

_MARKDOWN = (".md", ".markdown")
_TEXT = (".txt", *_MARKDOWN)
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".gz", ".parquet", ".pq", ".arrow", ".feather")
_FIELDS = {"id": str, "document": str, "title": str, "start": int, "text": str}

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


def load(source: str, column: str = "", words: int = 200) -> tuple[Passage, ...]:
    """The passages of a folder, a file, or a column of a table or data set, each of about so many words.

    Of a folder, all files of text and Markdown are read, in the order of their names; hidden ones and symbolic links are
    passed over. Of a table it is the column `text` if none is named. Raises DocumentError with place, cause and remedy.
    """
    if not source:
        raise DocumentError("the name of the documents is empty; name a folder, a file or a data set")
    path = Path(source)
    if is_there(path) and path.is_dir():
        documents = _of_folder(path)
    elif path.suffix.lower() in _TEXT:
        documents = iter([(path.name, _read(path))])
    elif is_there(path) and path.suffix.lower() not in _TABLES:
        raise DocumentError(
            f"{path}: is no document that is read: text ends in {', '.join(_TEXT)}, tables in {', '.join(_TABLES)}"
        )
    else:
        return _of_tables(source, column, words)
    if column:
        raise DocumentError(f"{source}: documents of text have no columns; leave out the column {column!r}")
    found = tuple(passage for name, text in documents for passage in _of_file(name, text, words))
    if not found:
        raise DocumentError(f"{source}: {'has documents, but there' if path.is_dir() else 'there'} is no text in it; fill it")
    return found


def as_row(passage: Passage) -> dict[str, Any]:
    """A passage as an object of JSON."""
    return asdict(passage)


def read(path: str | Path) -> tuple[Passage, ...]:
    """The passages of a file that has one a line, as `as_row` gives them; raises DocumentError with the line."""
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror}); check the path") from None
    passages: dict[str, Passage] = {}
    for number, line in enumerate(lines, 1):
        if line:
            passage = _passage(line, f"{path}:{number}")
            if passages.setdefault(passage.id, passage) is not passage:
                raise DocumentError(f"{path}:{number}: the passage {passage.id!r} is there twice; copy the file anew")
    return tuple(passages.values())


def _of_folder(folder: Path) -> Iterator[tuple[str, str]]:
    found: list[tuple[tuple[str, ...], Path]] = []
    links = False
    try:
        for parent, folders, files in os.walk(folder, onerror=_raised):
            folders[:] = [name for name in folders if not name.startswith(".")]
            links = links or any(Path(parent, name).is_symlink() for name in (*folders, *files))
            for path in (Path(parent, name) for name in files if not name.startswith(".")):
                if path.suffix.lower() in _TEXT and path.is_file() and not path.is_symlink():
                    found.append((path.relative_to(folder).parts, path))
    except OSError as error:
        raise DocumentError(f"{error.filename}: cannot be read ({error.strerror}); check its rights") from None
    if not found:
        passed = " (symbolic links are not followed)" if links else ""
        raise DocumentError(
            f"{folder}: has no documents in it, which are files with the ending {', '.join(_TEXT)}{passed}; name another folder, "
            "or a table file and its column"
        )
    for parts, path in sorted(found):
        # Names that are not UTF-8 must be told apart too, and can be shown and sent.
        yield os.fsencode("/".join(parts)).decode("utf-8", "backslashreplace"), _read(path)


def _raised(error: OSError) -> None:
    raise error


def _read(path: Path) -> str:
    """The text of a file, with `\\n` at line ends."""
    if not is_there(path):
        raise DocumentError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise DocumentError(f"{path}: is no regular file; save it as a file")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"{path}: cannot be read ({error.strerror}); check its rights") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # Counted from the start of the file; a mark at its start (BOM) is not among the bytes of the error.
        byte = error.start + 1 + len(raw) - len(error.object)
        raise DocumentError(f"{path}: is not UTF-8 text (byte {byte:,}); save it as UTF-8, or leave it out") from None
    if "\0" in text:
        byte = raw.index(b"\0") + 1
        raise DocumentError(f"{path}: is binary, not text (byte {byte:,} is zero); save it as text, or leave it out")
    return _lines(text)


def _lines(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _of_file(name: str, text: str, words: int) -> Iterator[Passage]:
    path = PurePosixPath(name)
    found = split(text, words, markdown=path.suffix.lower() in _MARKDOWN, name=as_title(path.stem))
    for number, (start, end, title) in enumerate(found, 1):
        yield Passage(f"{name}#{number}", name, title, start, text[start:end])


def _of_tables(source: str, column: str, words: int) -> tuple[Passage, ...]:
    found: list[Passage] = []
    with _as_document_errors():
        tables = opened(source)
        for table in tables:
            split_name = f"{table.name.rpartition(':')[2]} " if len(tables) > 1 else ""
            for number, text, title in _texts(table, column or "text", named=bool(column)):
                name = f"{split_name}row {number}"
                for place, (start, end, under) in enumerate(split(text, words, name=title or name), 1):
                    found.append(Passage(f"{name}#{place}", name, under, start, text[start:end]))
    if not found:
        raise DocumentError(f"{source}: there is no text in the column {column or 'text'!r}; name another one as `column`")
    return tuple(found)


@contextmanager
def _as_document_errors() -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise DocumentError(str(error)) from None


def _texts(table: Table, column: str, *, named: bool) -> Iterator[tuple[int, str, str]]:
    """The number, the text and the title (of a column `title`, where there is one) of each row that has a text."""
    for rows in table.batches():
        texts = _column(rows, column, named=named)
        titles = _titles(rows) if column != "title" else [""] * len(rows)
        for place, text in enumerate(texts):
            if text is not None and not isinstance(text, str):
                raise DocumentError(f"{rows.where(place)}: {column!r} is {called(text)} and not text; name another column")
            if text and text.strip():
                yield rows.first + place, _LONE_SURROGATE.sub("\ufffd", _lines(text)), titles[place]


def _column(rows: Rows, column: str, *, named: bool) -> list[Any]:
    try:
        return rows.column(column)
    except TableError:
        for place in range(len(rows)):
            row = json.loads(rows.json(place))
            try:
                at(row, column, place, rows.where)
            except TableError:
                have = ", ".join(map(repr, list(row)[:20])) or "none"
                why = f"has no column {column!r}" if named else "has no column 'text', and no other one is named"
                raise DocumentError(f"{rows.where(place)}: {why}; name one as `column` (there are: {have})") from None
        raise


def _titles(rows: Rows) -> list[str]:
    try:
        titles = rows.column("title")
        return [as_title(_LONE_SURROGATE.sub("", title)) if isinstance(title, str) else "" for title in titles]
    except TableError:
        return [""] * len(rows)


def _passage(line: bytes, where: str) -> Passage:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise DocumentError(f"{where}: is not valid JSON; copy the file anew") from None
    if not isinstance(row, dict) or {name: type(value) for name, value in row.items()} != _FIELDS:
        fields = ", ".join(f"{name} ({called(kind())})" for name, kind in _FIELDS.items())
        raise DocumentError(f"{where}: is no passage, which is an object with {fields}; copy the file anew")
    return Passage(**row)
