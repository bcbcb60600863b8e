"""Stopping a run in order: asked to by the user, by a limit, or because no request will be answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from selfinstruct.errors import SelfInstructError


class Halt:
    """Whether a run may still ask. `cause` is the error that closed it, `limit` the limit that was reached, in words."""

    def __init__(self) -> None:
        self.cause: SelfInstructError | None = None
        self.limit = ""
        self.on_close: list[Callable[[], None]] = []
        self._closed = asyncio.Event()
        self._deadlines: set[asyncio.Timeout] = set()
        self._end: float | None = None  # the moment at which all calls are given up

    @property
    def closed(self) -> bool:
        """Whether nothing new may be asked."""
        return self._closed.is_set()

    def close(self, cause: SelfInstructError | None = None) -> None:
        """Ask nothing new from now on; what is in flight still arrives and is saved, retries are given up."""
        self.cause = self.cause or cause
        self._closed.set()
        for listener in self.on_close:
            listener()

    def hurry(self, seconds: float) -> None:
        """Give what is in flight this many seconds more, no longer."""
        self._end = asyncio.get_running_loop().time() + seconds
        for deadline in self._deadlines:
            self._shorten(deadline)

    def _shorten(self, deadline: asyncio.Timeout) -> None:
        when = deadline.when()
        if self._end is not None and not deadline.expired() and (when is None or when > self._end):
            deadline.reschedule(self._end)

    async def sleep(self, seconds: float) -> None:
        """Wait, but no longer than until the run stops."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), seconds)

    @contextmanager
    def watching(self, deadline: asyncio.Timeout) -> Iterator[None]:
        """Let `hurry` shorten this deadline meanwhile."""
        self._deadlines.add(deadline)
        self._shorten(deadline)
        try:
            yield
        finally:
            self._deadlines.discard(deadline)
