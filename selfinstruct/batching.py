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
from dataclasses import dataclass
from typing import Any, TypeVar

from selfinstruct.collecting import LONGEST_LOOK, Collector
from selfinstruct.contracts import BatchEndpoint
from selfinstruct.entries import BatchLine, Entry
from selfinstruct.errors import RequestRefused, TeacherError, TeacherStop, TeacherUnavailable, TransientError, Unasked
from selfinstruct.live import Live, sampling_of
from selfinstruct.records import Request, Usage

T = TypeVar("T")

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one batch, as OpenAI allows
_QUIET = 0.5  # seconds without a new request after which those gathered are handed in
_BATCHES_AT_MOST = 3  # in which one request is tried, before it is asked live


@dataclass(eq=False)
class _Gathered:
    """A request that waits to be handed in."""

    key: str
    request: Request
    line: bytes


class Batching:
    """Gets replies by batch: those of batches under way, and, with `new`, new ones too; all others live."""

    def __init__(self, live: Live, open_batches: Callable[[], BatchEndpoint], *, new: bool) -> None:
        self.live = live
        self.halt = live.halt
        self.journal = live.journal
        self.new = new
        self._open = open_batches
        self.collector = Collector(live, open_batches, self._has_ended)
        self._gathered: list[_Gathered] = []
        self._refused: set[str] = set()  # keys of requests for which the budget has no room, and never will
        self._latest = 0.0  # when the latest of these came
        self._changed = asyncio.Event()
        self._ended: dict[str, asyncio.Event] = {}  # by batch name, or by request key while that is only gathered
        self._tries = Counter(
            key
            for batch in self.journal.counts.batches.values()
            if batch.ended not in ("", "unsent")
            for key in batch.plan.requests
        )
        self._workers: set[asyncio.Task[None]] = set()
        self.halt.on_close.append(self._wake)

    def start(self) -> None:
        """Look after the batches that a former process left behind, and hand in what is gathered."""
        for name in self.journal.counts.open_batches:
            self._work(self.collector.tend(name))
        if self.new:
            self._work(self._hand_in())

    async def close(self) -> None:
        """End the work; batches at the provider go on."""
        self._wake()
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)

    async def obtain(self, key: str, request: Request) -> Entry:
        """The journaled outcome of a request that had none; raises Unasked when the run must stop instead."""
        while not self.halt.closed:
            if (entry := self.journal.get(key)) is not None:
                return entry
            if name := self._batch_of(key):
                await self._ended.setdefault(name, asyncio.Event()).wait()
            elif key in self._refused:
                break
            elif self.new and self._tries[key] < _BATCHES_AT_MOST:
                await self._gather(key, request)
            else:
                return await self.live.obtain(key, request)
        raise Unasked(key)

    def _batch_of(self, key: str) -> str | None:
        """The batch under way that has this request."""
        return next((name for name, batch in self.journal.counts.open_batches.items() if key in batch.plan.requests), None)

    async def _gather(self, key: str, request: Request) -> None:
        """Add a request to those that are handed in next, and wait until it is planned or refused."""
        line = self._open().line(key, request)
        self._gathered.append(_Gathered(key, request, line))
        self._latest = time.monotonic()
        self._changed.set()
        waiting = self._ended[key] = asyncio.Event()
        await waiting.wait()
        del self._ended[key]

    def _has_ended(self, name: str) -> None:
        """A batch has come to its end: whatever it did not bring has had one more try."""
        batch = self.journal.counts.batches[name]
        if batch.ended != "unsent":
            self._tries.update(batch.plan.requests.keys())
        self._release(name)

    def _release(self, name: str) -> None:
        """Whoever waits for a batch, or for a request's place in one, may look again."""
        if name in self._ended:
            self._ended[name].set()

    def _wake(self) -> None:
        self._changed.set()
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
        except Unasked:
            pass  # the run stops, and has said why
        except TeacherError as error:
            self.halt.close(error)
        except Exception as error:
            self.halt.close(TeacherStop(f"looking after a batch failed ({type(error).__name__}: {error})"))
            raise

    async def _hand_in(self) -> None:
        """Hand in what is gathered whenever no more has come for a moment, or when it is enough for a whole batch."""
        while not self.halt.closed:
            waiting = self._latest + _QUIET - time.monotonic()
            if not self._gathered:
                self._changed.clear()
                await self._changed.wait()
            elif waiting > 0 and len(self._gathered) < MOST_REQUESTS:
                await self.halt.sleep(waiting)
            elif shard := await self._shard():
                await self._submit(shard)
        for one in self._gathered:
            self._release(one.key)

    async def _shard(self) -> list[_Gathered]:
        """The gathered requests that go together: of one path, within the provider's and the budget's limits.

        None if the first of them will never fit the budget; it is let go.
        """
        first = self._gathered[0]
        try:
            await self.live.room(first.request, batch=True)
        except Unasked:
            self._refused.add(first.key)
            self._release(self._gathered.pop(0).key)
            return []
        path, bound, size = self._open().path(first.request), first.request.bound, 0
        shard: list[_Gathered] = []
        rest: list[_Gathered] = []
        for one in self._gathered:
            more = one.request.bound if bound is None or not shard else bound + (one.request.bound or bound)
            fits = len(shard) < MOST_REQUESTS and size + len(one.line) <= MOST_BYTES and self._open().path(one.request) == path
            if fits and self.live.budget.room(more, len(shard) + 1, batch=True) == "now":
                shard.append(one)
                bound, size = more, size + len(one.line)
            else:
                rest.append(one)
        self._gathered = rest
        return shard

    async def _submit(self, shard: list[_Gathered]) -> None:
        """Plan a batch in the journal, hand it in, and look after it."""
        name = uuid.uuid4().hex
        self.live.note(_plan(name, shard))
        await self.live.saved()
        for one in shard:
            self._release(one.key)
        path = self._open().path(shard[0].request)
        id = await self._certainly(name, path, b"".join(one.line for one in shard))
        self.collector.note(name, "submitted", id=id)
        await self.live.saved()
        self._work(self.collector.watch(name, id))

    async def _certainly(self, name: str, path: str, lines: bytes) -> str:
        """Hand in a batch once: after a fault, first look whether it arrived. What is refused outright ends the run."""
        since = time.monotonic()
        wait = 1.0
        looked = True
        while True:
            try:
                found = None if looked else await self._open().find(name)
                looked = True
                return found or await self._open().submit(name, path, lines)
            except TransientError as fault:
                looked = False
                if time.monotonic() - since > self.live.patience or self.halt.closed:
                    self.halt.close(TeacherUnavailable(f"a batch could not be handed in: {fault}"))
                    raise Unasked(name) from None
                await self.halt.sleep(fault.wait or wait)
                wait = min(2 * wait, LONGEST_LOOK)
            except (RequestRefused, TeacherStop) as error:
                self.collector.note(name, "unsent", str(error))
                raise TeacherStop(f"the batch was not taken: {error}; mend that, or go on with --no-batch") from None


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
        bound = one.request.bound or Usage()
        requests[one.key] = (one.request.digest, number, bound.prompt_tokens, bound.completion_tokens)
    return BatchLine(name, "planned", time.time(), samplings=tuple(samplings.values()), requests=requests)
