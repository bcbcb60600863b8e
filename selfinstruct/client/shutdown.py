"""Stop a run in order: after a signal, at a limit, or when no request will be answered."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from selfinstruct.errors import SelfInstructError

_ONE_SIGNAL = 1.0  # seconds within which two signals are one


class Shutdown:
    """The state of a run that may stop asking.

    `cause` is the error that closed it, or None. `limit` is the limit that was reached, in words, or empty. `on_close` has
    the functions that `close` calls.
    """

    def __init__(self) -> None:
        self.cause: SelfInstructError | None = None
        self.limit = ""
        self.on_close: list[Callable[[], None]] = []
        self._closed = asyncio.Event()
        self._deadlines: set[asyncio.Timeout] = set()
        self._end: float | None = None  # when all calls are given up, by the clock of the event loop

    @property
    def closed(self) -> bool:
        """True when nothing new may be asked."""
        return self._closed.is_set()

    def close(self, cause: SelfInstructError | None = None) -> None:
        """Ask nothing new from now on. Calls in flight still arrive and are saved, and retries are given up."""
        self.cause = self.cause or cause
        self._closed.set()
        for listener in self.on_close:
            listener()

    def end_calls_within(self, seconds: float) -> None:
        """Give up the calls that are still in flight after this many seconds."""
        self._end = asyncio.get_running_loop().time() + seconds
        for deadline in self._deadlines:
            self._shorten(deadline)

    def _shorten(self, deadline: asyncio.Timeout) -> None:
        when = deadline.when()
        if self._end is not None and not deadline.expired() and (when is None or when > self._end):
            deadline.reschedule(self._end)

    async def sleep(self, seconds: float) -> None:
        """Wait for some seconds, or until the run stops."""
        if seconds > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), seconds)

    @contextmanager
    def shortening(self, deadline: asyncio.Timeout) -> Iterator[None]:
        """Let `end_calls_within` shorten the deadline of a call while the call is in flight."""
        self._deadlines.add(deadline)
        self._shorten(deadline)
        try:
            yield
        finally:
            self._deadlines.discard(deadline)


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM call `stop`, and the second one end the process at once.

    The second one acts like SIGKILL, which the journal is made to survive. Two signals within a second count as one, because
    `timeout` and other supervisors signal a process and then its whole group.
    """
    loop = asyncio.get_running_loop()
    first: float | None = None

    def on_signal() -> None:
        nonlocal first
        if first is None:
            first = loop.time()
            stop()
        elif loop.time() - first > _ONE_SIGNAL:
            os._exit(130)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
