"""The journal file: every call, every paid reply, and every request that will never be answered.

It is the only thing a run cannot compute again, so its rules are strict.

- A line goes to the operating system in the step that received the reply. It is saved once it is fsynced, and many replies
  share one fsync.
- Nothing is ever rewritten or truncated. A last line that a crash cut is closed with a newline and counted as torn. A line
  that lost only its newline is whole again by it.
- One process writes. Its lock ends with it.
- Lines of unknown kinds are skipped. A line of another journal version is refused.
- No API key and no header is ever part of a line.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Self

from selfinstruct import layout
from selfinstruct.errors import JournalError, RunLocked
from selfinstruct.journal.events import VERSION, Entry, Line, Redefined, decoded
from selfinstruct.journal.totals import Counts


class Journal:
    """A journal file, indexed by request key. Replies stay on the disk and are read when needed."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = Counts()
        self.torn_lines: list[int] = []
        self.repeated_keys: list[str] = []
        self.unfinished = 0  # bytes of a last line that is torn, or is being written by another process
        self._places: dict[str, tuple[int, int]] = {}
        self._lock: int | None = None
        self._file: int | None = None
        self._end = 0
        self._torn = False
        self._synced = 0
        self._syncing: asyncio.Future[None] | None = None

    @classmethod
    def reading(cls, path: Path) -> Self:
        """Open a journal for reading, also while another process writes. A missing file is an empty journal."""
        journal = cls(path)
        if path.exists():
            journal._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            journal._index()
        return journal

    @classmethod
    def writing(cls, path: Path) -> Self:
        """Open a journal for reading and appending.

        Raises:
            RunLocked: when another process writes to the run directory.
            JournalError: when the file cannot be opened or was written by another version.
        """
        journal = cls(path)
        try:
            journal._take_lock()
            journal._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            journal._seal()
            journal._index()
            journal.counts.close_all()  # calls of an earlier process can bring no reply any more
            journal._sync_folder()
        except OSError as error:
            journal.close()
            raise JournalError(
                f"{path}: cannot be opened for writing (got {error.strerror}). Nothing was lost. Fix: check the directory."
            ) from None
        except BaseException:
            journal.close()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and release the lock."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Entry | None:
        """Return the outcome of a request, or None."""
        place = self._places.get(key)
        if place is None:
            return None
        assert self._file is not None
        entry = decoded(json.loads(os.pread(self._file, place[1], place[0])))
        assert isinstance(entry, Entry)
        return entry

    def append(self, entry: Line) -> None:
        """Write one whole line to the file. It is on the disk once `saved` returns.

        There is no `await` in here, so a task that holds a reply cannot be cancelled before the reply is in the file.

        Raises:
            JournalError: when the line could not be written.
        """
        assert self._file is not None and self._lock is not None
        line = entry.as_line()
        if self._torn:  # an earlier line is only half in the file: close it, so that this one begins a new line
            line = b"\n" + line
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            self._end += written
            self._torn = self._torn or written > 0
            raise JournalError(
                f"{self.path}: a reply could not be saved (got {error.strerror}). "
                "Fix: make room on the disk, then run the same command again."
            ) from None
        sealed, self._torn = self._torn, False
        self._note(entry, self._end + sealed, len(line) - sealed)
        self._end += len(line)

    async def saved(self) -> None:
        """Wait until all lines so far are on the disk. Concurrent callers share one fsync. Raises JournalError."""
        wanted = self._end
        while self._synced < wanted:
            if self._syncing is None:
                self._syncing = asyncio.ensure_future(self._sync())
            await asyncio.shield(self._syncing)

    async def _sync(self) -> None:
        assert self._file is not None
        reached = self._end
        try:
            await asyncio.get_running_loop().run_in_executor(None, os.fsync, self._file)
            self._synced = max(self._synced, reached)
        except OSError as error:
            raise JournalError(
                f"{self.path}: the replies could not be saved (got {error.strerror}). "
                "Fix: check the disk, then run the same command again."
            ) from None
        finally:
            self._syncing = None

    def _take_lock(self) -> None:
        lock = os.open(self.path.with_name(layout.LOCK), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._lock = lock
        try:
            _lock(lock)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise RunLocked(
                f"{self.path.parent}: process {holder} is writing to this run. Fix: wait until it ends, or stop it "
                "(`status`, `show` and `build --out` work meanwhile)."
            ) from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)

    def _seal(self) -> None:
        assert self._file is not None
        size = os.fstat(self._file).st_size
        if size and os.pread(self._file, 1, size - 1) != b"\n":
            os.write(self._file, b"\n")

    def _sync_folder(self) -> None:
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def _index(self) -> None:
        """Read every line once. Afterwards `self._end` is the end of the last whole line."""
        for number, start, line in self._lines():
            try:
                fields = json.loads(line)
                version = fields["v"]
            except (ValueError, KeyError, TypeError):
                self._skip(number)
                continue
            if version != VERSION:
                raise JournalError(
                    f"{self.path}:{number}: was written by another version of this package (got journal version {version}, "
                    f"this one reads {VERSION}). Fix: install the version that wrote it."
                )
            try:
                entry = decoded(fields)
            except (KeyError, TypeError, ValueError, AttributeError, IndexError):
                self._skip(number)
                continue
            if entry is None:
                self.counts.unknown += 1
            else:
                self._note(entry, start, len(line))

    def _skip(self, number: int) -> None:
        self.counts.torn += 1
        self.torn_lines.append(number)

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        assert self._file is not None
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and not _is_json(line):
                    self.unfinished = len(line)
                    break  # torn, or still being written by another process, which cannot be told from here
                yield number, self._end, line
                self._end += len(line)
        self._synced = 0  # lines of an earlier process are synced with the first new reply

    def _note(self, entry: Line, start: int, length: int) -> None:
        if isinstance(entry, Entry):
            if entry.key in self._places:  # the first outcome counts, but this one was paid for too
                self.counts.duplicates += 1
                self.repeated_keys.append(entry.key)
                self.counts.close(entry.key, lost=True)
                return
            self._places[entry.key] = (start, length)
        elif isinstance(entry, Redefined):
            self._places.clear()
        self.counts.add(entry)


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _lock(descriptor: int) -> None:
    """Take the lock. Try a few times, because `status` holds it for a moment to see which process writes."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.05)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
