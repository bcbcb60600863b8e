"""Atomic writes: new files of a directory appear together and complete, or not at all.

Each file grows under a hidden temporary name. At the end all are renamed, so a reader never sees half of a file.
"""

from __future__ import annotations

import fcntl
import io
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.errors import OutputError, UserMistake

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Staged:
    """New files of a directory, invisible to readers until `commit`.

    Use it in a `with` statement, which removes files that were not committed. Raises OutputError when the directory cannot be
    written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: dict[str, _StagedFile] = {}

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def open(self, name: str) -> _StagedFile:
        """Return a new file for bytes, which gets the name `name` at `commit`."""
        path = self.directory / temporary_name(name)
        with _writing(self.directory):
            path.unlink(missing_ok=True)  # left by a killed process, or a link that must not be followed
            self._files[name] = _StagedFile(path)
        return self._files[name]

    def commit(self) -> None:
        """Sync all files to the disk, then rename them to their names in the order in which they were opened."""
        for file in self._files.values():
            file.finish()
        with _signals_ignored(), _writing(self.directory):
            for name in self._files:
                (self.directory / temporary_name(name)).replace(self.directory / name)
            _sync(self.directory)
        self._files.clear()

    def discard(self) -> None:
        """Remove the files that were not committed."""
        for name, file in self._files.items():
            file.abandon()
            with suppress(OSError):
                (self.directory / temporary_name(name)).unlink()
        self._files.clear()


@contextmanager
def in_new_directory(directory: Path, names: Sequence[str]) -> Iterator[Staged]:
    """Yield new files for a directory that is new or empty. It is removed again if nothing is committed.

    `names` are all names that may be opened. The last of them must be opened last: while its temporary file is there, the
    other files are taken for leftovers of a killed process, and removed.

    Raises:
        UserMistake: The directory holds other files, or another process writes to it.
        OutputError: The directory cannot be written.
    """
    with in_directory(directory) as files:
        _remove_leftovers(directory, names)
        yield files


@contextmanager
def in_directory(directory: Path) -> Iterator[Staged]:
    """Yield new files for a directory that may hold others. A new directory is removed again if nothing is committed.

    Raises:
        UserMistake: The path is a file, or another process writes to the directory.
        OutputError: The directory cannot be written.
    """
    made = _make(directory)
    lock = None
    try:
        lock = _lock(directory)
        with Staged(directory) as files:
            yield files
    finally:
        if lock is not None:
            os.close(lock)
        for path in made:
            with suppress(OSError):
                path.rmdir()  # fails unless it is empty, so it removes nothing after a commit


def temporary_name(name: str) -> str:
    """Return the name of a file while it is written."""
    return f".{name}.new"


class _StagedFile(io.BufferedWriter):
    """A file for bytes that raises OutputError, with a message for users, when it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(io.FileIO(path, "xb"), 1 << 18)

    def write(self, content: ReadableBuffer) -> int:
        with _writing(self._path.parent):
            return super().write(content)

    def finish(self) -> None:
        with _writing(self._path.parent):
            if self.closed:  # as after `with files.open(...)` in an export
                _sync(self._path)
                return
            self.flush()
            os.fsync(self.fileno())
            self.close()

    def abandon(self) -> None:
        """Close the file. Its buffer is not wanted, so errors of writing it are ignored."""
        with suppress(OSError, ValueError):
            self.close()


@contextmanager
def _signals_ignored() -> Iterator[None]:
    """Ignore Ctrl-C and SIGTERM while files are renamed, so that none gets its name without the others."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals in the main thread only
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Turn an OSError into an OutputError that names the directory."""
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror or error}). Fix: free some space or change the permissions, then "
            "run the same command again."
        ) from None


def _make(directory: Path) -> list[Path]:
    """Make the directory and its parents. Return those that are new, the innermost first."""
    with _writing(directory):
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
    if directory.exists() and not directory.is_dir():
        raise UserMistake(f"{directory}: is a file. Fix: choose a new or empty directory.")
    with _writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return missing


def _lock(directory: Path) -> int | None:
    """Lock the directory against other processes, and return the descriptor that holds the lock.

    The lock ends when the descriptor is closed or the process ends. Return None on a file system without locks.
    """
    with _writing(directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserMistake(
            f"{directory}: another process is writing to it. Fix: wait for that process, or choose another directory."
        ) from None
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _remove_leftovers(directory: Path, names: Sequence[str]) -> None:
    """Remove what a killed process left of `names`. Raises UserMistake when the directory holds anything else."""
    with _writing(directory):
        there = {path.name for path in directory.iterdir()}
    ours = {temporary_name(name) for name in names}
    if temporary_name(names[-1]) in there:  # killed while files were renamed
        ours |= set(names[:-1])
    if foreign := sorted(there - ours):
        raise UserMistake(f"{directory}: holds other files ({foreign[0]!r}). Fix: choose a new or empty directory.")
    with _writing(directory):
        for name in there:
            (directory / name).unlink()


def _sync(path: Path) -> None:
    """Sync a file, or the names in a directory, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
