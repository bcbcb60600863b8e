"""Decisions in index order, whatever order the replies arrive in."""

from __future__ import annotations

import asyncio

from selfinstruct.errors import ReplyMissing


class Sequencer:
    """A gate that lets root requests pass one at a time, in index order."""

    def __init__(self) -> None:
        self._current = 0
        self._last: int | None = None
        self._waiting: dict[int, asyncio.Event] = {}

    async def wait_for(self, index: int) -> None:
        """Wait until all root requests before this one have passed.

        Raises:
            ReplyMissing: The sequencer was closed before this index.
        """
        while index != self._current or (self._last is not None and index > self._last):
            if self._last is not None and index > self._last:
                raise ReplyMissing(str(index))
            event = self._waiting.setdefault(index, asyncio.Event())
            await event.wait()
            event.clear()

    def advance(self) -> None:
        """Let the next root request pass."""
        self._waiting.pop(self._current, None)
        self._current += 1
        if self._current in self._waiting:
            self._waiting[self._current].set()

    def close(self, last: int) -> None:
        """Let no root request after `last` pass. Those that wait raise ReplyMissing."""
        self._last = last if self._last is None else min(self._last, last)
        for event in self._waiting.values():
            event.set()
