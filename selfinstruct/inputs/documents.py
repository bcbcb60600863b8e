"""Load documents and split them into the passages that tasks are made from.

Supported are folders and files of text and Markdown, and a column of any table (see `tables`). A passage is an exact piece
of its document. Only white space lies between two passages, so that no text is lost or repeated.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from selfinstruct.errors import DocumentError, TableError, setting
from selfinstruct.inputs.chunking import as_title, split
from selfinstruct.inputs.json_lines import read_objects
from selfinstruct.records import Passage
from selfinstruct.tables.detect import ENDINGS, exists, open_tables, table_errors_as
from selfinstruct.tables.paths import value_at
from selfinstruct.tables.rows import Rows, Table, type_name
from selfinstruct.text import LONE_SURROGATE, decode, read_bytes, with_line_feeds

_MARKDOWN = (".md", ".markdown")
_TEXT = (".txt", *_MARKDOWN)
_FIELDS = {"id": str, "document": str, "title": str, "start": int, "text": str}

_SURROGATE = re.compile(f"[{LONE_SURROGATE}]")


def load(source: str, column: str = "", words: int = 200) -> tuple[Passage, ...]:
    """Load the passages of a folder, a file, or a column of a table or data set, each of about `words` words.

    In a folder, all files of text and Markdown are read in the order of their names. Hidden files and symbolic links are
    skipped. In a table, the column is `text` unless `column` names another.

    Raises: DocumentError when there are no documents, or one cannot be read.
    """
    if not source:
        raise DocumentError(f"{setting('documents')}: the name is empty. Fix: set it to a folder, a file or a data set.")
    path = Path(source)
    if exists(path) and path.is_dir():
        documents = _read_folder(path)
    elif path.suffix.lower() in _TEXT:
        documents = iter([(path.name, _read_file(path))])
    elif exists(path) and path.suffix.lower() not in ENDINGS:
        raise DocumentError(
            f"{path}: cannot be read as a document, because of its ending. "
            f"Fix: rename it to end in {', '.join(_TEXT)} (text) or {', '.join(ENDINGS)} (tables)."
        )
    else:
        return _load_tables(source, column, words)
    if column:
        raise DocumentError(
            f"{source}: documents of text have no columns (got column {column!r}). Fix: remove {setting('column')}."
        )
    passages = tuple(passage for name, text in documents for passage in _split_file(name, text, words))
    if not passages:
        raise DocumentError(f"{source}: {'its documents hold' if path.is_dir() else 'holds'} no text. Fix: add some.")
    return passages


def to_row(passage: Passage) -> dict[str, Any]:
    """Return a passage as a JSON object."""
    return asdict(passage)


def read_copy(path: str | Path) -> tuple[Passage, ...]:
    """Return the passages of a file of JSON lines, each as `to_row` gives it.

    Raises: DocumentError with the line when one is not a passage, or has the id of another.
    """
    passages: dict[str, Passage] = {}
    for place, row in read_objects(Path(path), _FIELDS, "passage", DocumentError):
        passage = Passage(**row)
        if passages.setdefault(passage.id, passage) is not passage:
            raise DocumentError(f"{place}: the id {passage.id!r} is used twice. Fix: restore the original file.")
    return tuple(passages.values())


def _read_folder(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the name (relative to the folder) and the text of each document in a folder, in the order of names."""
    documents: list[tuple[tuple[str, ...], Path]] = []
    links = False
    try:
        for parent, folders, files in os.walk(folder, onerror=_raise):
            folders[:] = [name for name in folders if not name.startswith(".")]
            links = links or any(Path(parent, name).is_symlink() for name in (*folders, *files))
            visible = (Path(parent, name) for name in files if not name.startswith("."))
            texts = (path for path in visible if path.suffix.lower() in _TEXT and path.is_file() and not path.is_symlink())
            documents += [(path.relative_to(folder).parts, path) for path in texts]
    except OSError as error:
        raise DocumentError(f"{error.filename}: cannot be read ({error.strerror}). Fix: check its permissions.") from None
    if not documents:
        skipped = " (symbolic links are not followed)" if links else ""
        raise DocumentError(
            f"{folder}: has no files that end in {', '.join(_TEXT)}{skipped}. "
            f"Fix: set {setting('documents')} to another folder, or to a "
            "table with its column."
        )
    for parts, path in sorted(documents):
        # Names that are not UTF-8 must differ too, and must be fit to be shown and sent.
        yield os.fsencode("/".join(parts)).decode("utf-8", "backslashreplace"), _read_file(path)


