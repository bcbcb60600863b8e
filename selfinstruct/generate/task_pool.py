"""The tasks that a run has admitted, for prompts that show them and draws that weigh by them.

Many requests run at a time, and yet a prompt may only depend on what is certain to be known. So a root request sees what was
admitted below an earlier root request, its horizon, and waits until that is decided.

A rebuild with other [curate] settings must ask for the same requests, because the journal's replies answer them. So the
decisions that count here follow the [curate] settings that the run began with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from selfinstruct.curate.curator import Curator
from selfinstruct.errors import ReplyMissing
from selfinstruct.records import Candidate, Decision


def blocks(lag: int) -> Iterator[int]:
    """Yield the first index of each block of root requests, without end.

    A root request sees what was admitted before the block before its own: between `lag` and twice `lag` root requests back.
    The first blocks are shorter, so that short runs see something too.
    """
    start, size = 0, max(1, lag // 8)
    while True:
        yield start
        start += size
        size = min(lag, max(size, start))


def horizon(index: int, lag: int) -> int:
    """Return the horizon of a root request: what was admitted below this root request counts for it."""
    before = start = 0
    for following in blocks(lag):
        if index < following:
            return before
        if following - start == lag:  # all later blocks have this length
            last = index - (index - following) % lag
            return last - lag
        before, start = start, following
    raise AssertionError


class TaskPool:
    """The candidates that each root request got admitted, in index order.

    `make_curator` makes the curator of the [curate] settings that the run began with, where other settings are in force now. It
    is called when the pool is first read, which most runs never do. Without it, the pool takes the decisions that it is given.

    Attributes:
        admitted: The admitted candidates of all root requests that are decided.
        finished: The positions in `admitted` of candidates that came with their output.
    """

    def __init__(self, make_curator: Callable[[], Curator] | None = None) -> None:
        self.admitted: list[Candidate] = []
        self.finished: list[int] = []
        self._make_curator = make_curator
        self._curator: Curator | None = None
        self._undecided: list[Sequence[Candidate]] = []
        self._ends = [0]  # the size of `admitted` after each root request
        self._roots = 0
        self._last: int | None = None
        self._waiting: dict[int, asyncio.Event] = {}

    def add(self, candidates: Sequence[Candidate], decisions: Sequence[Decision]) -> None:
        """Add the next root request's candidates with the decisions on them."""
        if self._make_curator is None:
            self._take(decisions)
        else:
            self._undecided.append(candidates)  # decided when the pool is read
        self._roots += 1
        if event := self._waiting.pop(self._roots, None):
            event.set()

    async def wait_below(self, root: int) -> None:
        """Wait until all root requests below this one are added.

        Raises:
            ReplyMissing: They never will be, because the run ends before.
        """
        while self._roots < root:
            if self._last is not None and root > self._last:
                raise ReplyMissing(str(root))
            await self._waiting.setdefault(root, asyncio.Event()).wait()

    def size_below(self, root: int) -> int:
        """Return how many of `admitted` come from root requests below this one. All of them must be added before."""
        while self._make_curator and len(self._ends) <= root:
            self._curator = self._curator or self._make_curator()
            self._take(self._curator.admit(self._undecided[len(self._ends) - 1]))
        return self._ends[root]

    def close(self, last: int) -> None:
        """Let every wait for a root request after `last` raise ReplyMissing."""
        self._last = last if self._last is None else min(self._last, last)
        for root, event in list(self._waiting.items()):
            if root > self._last:
                event.set()

    def _take(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.accepted:
                if decision.candidate.task.output is not None:
                    self.finished.append(len(self.admitted))
                self.admitted.append(decision.candidate)
        self._ends.append(len(self.admitted))
