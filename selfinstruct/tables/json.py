"""Read one JSON array of objects, element by element, with little more than the largest element in memory."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from typing import IO, Any

from selfinstruct.errors import TableError
from selfinstruct.tables.file_table import FileTable
from selfinstruct.tables.jsonl import reason
from selfinstruct.tables.rows import TextRows, batched, require_object
from selfinstruct.text import not_utf8

CHUNK = 1 << 20  # bytes read at a time
_NEAR_END = 64  # characters: an error this close to the end of the window may only mean that an element was cut there
_SPACE = re.compile(r"[ \t\r\n]*")


class JsonTable(FileTable):
    """A file of one JSON array."""

    kind = "json"

    def batches(self) -> Iterator[TextRows]:
        """Yield all rows. The bytes of a row are those of its element."""
        return batched(self.name, self.kind, self._rows())

    def _rows(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        with self.open() as file:
            for line, text, value in _Array(self, file):
                yield line, text.encode(), require_object(value, f"{self.name}:{line}")
            self.advance()


class _Array:
    """A window that moves over the text of an array. `line` is the line of the file at place `at` of the window."""

    def __init__(self, table: JsonTable, file: IO[bytes]) -> None:
        self.table, self.file = table, file
        self.text, self.at, self.line = "", 0, 1
        self.complete = False  # the end of the window is the end of the file
        self._bytes = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._json = json.JSONDecoder()

    def __iter__(self) -> Iterator[tuple[int, str, Any]]:
        """Yield each element as the line on which it begins, its text and its value."""
        self._expect("[")
        if self._sign() != "]":
            yield self._element()
            while self._sign() == ",":
                self._expect(",")
                self._sign()
                yield self._element()
        self._expect("]")
        if self._sign():
            raise self._fault("something follows the array")

    def _expect(self, sign: str) -> None:
        if (found := self._sign()) != sign:
            raise self._fault(f"expected {sign!r}, found {found!r}" if found else "the file ends inside the array")
        self.at += 1

    def _sign(self) -> str:
        """Skip white space, and return the next character without consuming it, or "" at the end of the file."""
        while True:
            space = _SPACE.match(self.text, self.at)
            assert space is not None
            self._move(space.end())
            if self.at < len(self.text) or self.complete:
                return self.text[self.at : self.at + 1]
            self._more()

    def _element(self) -> tuple[int, str, Any]:
        while True:
            try:
                value, end = self._json.raw_decode(self.text, self.at)
            except json.JSONDecodeError as error:
                cut = error.msg.startswith("Unterminated string") or error.pos >= len(self.text) - _NEAR_END
                if self.complete or not cut:
                    self._move(error.pos)
                    raise self._fault(error.msg if self.at < len(self.text) else "the file ends inside the array") from None
            except (ValueError, RecursionError) as error:
                raise self._fault(reason(error)) from None
            else:
                if self.complete or end < len(self.text) - _NEAR_END:  # otherwise a number may continue
                    break
            self._more()
        line, text = self.line, self.text[self.at : end]
        self._move(end)
        return line, text, value

    def _move(self, to: int) -> None:
        self.line += self.text.count("\n", self.at, to)
        self.at = to

    def _more(self) -> None:
        """Drop the text before `at`, and read more.

        The longer the unfinished element, the more is read, so that long elements are not parsed too often.
        """
        rest = self.text[self.at :]
        read = self.file.read(max(CHUNK, len(rest), len(codecs.BOM_UTF8)))
        self.complete = not read
        try:
            new = self._decoder.decode(read if self._bytes else read.removeprefix(codecs.BOM_UTF8), final=self.complete)
        except UnicodeDecodeError as error:
            line = self.line + rest.count("\n") + bytes(error.object[: error.start]).count(b"\n")
            start = self._bytes + len(read) - len(error.object) + error.start
            raise TableError(not_utf8(f"{self.table.name}:{line}", start + 1)) from None
        self._bytes += len(read)
        self.text, self.at = rest + new, 0
        self.table.advance()

    def _fault(self, why: str) -> TableError:
        return TableError(f"{self.table.name}:{self.line}: is not valid JSON ({why}). Fix: correct the file.")
