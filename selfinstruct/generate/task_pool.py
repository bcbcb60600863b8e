"""What a run has admitted so far, for prompts that show it or weigh by it.

Requests may be many at a time, and yet a prompt may only depend on what is certain to be known: so a root request sees what
was admitted below an earlier one, its horizon, and waits until that is decided. And what was admitted must not change when the
dataset is built again with other [curate] settings, for the journal's replies answer the prompts as they were: so the verdicts
that count here are those of the settings that the run was begun with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from selfinstruct.curate.curator import Curator
from selfinstruct.errors import ReplyMissing
from selfinstruct.records import Candidate, Decision


def blocks(lag: int) -> Iterator[int]:
    """Where the blocks of root requests begin, without end.

    A root request sees what was admitted before the block before its own: between `lag` and twice as many back. The first
    blocks are shorter, so that short runs see something too.
    """
    start, size = 0, max(1, lag // 8)
    while True:
        yield start
        start += size
        size = min(lag, max(size, start))


def horizon(index: int, lag: int) -> int:
    """The root request below which what was admitted counts for root request `index`."""
    before = start = 0
    for following in blocks(lag):
        if index < following:
            return before
        if following - start == lag:  # all others are as long
            last = index - (index - following) % lag
            return last - lag
        before, start = start, following
    raise AssertionError


class Memory:
    """The candidates admitted by each root request, in index order.

    `by_its_own` makes what decides by the settings that the run was begun with, when somebody asks; without it the verdicts are
    those that it is told.
    """

    def __init__(self, by_its_own: Callable[[], Curator] | None = None) -> None:
        self.admitted: list[Candidate] = []
        self.finished: list[int] = []  # the places in `admitted` of those that came with their output
        self._by_its_own = by_its_own
        self._curator: Curator | None = None
        self._undecided: list[Sequence[Candidate]] = []
        self._ends = [0]
        self._roots = 0
        self._last: int | None = None
        self._waiting: dict[int, asyncio.Event] = {}

    def add(self, candidates: Sequence[Candidate], decisions: Sequence[Decision]) -> None:
        """Take in the next root request's candidates with the verdicts on them."""
        if self._by_its_own is None:
            self._note(decisions)
        else:
            self._undecided.append(candidates)  # decided when somebody asks, which most runs never do
        self._roots += 1
        if event := self._waiting.pop(self._roots, None):
            event.set()

    async def below(self, root: int) -> None:
        """Wait until it is known what the root requests below this one gave; raises ReplyMissing when it never will be."""
        while self._roots < root:
            if self._last is not None and root > self._last:
                raise ReplyMissing(str(root))
            await self._waiting.setdefault(root, asyncio.Event()).wait()

    def end(self, root: int) -> int:
        """How many of `admitted` are of root requests below this one, which must be known."""
        while self._by_its_own and len(self._ends) <= root:
            self._curator = self._curator or self._by_its_own()
            self._note(self._curator.admit(self._undecided[len(self._ends) - 1]))
        return self._ends[root]

    def close(self, last: int) -> None:
        """Nothing after root request `last` will be decided: let go of those that wait for it."""
        self._last = last if self._last is None else min(self._last, last)
        for root, event in list(self._waiting.items()):
            if root > self._last:
                event.set()

    def _note(self, decisions: Sequence[Decision]) -> None:
        for decision in decisions:
            if decision.accepted:
                if decision.candidate.item.output is not None:
                    self.finished.append(len(self.admitted))
                self.admitted.append(decision.candidate)
        self._ends.append(len(self.admitted))
