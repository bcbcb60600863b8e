"""Asking by batch: requests are gathered, handed in as files, and collected when the provider has answered them.

A batch is planned in the journal under a name of our own before it is handed in, and the provider's id for it is noted
after. Killed between the two, the next start finds the batch by its name at the provider, or learns that there is none.
What a batch brings is matched by request key alone; what it does not bring is asked for again.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from selfinstruct.client.batch_collection import LONGEST_LOOK, Collector
from selfinstruct.client.live import Live, sampling_of
from selfinstruct.contracts import BatchEndpoint
from selfinstruct.errors import (
    ReplyMissing,
    RequestRefused,
    SelfInstructError,
    TeacherError,
    TeacherStop,
    TeacherUnavailable,
    TransientError,
)
from selfinstruct.journal.events import BatchLine, Entry
from selfinstruct.journal.totals import Batch
from selfinstruct.records import Request, Usage

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one batch, as OpenAI allows
_QUIET = 0.5  # seconds without a new request after which those gathered are handed in
BATCHES_AT_MOST = 3  # in which one request is tried, before it is asked live


@dataclass(eq=False)
class _Gathered:
    """A request that waits to be handed in; `placed` becomes True when a batch has it, False when none ever will."""

    key: str
    request: Request
    line: bytes
    bound: Usage | None
    placed: asyncio.Future[bool]


class Batching:
    """Gets replies by batch: those of batches under way, and, with `new`, new ones too; all others live."""

    def __init__(self, live: Live, open_batches: Callable[[str], BatchEndpoint], *, new: bool) -> None:
        self.live = live
        self.shutdown = live.shutdown
        self.journal = live.journal
        self.new = new
        self._open = open_batches
        self.collector = Collector(live, open_batches, self._has_ended)
        self._gathered: list[_Gathered] = []
        self._latest = 0.0  # when the latest of these came
        self._changed = asyncio.Event()
        self._ended: dict[str, asyncio.Event] = {}  # by batch name
        self._tries = Counter(
            key for batch in self.journal.counts.batches.values() if _tried(batch) for key in batch.plan.requests
        )
        self._tended: set[str] = set()  # batches that somebody looks after
        self._workers: set[asyncio.Task[None]] = set()
        self.shutdown.on_close.append(self._wake)

    def start(self) -> None:
        """Begin to hand in what is gathered; batches of a former process are looked after when a row waits for them."""
        if self.new:
            self._work(self._hand_in())

    async def close(self) -> None:
        """End the work; batches at the provider go on."""
        self._wake()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def glean(self) -> None:
        """When all rows are there: collect batches that have ended meanwhile although no row needs them, for they are paid.

        Those that go on are left for the next time, and so is what cannot be had now.
        """
        for name in self.journal.counts.open_batches:
            with suppress(TeacherError, ReplyMissing):
                await self.collector.tend(name)

    async def obtain(self, key: str, request: Request) -> Entry:
        """The journaled outcome of a request that had none; raises ReplyMissing when the run must stop instead."""
        while not self.shutdown.closed:
            if (entry := self.journal.get(key)) is not None:
                return entry
            if name := self._batch_of(key):
                if name not in self._tended:
                    self._tended.add(name)
                    self._work(self.collector.tend(name))
                await self._ended.setdefault(name, asyncio.Event()).wait()
            elif self.new and self._tries[key] < BATCHES_AT_MOST:
                await self._gather(key, request)
            else:
                return await self.live.obtain(key, request)
        if (entry := self.journal.get(key)) is not None:  # it came while the run was stopping
            return entry
        raise ReplyMissing(key)

    def _batch_of(self, key: str) -> str | None:
        """The batch under way that has this request."""
        return next((name for name, batch in self.journal.counts.open_batches.items() if key in batch.plan.requests), None)

    async def _gather(self, key: str, request: Request) -> None:
        """Add a request to the next batch and wait until a batch has it; raises ReplyMissing if none ever will."""
        line = self._open(request.teacher).line(key, request)
        one = _Gathered(key, request, line, request.bound, asyncio.get_running_loop().create_future())
        self._gathered.append(one)
        self._latest = time.monotonic()
        self._changed.set()
        if not await one.placed:
            raise ReplyMissing(key)

    def _has_ended(self, name: str) -> None:
        """A batch has come to its end: whatever it did not bring has had one more try."""
        batch = self.journal.counts.batches[name]
        if _tried(batch):
            self._tries.update(batch.plan.requests.keys())
        if name in self._ended:
            self._ended[name].set()

    def _wake(self) -> None:
        """The run stops: nobody is to wait any longer."""
        self._changed.set()
        for one in self._gathered:
            _place(one, False)
        for event in self._ended.values():
            event.set()

    def _work(self, work: Coroutine[Any, Any, None]) -> None:
        worker = asyncio.create_task(self._guarded(work))
        self._workers.add(worker)
        worker.add_done_callback(self._workers.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Let what goes wrong stop the run instead of vanishing."""
        try:
            await work
        except ReplyMissing:
            pass  # the run stops, and has said why
        except SelfInstructError as error:
            self.shutdown.close(error)
        except Exception as error:
            self.shutdown.close(TeacherStop(f"looking after a batch failed ({type(error).__name__}: {error})"))
            raise

    async def _hand_in(self) -> None:
        """Hand in what is gathered whenever no more has come for a moment, or when it is enough for a whole batch."""
        while not self.shutdown.closed:
            waiting = self._latest + _QUIET - time.monotonic()
            if not self._gathered:
                self._changed.clear()
                await self._changed.wait()
            elif waiting > 0 and len(self._gathered) < MOST_REQUESTS:
                await self.shutdown.sleep(waiting)
            elif await self._fits(self._gathered[0]):
                await self._submit(self._shard())
            else:
                _place(self._gathered.pop(0), False)

    async def _fits(self, one: _Gathered) -> bool:
        """Wait until the budget has room for a request; False if it never will have."""
        try:
            await self.live.room(one.request, batch=True)
        except ReplyMissing:
            return False
        return True

    def _shard(self) -> list[_Gathered]:
        """The gathered requests that go together: of one teacher and path, within the provider's and the budget's limits."""
        first, bound, size = self._kind(self._gathered[0]), Usage(), 0
        shard: list[_Gathered] = []
        rest: list[_Gathered] = []
        for one in self._gathered:
            more = bound + (one.bound or Usage())
            fits = len(shard) < MOST_REQUESTS and size + len(one.line) <= MOST_BYTES and self._kind(one) == first
            fits = fits or not shard  # one that is too large by itself is the provider's to refuse
            bounded = one.bound is not None or not self.live.budget.limits.need_bounds
            if fits and bounded and self.live.budget.room(more, len(shard) + 1, batch=True, teacher=first[0]) == "now":
                shard.append(one)
                bound, size = more, size + len(one.line)
            else:
                rest.append(one)
        self._gathered = rest
        return shard

    def _kind(self, one: _Gathered) -> tuple[str, str]:
        """Whom a request asks, and by which path."""
        return one.request.teacher, self._open(one.request.teacher).path(one.request)

    async def _submit(self, shard: list[_Gathered]) -> None:
        """Plan a batch in the journal, hand it in, and look after it."""
        name = uuid.uuid4().hex
        self._tended.add(name)
        self.live.note(_plan(name, shard))
        for one in shard:
            _place(one, True)
        await self.live.saved()
        id = await self._certainly(name, self._kind(shard[0])[1], b"".join(one.line for one in shard))
        self.collector.note(name, "submitted", id=id)
        await self.live.saved()
        self._work(self.collector.watch(name, id))

    async def _certainly(self, name: str, path: str, lines: bytes) -> str:
        """Hand in a batch once: after a fault, first find out whether it arrived. What is refused outright ends the run."""
        since, wait, doubtful = time.monotonic(), 1.0, False
        while not self.shutdown.closed:
            try:
                if doubtful and (found := await self.collector.recovered(name)):
                    return found  # what goes wrong while it is looked for says nothing of what was handed in
                doubtful = True
                return await self._submitted(name, path, lines)
            except TransientError as fault:
                if time.monotonic() - since > self.live.patience:
                    self.shutdown.close(TeacherUnavailable(f"a batch could not be handed in: {fault}"))
                await self.shutdown.sleep(fault.wait or wait)
                wait = min(2 * wait, LONGEST_LOOK)
        if not doubtful:
            self.collector.note(name, "unsent", "the run was stopped before it was handed in")
        raise ReplyMissing(name)

    async def _submitted(self, name: str, path: str, lines: bytes) -> str:
        """Hand in a batch that is not there; when the provider does not take it, tidy up and end the run."""
        try:
            return await self.collector.opened(name).submit(name, path, lines)
        except (RequestRefused, TeacherStop) as error:
            self.collector.note(name, "unsent", str(error))
            with suppress(TeacherError):
                await self.collector.opened(name).discard(name)
            raise TeacherStop(f"the batch was not taken: {error}; mend that, or go on with --no-batch") from None


def _tried(batch: Batch) -> bool:
    """Whether a batch has come to an end in which its requests had their chance."""
    return batch.ended not in ("", "unsent", "failed", "cancelled")


def _place(one: _Gathered, placed: bool) -> None:
    """Tell the one who waits for a request's place in a batch; who was let go of already needs no telling."""
    if not one.placed.done():
        one.placed.set_result(placed)


def _plan(name: str, shard: Sequence[_Gathered]) -> BatchLine:
    """The journal's line for a batch that is about to be handed in; equal samplings are written once."""
    samplings: dict[str, Mapping[str, Any]] = {}
    numbers: dict[str, int] = {}
    requests = {}
    for one in shard:
        sampling = sampling_of(one.request)
        text = str(sampling)
        samplings.setdefault(text, sampling)
        number = numbers.setdefault(text, len(numbers))
        bound = one.bound or Usage()
        requests[one.key] = (one.request.digest, number, bound.prompt_tokens, bound.completion_tokens)
    plan = BatchLine(name, "planned", time.time(), samplings=tuple(samplings.values()), requests=requests)
    return replace(plan, teacher=shard[0].request.teacher)
