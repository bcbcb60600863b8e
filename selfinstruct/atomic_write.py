"""Files that appear in a directory together, and whole: each grows under a hidden name, and all get their own at the end."""

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
    """New files of a directory. Until `commit`, a reader sees the old ones; `discard` takes back what was not committed.

    Use it in a `with` statement, which discards. Raises OutputError when the directory cannot be written.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._files: dict[str, _Sink] = {}

    def __enter__(self) -> Staged:
        return self

    def __exit__(self, *_: object) -> None:
        self.discard()

    def open(self, name: str) -> _Sink:
        """A file to write bytes to; it is called `name` once it is committed."""
        path = self.directory / hidden(name)
        with _writing(self.directory):
            path.unlink(missing_ok=True)  # left by a killed process; or a link, which must not be followed
            self._files[name] = _Sink(path)
        return self._files[name]

    def commit(self) -> None:
        """Put all files in place, in the order in which they were opened, so that they survive a loss of power."""
        for file in self._files.values():
            file.finish()
        with _undisturbed(), _writing(self.directory):
            for name in self._files:
                (self.directory / hidden(name)).replace(self.directory / name)
            _sync(self.directory)
        self._files.clear()

    def discard(self) -> None:
        """Remove the files that were not committed."""
        for name, file in self._files.items():
            file.abandon()
            with suppress(OSError):
                (self.directory / hidden(name)).unlink()
        self._files.clear()


@contextmanager
def fresh(directory: Path, names: Sequence[str]) -> Iterator[Staged]:
    """Yield new files for a directory that is new or empty. It is removed again if nothing is committed.

    `names` are the files that can be opened, the last of them last. Leftovers of a killed process are overwritten.
    Raises UserMistake when other things are there or another process writes, OutputError when it cannot be written.
    """
    with added(directory) as files:
        _refuse_others(directory, names)
        yield files


@contextmanager
def added(directory: Path) -> Iterator[Staged]:
    """Yield new files for a directory that may hold others. A new directory is removed again if nothing is committed.

    Raises UserMistake when another process writes there, OutputError when it cannot be written.
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
                path.rmdir()  # only what is empty: so never after a commit


def hidden(name: str) -> str:
    """What a file is called while it is written."""
    return f".{name}.new"


class _Sink(io.BufferedWriter):
    """A file that says in a sentence why it cannot be written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        super().__init__(io.FileIO(path, "xb"), 1 << 18)

    def write(self, content: ReadableBuffer) -> int:
        with _writing(self._path.parent):
            return super().write(content)

    def finish(self) -> None:
        with _writing(self._path.parent):
            self.flush()
            os.fsync(self.fileno())
            self.close()

    def abandon(self) -> None:
        """Close the file; what is in the buffer may find no room, and is not wanted."""
        with suppress(OSError, ValueError):
            self.close()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no Ctrl-C and no SIGTERM come between the first new name and the last: it is the end anyway."""
    if threading.current_thread() is not threading.main_thread():
        yield  # a signal is raised in the main thread only
        return
    before = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"{directory}: cannot be written ({error.strerror or error}); make room or mend its rights, then run the same "
            "command again"
        ) from None


def _make(directory: Path) -> list[Path]:
    """Make the directory with those above it; returns what was made, the innermost first."""
    with _writing(directory):
        missing = [path for path in (directory, *directory.parents) if not path.exists()]
    if directory.exists() and not directory.is_dir():
        raise UserMistake(f"{directory}: is a file; name a new or empty directory")
    with _writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return missing


def _lock(directory: Path) -> int | None:
    """Keep other processes out until the descriptor is closed, by us or by our death."""
    with _writing(directory):
        descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise UserMistake(f"{directory}: another process writes there; wait for it, or name another directory") from None
    except OSError:  # a file system without locks
        os.close(descriptor)
        return None
    return descriptor


def _refuse_others(directory: Path, names: Sequence[str]) -> None:
    with _writing(directory):
        there = {path.name for path in directory.iterdir()}
    ours = {hidden(name) for name in names}
    if hidden(names[-1]) in there:  # killed between the first new name and the last one
        ours |= set(names[:-1])
    if foreign := sorted(there - ours):
        raise UserMistake(f"{directory}: holds other things ({foreign[0]!r}); name a new or empty directory")
    with _writing(directory):
        for name in there:
            (directory / name).unlink()


def _sync(directory: Path) -> None:
    """Make the new names in a directory survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