def _raise(error: OSError) -> None:
    raise error


def _read_file(path: Path) -> str:
    """Return the text of a file, with a line feed at each line end."""
    if not exists(path):
        raise DocumentError(f"{path}: no such file. Fix: check the path.")
    if not path.is_file():
        raise DocumentError(f"{path}: is not a regular file. Fix: save it as a file.")
    raw = read_bytes(path, DocumentError)
    text = decode(raw, path, DocumentError)
    if b"\0" in raw:
        byte = raw.index(b"\0") + 1
        raise DocumentError(f"{path}: is binary, not text (byte {byte:,} is zero). Fix: save it as text, or remove it.")
    return text


def _split_file(name: str, text: str, words: int) -> Iterator[Passage]:
    path = PurePosixPath(name)
    pieces = split(text, words, markdown=path.suffix.lower() in _MARKDOWN, name=as_title(path.stem))
    for number, (start, end, title) in enumerate(pieces, 1):
        yield Passage(f"{name}#{number}", name, title, start, text[start:end])


def _load_tables(source: str, column: str, words: int) -> tuple[Passage, ...]:
    passages: list[Passage] = []
    with table_errors_as(DocumentError):
        tables = open_tables(source)
        for table in tables:
            split_name = f"{table.name.rpartition(':')[2]} " if len(tables) > 1 else ""
            for number, text, title in _texts(table, column or "text", named=bool(column)):
                name = f"{split_name}row {number}"
                for place, (start, end, heading) in enumerate(split(text, words, name=title or name), 1):
                    passages.append(Passage(f"{name}#{place}", name, heading, start, text[start:end]))
    if not passages:
        raise DocumentError(
            f"{source}: the column {column or 'text'!r} holds no text. Fix: set {setting('column')} to another one."
        )
    return tuple(passages)


def _texts(table: Table, column: str, *, named: bool) -> Iterator[tuple[int, str, str]]:
    """Yield the number, the text and the title of each row that has a text.

    The title comes from the column `title`, and is empty where there is none.
    """
    for rows in table.batches():
        texts = _column(rows, column, named=named)
        titles = _titles(rows) if column != "title" else [""] * len(rows)
        for place, text in enumerate(texts):
            if text is not None and not isinstance(text, str):
                raise DocumentError(
                    f"{rows.where(place)}: {column!r} must be text (got {type_name(text)}). "
                    f"Fix: set {setting('column')} to another one."
                )
            if text and text.strip():
                yield rows.first + place, _SURROGATE.sub("\ufffd", with_line_feeds(text)), titles[place]


def _column(rows: Rows, column: str, *, named: bool) -> list[Any]:
    try:
        return rows.column(column)
    except TableError:
        for place in range(len(rows)):
            row = json.loads(rows.json(place))
            try:
                value_at(row, column, place, rows.where)
            except TableError:
                columns = ", ".join(map(repr, list(row)[:20])) or "none"
                problem = f"has no column {column!r}" if named else "has no column 'text', and column is not set"
                raise DocumentError(
                    f"{rows.where(place)}: {problem} (there are: {columns}). Fix: set {setting('column')} to one of these."
                ) from None
        raise


def _titles(rows: Rows) -> list[str]:
    try:
        titles = rows.column("title")
        return [as_title(_SURROGATE.sub("", title)) if isinstance(title, str) else "" for title in titles]
    except TableError:
        return [""] * len(rows)
