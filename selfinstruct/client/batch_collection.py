"""Looking after batches that were handed in: finding, watching, collecting and cancelling them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from selfinstruct.client.live import FAILURES_IN_A_ROW, Live
from selfinstruct.contracts import BatchEndpoint
from selfinstruct.errors import BatchGone, RequestRefused, TeacherStop, TeacherUnavailable, TransientError
from selfinstruct.journal.events import BatchLine, BatchState, Entry, Outcome
from selfinstruct.journal.totals import Batch
from selfinstruct.records import Failure, Reply, Usage

T = TypeVar("T")
_FIRST_LOOK, LONGEST_LOOK = 0.5, 60.0  # seconds between two looks at a batch
_SETTLING = 2.0  # seconds that a provider may take to make, and to list, a batch that was handed in just before a crash
_SAVED_TOGETHER = 500  # replies


class Collector:
    """Brings what a provider's batches have done into the journal; `on_end` hears the name of each that has ended."""

    def __init__(self, live: Live, open_batches: Callable[[str], BatchEndpoint], on_end: Callable[[str], None]) -> None:
        self.live = live
        self.shutdown = live.shutdown
        self.journal = live.journal
        self._open = open_batches
        self._on_end = on_end
        self._cancelling = False
        self.late = False  # whether replies came after the run had stopped to look

    async def cancel(self) -> None:
        """Cancel every batch under way at the provider, and collect what is done; raises TeacherError if that fails."""
        self._cancelling = True
        for name in list(self.journal.counts.open_batches):
            if (id := await self.settled_id(name)) is not None:
                with suppress(BatchGone):  # which the next look finds again
                    await self.persist(lambda name=name, id=id: self.opened(name).cancel(id))  # type: ignore[misc]
        for name, batch in list(self.journal.counts.open_batches.items()):
            try:
                await self.watch(name, batch.id)
            except BatchGone:  # and with it what was done, which must be thought paid
                self.live.note(BatchLine(name, "gone", time.time(), batch.id, "given up", lost=batch.pending))
                await self.live.saved()

    async def tend(self, name: str) -> None:
        """Look after a batch of a former process, until it has ended or the run stops, but look once in any case."""
        if (id := await self.settled_id(name)) is not None:
            await self.watch(name, id)

    async def settled_id(self, name: str) -> str | None:
        """The provider's id of a batch; if it is unknown whether it was handed in, find that out. None if it was not."""
        if known := self.journal.counts.batches[name].id:
            return known
        found = await self.persist(lambda: self.recovered(name))
        if found is None:
            self.note(name, "unsent", "it never reached the provider")
            self._on_end(name)
            return None
        self.note(name, "submitted", id=found)
        await self.live.saved()
        return found

    async def recovered(self, name: str) -> str | None:
        """The id of a batch that may have been handed in; None if it was not, and then it never will be.

        What was sent just before a crash or a fault may take effect a moment later. So the uploaded file is deleted, after
        which no batch can be made of it any more, and the last look tells.
        """
        batches = self.opened(name)
        if (found := await batches.find(name)) is None:
            await asyncio.sleep(_SETTLING)
            if (found := await batches.find(name)) is None:
                await batches.discard(name)
                found = await batches.find(name)
        return found

    async def watch(self, name: str, id: str) -> None:
        """Look at a batch until it has ended, then collect it; when the run stops, look no more."""
        wait, shown = _FIRST_LOOK, ""
        while True:
            state = await self.persist(lambda: self.opened(name).look(id))
            if state.ended:
                return await self._collect(name, id, state)
            if str(state) != shown:
                shown = str(state)
                self.note(name, "polled", shown)
            if self.shutdown.closed:
                return None
            await self.shutdown.sleep(wait)
            wait = min(1.5 * wait, LONGEST_LOOK)

    async def _collect(self, name: str, id: str, state: BatchState) -> None:
        """Put what a batch brought into the journal, and let those who wait for it go on."""
        silent, charged, stop = await self.persist(lambda: self._brought(name, id))
        # What a batch that ended early says nothing of was not worked on.
        lost = _bounds(self.journal.counts.batches[name], silent | charged if state.word == "completed" else charged)
        batch = self.journal.counts.batches[name]
        missing = sum(key not in self.journal for key in batch.plan.requests)
        words = [f"{len(batch.plan.requests) - missing:,} of {len(batch.plan.requests):,} answered", state.detail]
        self.live.note(BatchLine(name, state.word, time.time(), id, "; ".join(filter(None, words)), lost=lost))
        await self.live.saved()
        self._on_end(name)
        if state.word == "cancelled":
            stop = TeacherStop("a batch was cancelled at the provider; what it did is kept. Run the same command again to go on")
        if state.word == "failed":
            stop = TeacherStop(f"the provider failed the whole batch ({state.detail or 'without a reason'})")
        if stop and not self._cancelling and not self.shutdown.closed:
            self.shutdown.close(stop)

    async def _brought(self, name: str, id: str) -> tuple[set[str], set[str], TeacherStop | None]:
        """Note every outcome of a batch that the journal lacks yet.

        Returns the keys of which nothing came, those that may have been billed for nothing, and what the user must mend, if
        a line says so. A batch of which every line is refused is such a case too, and none of these lines is noted.
        """
        batch = self.journal.counts.batches[name]
        silent = {key for key in batch.plan.requests if key not in self.journal}
        charged: set[str] = set()
        refused: dict[str, RequestRefused] = {}
        count, stop, answered = 0, None, len(silent) < len(batch.plan.requests)
        async for key, outcome in self.opened(name).results(id):
            stop = outcome if isinstance(outcome, TeacherStop) else stop
            if key not in batch.plan.requests or key in self.journal:
                continue  # not ours, or there already
            silent.discard(key)
            if isinstance(outcome, TransientError) and outcome.charged:
                charged.add(key)
            if isinstance(outcome, RequestRefused):
                refused[key] = outcome
            if not isinstance(outcome, Reply):
                continue  # decided on below, or to be asked for again
            charged.discard(key)
            answered = True
            self.late = self.late or self.shutdown.closed
            self.live.note(_entry(batch, key, outcome))
            count += 1
            if count % _SAVED_TOGETHER == 0:
                await self.live.saved()
        if refused and not answered and len(refused) >= FAILURES_IN_A_ROW:
            last = list(refused.values())[-1]
            stop = stop or TeacherStop(f"all {len(refused):,} requests of a batch were refused, the last one so: {last}")
        else:
            for key, error in refused.items():
                if key not in self.journal:
                    self.live.note(_entry(batch, key, error))
        await self.live.saved()
        return silent, charged, stop

    async def persist(self, step: Callable[[], Awaitable[T]]) -> T:
        """The result of a step that may be repeated safely; it is, until patience is over."""
        since, wait = time.monotonic(), 1.0
        while True:
            try:
                return await step()
            except TransientError as fault:
                if self.shutdown.closed or time.monotonic() - since > self.live.patience:
                    raise TeacherUnavailable(f"the provider's batches cannot be reached: {fault}") from None
                await asyncio.sleep(fault.wait or wait)
                wait = min(2 * wait, LONGEST_LOOK)

    def opened(self, name: str) -> BatchEndpoint:
        """Where the teacher of a batch takes batches."""
        return self._open(self.journal.counts.batches[name].plan.teacher)

    def note(self, name: str, state: str, detail: str = "", id: str = "") -> None:
        """Write a step in the life of a batch into the journal."""
        self.live.note(BatchLine(name, state, time.time(), id, detail))


def _bounds(batch: Batch, keys: set[str]) -> Usage:
    """The most that these requests of a batch can have been billed for."""
    bounds = [batch.plan.requests[key][2:] for key in keys]
    return Usage(sum(prompt for prompt, _ in bounds), sum(completion for _, completion in bounds))


def _entry(batch: Batch, key: str, outcome: Reply | RequestRefused) -> Entry:
    """The journal's line for what a batch brought for a request that may not have been made again in this process."""
    fingerprint, sampling, _, _ = batch.plan.requests[key]
    if isinstance(outcome, RequestRefused):
        result: Outcome = Failure(outcome.cause, str(outcome), outcome.status)
    else:
        result = outcome
    now = time.time()
    how = batch.plan.samplings[sampling], now - batch.plan.time, 1, now, batch.plan.name, batch.plan.teacher
    return Entry(key, fingerprint, result, *how)
