"""Decisions in index order, whatever order the replies arrive in."""

from __future__ import annotations

import asyncio

from selfinstruct.errors import ReplyMissing


class Sequencer:
    """Lets root requests through one at a time, in index order, whatever order they arrive in."""

    def __init__(self) -> None:
        self._now = 0
        self._last: int | None = None
        self._waiting: dict[int, asyncio.Event] = {}

    async def turn(self, index: int) -> None:
        """Wait for this index's turn; raises ReplyMissing if it will not come."""
        while index != self._now or (self._last is not None and index > self._last):
            if self._last is not None and index > self._last:
                raise ReplyMissing(str(index))
            event = self._waiting.setdefault(index, asyncio.Event())
            await event.wait()
            event.clear()

    def next(self) -> None:
        """The one inside is through: let the next one in."""
        self._waiting.pop(self._now, None)
        self._now += 1
        if self._now in self._waiting:
            self._waiting[self._now].set()

    def close(self, last: int) -> None:
        """Nobody after `last` will get in."""
        self._last = last if self._last is None else min(self._last, last)
        for event in self._waiting.values():
            event.set()
