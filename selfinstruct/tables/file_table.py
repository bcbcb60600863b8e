"""Read a file from its start, and know how much of it has been read."""

from __future__ import annotations

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from selfinstruct.errors import TableError
from selfinstruct.text import not_utf8, unreadable

PACKED = ".gz"


class FileTable:
    """The part that all tables in a file have in common. Raises TableError for a file that cannot be opened or is empty."""

    kind = ""
    columns: tuple[str, ...] | None = None
    length: int | None = None

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = path
        self.size, self._stamp = self._look()
        self.done = 0
        if not self.size:
            raise TableError(f"{self.name}: is empty. Fix: choose a file with rows.")

    @contextmanager
    def open(self) -> Iterator[IO[bytes]]:
        """Open the file for its bytes, unpacked if it is a .gz. Raises TableError where they cannot be read."""
        try:
            with self.path.open("rb") as file:
                self._file: IO[bytes] = file
                if self.path.suffix.lower() == PACKED:
                    with gzip.open(file) as unpacked:
                        yield unpacked  # type: ignore[misc]
                else:
                    yield file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TableError(f"{self.name}: is damaged ({error}). Fix: get the file again.") from None
        except OSError as error:
            raise TableError(unreadable(self.name, error)) from None

    def advance(self) -> None:
        """Record how much of the file has been read."""
        self.done = self._file.tell()

    def lines(self) -> Iterator[tuple[int, bytes, str]]:
        """Yield each line as its number, bytes and text. Only a line feed ends a line, as in JSON Lines."""
        with self.open() as file:
            for number, raw in enumerate(file, 1):
                line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
                if not number % 256:
                    self.advance()
                try:
                    text = line.decode()
                except UnicodeDecodeError as error:
                    raise TableError(not_utf8(f"{self.name}:{number}", error.start + 1)) from None
                yield number, line, text
            self.advance()

    def sha256(self) -> str:
        """Return the SHA-256 (hex) of the file's bytes as they are on the disk.

        Raises: TableError when the file changed after it was opened.
        """
        try:
            with self.path.open("rb") as file:
                sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TableError(unreadable(self.name, error)) from None
        if self._look()[1] != self._stamp:
            raise TableError(f"{self.name}: was changed while it was read. Fix: run the command again when the file is complete.")
        return sha256

    def _look(self) -> tuple[int, tuple[int, ...]]:
        """Return the size of the file (bytes), and a stamp that differs once the file is written to or replaced."""
        try:
            status = self.path.stat()
        except OSError as error:
            raise TableError(unreadable(self.name, error)) from None
        return status.st_size, (status.st_size, status.st_mtime_ns, status.st_ino)
