"""Reading a file from its start, and knowing how far one is."""

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

PACKED = ".gz"


class FileTable:
    """What the tables that are one file have in common. Raises TableError for a file that cannot be opened or is empty."""

    kind = ""
    columns: tuple[str, ...] | None = None
    length: int | None = None

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path = path
        self.size, self._stamp = self._look()
        self.done = 0
        if not self.size:
            raise TableError(f"{self.name}: is empty; give a file with rows")

    @contextmanager
    def opened(self) -> Iterator[IO[bytes]]:
        """The file's bytes, unpacked if they are packed; raises TableError where they cannot be read."""
        try:
            with self.path.open("rb") as file:
                self._file: IO[bytes] = file
                if self.path.suffix.lower() == PACKED:
                    with gzip.open(file) as unpacked:
                        yield unpacked  # type: ignore[misc]
                else:
                    yield file
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise TableError(f"{self.name}: is damaged ({error}); get the file again") from None
        except OSError as error:
            raise TableError(f"{self.name}: cannot be read ({error.strerror or error}); check the path and its rights") from None

    def advance(self) -> None:
        """Take note of how much has been read."""
        self.done = self._file.tell()

    def lines(self) -> Iterator[tuple[int, bytes, str]]:
        """The lines with their numbers, as bytes and as text. Only a line feed ends a line: in JSON no other sign does."""
        with self.opened() as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)
                if not number % 256:
                    self.advance()
                try:
                    text = line.decode()
                except UnicodeDecodeError as error:
                    raise not_utf8(f"{self.name}:{number}", error.start + 1) from None
                yield number, line, text
            self.advance()

    def sha256(self) -> str:
        """The digest of the file's bytes as they lie on the disk."""
        try:
            with self.path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise TableError(f"{self.name}: cannot be read ({error.strerror or error}); check the path") from None
        if self._look()[1] != self._stamp:
            raise TableError(f"{self.name}: was changed while it was read; run the same command again when it is complete")
        return found

    def _look(self) -> tuple[int, tuple[int, ...]]:
        """The size of the file, and what differs once it is written to or replaced."""
        try:
            found = self.path.stat()
        except OSError as error:
            raise TableError(f"{self.name}: cannot be read ({error.strerror}); check the path") from None
        return found.st_size, (found.st_size, found.st_mtime_ns, found.st_ino)


def not_utf8(where: str, byte: int) -> TableError:
    """What is said of bytes that are no text."""
    return TableError(f"{where}: is not UTF-8 text (byte {byte:,}); save the file as UTF-8")
