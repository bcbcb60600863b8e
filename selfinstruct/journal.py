"""The journal: every reply that was paid for, and every request that will never be answered.

It is the only thing a run cannot compute again, so its rules are strict. A line is handed to the operating system in the
same step that received the reply, and counts as saved once it is fsynced (many replies share one fsync). Nothing is ever
rewritten or truncated: a last line that a crash tore is sealed with a newline and counted, one that lost only its newline
is recovered by the same newline. One process writes, by a lock that dies with it. Kinds that this version does not know
are skipped; a line of a newer version is refused. No key and no header is ever part of a line.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from selfinstruct.errors import JournalError, RunLocked
from selfinstruct.records import Failure, Reply, Usage, json_line

VERSION = 1
Outcome = Reply | Failure


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the journal: the request's key and fingerprint, what came back, and how it was obtained.

    `sampling` holds the body fields that were sent to steer the answer, `seconds` how long the last attempt took,
    `attempts` how many it took, `time` when it was saved (Unix seconds).
    """

    key: str
    request: str
    outcome: Outcome
    sampling: Mapping[str, Any]
    seconds: float = 0.0
    attempts: int = 1
    time: float = 0.0

    def as_line(self) -> bytes:
        """The entry as one line of JSON."""
        head: dict[str, Any] = {
            "v": VERSION,
            "kind": "reply" if isinstance(self.outcome, Reply) else "failure",
            "key": self.key,
        }
        head |= {"request": self.request, "time": round(self.time, 3), "seconds": round(self.seconds, 3)}
        head |= {"attempts": self.attempts, "sampling": dict(self.sampling)}
        if isinstance(self.outcome, Failure):
            failure = self.outcome
            return json_line(head | {"cause": failure.cause, "message": failure.message, "status": failure.status})
        reply = self.outcome
        usage = reply.usage and [reply.usage.prompt_tokens, reply.usage.completion_tokens]
        body = {"text": reply.text, "finish_reason": reply.finish_reason, "model": reply.model, "usage": usage}
        return json_line(head | body | {"host": reply.host, "created": reply.created, "raw": dict(reply.raw)})

    @classmethod
    def from_fields(cls, line: Mapping[str, Any]) -> Entry:
        """The entry of a decoded line; raises KeyError or TypeError when it is not one."""
        outcome: Outcome
        if line["kind"] == "failure":
            outcome = Failure(line["cause"], line["message"], line["status"])
        else:
            usage = Usage(*line["usage"]) if line["usage"] else None
            outcome = Reply(line["text"], line["finish_reason"], line["model"], usage, line["host"], line["created"], line["raw"])
        return cls(line["key"], line["request"], outcome, line["sampling"], line["seconds"], line["attempts"], line["time"])


@dataclass(slots=True)
class Counts:
    """What a journal holds: replies, failures by cause, tokens, and lines that a crash tore or that were unknown."""

    replies: int = 0
    failures: dict[str, int] | None = None
    usage: Usage = Usage()
    without_usage: int = 0
    retries: int = 0
    torn: int = 0
    unknown: int = 0
    duplicates: int = 0
    first_time: float | None = None
    last_time: float | None = None

    @property
    def requests(self) -> int:
        """Requests that got an outcome, good or bad."""
        return self.replies + sum((self.failures or {}).values())


class Journal:
    """A journal file, indexed by request key; replies stay on disk and are read when asked for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.counts = Counts(failures={})
        self._places: dict[str, tuple[int, int]] = {}
        self._lock: int | None = None
        self._file: int | None = None
        self._end = 0
        self._torn = False
        self._synced = 0
        self._syncing: asyncio.Future[None] | None = None

    @classmethod
    def reading(cls, path: Path) -> Self:
        """Open for reading only, also while another process writes; a missing file is an empty journal."""
        journal = cls(path)
        if path.exists():
            journal._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            journal._index()
        return journal

    @classmethod
    def writing(cls, path: Path) -> Self:
        """Open for reading and appending; raises RunLocked while another process has it open for appending."""
        journal = cls(path)
        try:
            journal._take_lock()
            journal._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            journal._seal()
            journal._index()
            journal._sync_folder()
        except OSError as error:
            journal.close()
            raise JournalError(f"{path}: cannot be opened for writing ({error.strerror}); nothing was lost") from None
        except BaseException:
            journal.close()
            raise
        return journal

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and give the lock back."""
        for descriptor in (self._file, self._lock):
            if descriptor is not None:
                os.close(descriptor)
        self._file = self._lock = None

    def __contains__(self, key: str) -> bool:
        return key in self._places

    def __len__(self) -> int:
        return len(self._places)

    def get(self, key: str) -> Entry | None:
        """The entry of a request, or None."""
        place = self._places.get(key)
        if place is None:
            return None
        assert self._file is not None
        return Entry.from_fields(json.loads(os.pread(self._file, place[1], place[0])))

    def append(self, entry: Entry) -> None:
        """Hand one entry to the operating system, whole; it is durable once `saved` returns.

        There is no `await` in here: a task that holds a reply cannot be interrupted before the reply is in the file.
        """
        assert self._file is not None and self._lock is not None
        line = entry.as_line()
        if self._torn:  # an earlier reply got in by half: seal it, so that this one begins a line of its own
            line = b"\n" + line
        written = 0
        try:
            while written < len(line):
                written += os.write(self._file, line[written:])
        except OSError as error:
            self._end += written
            self._torn = self._torn or written > 0
            raise JournalError(
                f"{self.path}: a reply could not be saved ({error.strerror}); make room, then run the same command again"
            ) from None
        sealed, self._torn = self._torn, False
        self._note(entry, self._end + sealed, len(line) - sealed)
        self._end += len(line)

    async def saved(self) -> None:
        """Wait until all that was appended so far is on the disk; concurrent callers share one fsync."""
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
            raise JournalError(f"{self.path}: the disk did not take the replies ({error.strerror})") from None
        finally:
            self._syncing = None

    def _take_lock(self) -> None:
        lock = os.open(self.path.with_name(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        self._lock = lock
        try:
            _lock(lock)
        except BlockingIOError:
            holder = os.pread(lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise RunLocked(
                f"{self.path.parent}: process {holder} is writing to this run; wait for it or stop it (reading with "
                "`status` and `show` works meanwhile)"
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
        """Read every line once; `self._end` becomes the end of the last whole line."""
        for number, start, line in self._lines():
            try:
                fields = json.loads(line)
                version, kind = fields["v"], fields["kind"]
            except (ValueError, KeyError, TypeError):
                self.counts.torn += 1
                continue
            if version != VERSION:
                raise JournalError(
                    f"{self.path}:{number}: was written by another version of this package (journal version {version}, "
                    f"this one reads {VERSION}); use the version that wrote it"
                )
            if kind not in ("reply", "failure"):
                self.counts.unknown += 1
                continue
            try:
                self._note(Entry.from_fields(fields), start, len(line))
            except (KeyError, TypeError, ValueError):
                self.counts.torn += 1

    def _lines(self) -> Iterator[tuple[int, int, bytes]]:
        assert self._file is not None
        with os.fdopen(os.dup(self._file), "rb") as file:
            file.seek(0)
            for number, line in enumerate(file, 1):
                if not line.endswith(b"\n") and not _is_json(line):
                    break  # torn, or still being written by another process: not ours to judge
                yield number, self._end, line
                self._end += len(line)
        self._synced = 0  # what a former process wrote is synced with the first new reply

    def _note(self, entry: Entry, start: int, length: int) -> None:
        counts = self.counts
        if entry.key in self._places:
            counts.duplicates += 1
            return
        self._places[entry.key] = (start, length)
        counts.retries += entry.attempts - 1
        counts.first_time = min(counts.first_time or entry.time, entry.time)
        counts.last_time = max(counts.last_time or entry.time, entry.time)
        if isinstance(entry.outcome, Failure):
            assert counts.failures is not None
            counts.failures[entry.outcome.cause] = counts.failures.get(entry.outcome.cause, 0) + 1
            return
        counts.replies += 1
        if entry.outcome.usage is None:
            counts.without_usage += 1
        else:
            counts.usage += entry.outcome.usage


def _is_json(line: bytes) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _lock(descriptor: int) -> None:
    """Take the lock; try for a moment, for `status` holds it for an instant when it looks who is writing."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            time.sleep(0.05)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
