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
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from selfinstruct.contracts import BatchEndpoint
from selfinstruct.entries import Batch, BatchLine, Entry, Outcome
from selfinstruct.errors import RequestRefused, TeacherError, TeacherStop, TeacherUnavailable, TransientError, Unasked
from selfinstruct.live import Live, sampling_of
from selfinstruct.records import BatchState, Failure, Reply, Request, Usage

T = TypeVar("T")

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one batch, as OpenAI allows
_QUIET = 0.5  # seconds without a new request after which those gathered are handed in
_FIRST_LOOK, _LONGEST_LOOK = 0.5, 60.0  # seconds between two looks at a batch
_BATCHES_AT_MOST = 3  # in which one request is tried, before it is asked live
_SETTLING = 2.0  # seconds that a provider may take to list a batch that was handed in just before a crash
_SAVED_TOGETHER = 500  # replies


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
        self._gathered: list[_Gathered] = []
        self._latest = 0.0  # when the latest of these came
        self._changed = asyncio.Event()
        self._ended: dict[str, asyncio.Event] = {}  # by batch name, or by request key while that is only gathered
        self._tries = Counter(
            key for batch in self.journal.counts.batches.values() if batch.ended not in ("", "unsent") for key in batch.plan.requests
        )
        self._workers: set[asyncio.Task[None]] = set()
        self.halt.on_close.append(self._wake)

    def start(self) -> None:
        """Look after the batches that a former process left behind, and hand in what is gathered."""
        for name in self.journal.counts.open_batches:
            self._work(self._tend(name))
        if self.new:
            self._work(self._hand_in())

    async def cancel(self) -> None:
        """Cancel every batch under way at the provider, and collect what is done; raises TeacherError if that fails."""
        for name in list(self.journal.counts.open_batches):
            if (id := await self._settled_id(name)) is not None:
                await self._persist(lambda id=id: self._open().cancel(id))  # type: ignore[misc]
        for name, batch in list(self.journal.counts.open_batches.items()):
            await self._watch(name, batch.id)

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
            else:
                await self._submit(await self._shard())
        for one in self._gathered:
            self._release(one.key)

    async def _shard(self) -> list[_Gathered]:
        """The gathered requests that go together: of one path, within the provider's and the budget's limits."""
        first = self._gathered[0]
        await self.live.room(first.request, batch=True)
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
        self._note(name, "submitted", id=id)
        await self.live.saved()
        self._work(self._watch(name, id))

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
                wait = min(2 * wait, _LONGEST_LOOK)
            except (RequestRefused, TeacherStop) as error:
                self._note(name, "unsent", str(error))
                raise TeacherStop(f"the batch was not taken: {error}; mend that, or go on with --no-batch") from None

    async def _tend(self, name: str) -> None:
        """Look after a batch of a former process."""
        if (id := await self._settled_id(name)) is not None:
            await self._watch(name, id)

    async def _settled_id(self, name: str) -> str | None:
        """The provider's id of a batch; if it is unknown whether it was handed in, find that out. None if it was not."""
        batch = self.journal.counts.batches[name]
        if batch.id:
            return batch.id
        await self.halt.sleep(batch.plan.time + _SETTLING - time.time())
        found = await self._persist(lambda: self._open().find(name))
        if found is None:
            await self._persist(lambda: self._open().discard(name))
            self._note(name, "unsent", "it never reached the provider")
            self._release(name)
            return None
        self._note(name, "submitted", id=found)
        await self.live.saved()
        return found

    async def _watch(self, name: str, id: str) -> None:
        """Look at a batch until it has ended, then collect it."""
        wait, shown = _FIRST_LOOK, ""
        while not self.halt.closed:
            state = await self._persist(lambda: self._open().look(id))
            if state.ended:
                return await self._collect(name, id, state)
            if str(state) != shown:
                shown = str(state)
                self._note(name, "polled", shown)
            await self.halt.sleep(wait)
            wait = min(1.5 * wait, _LONGEST_LOOK)
        return None

    async def _collect(self, name: str, id: str, state: BatchState) -> None:
        """Put what a batch brought into the journal, and let those who wait for it go on."""
        await self._persist(lambda: self._brought(name, id))
        batch = self.journal.counts.batches[name]
        missing = sum(key not in self.journal for key in batch.plan.requests)
        words = [f"{len(batch.plan.requests) - missing:,} of {len(batch.plan.requests):,} answered", state.detail]
        self._note(name, state.word, "; ".join(filter(None, words)))
        await self.live.saved()
        self._tries.update(batch.plan.requests.keys())
        self._release(name)
        if state.word == "failed":
            self.halt.close(TeacherStop(f"the provider failed the whole batch ({state.detail or 'without a reason'})"))

    async def _brought(self, name: str, id: str) -> None:
        """Every outcome of a batch that the journal lacks yet."""
        batch = self.journal.counts.batches[name]
        count = 0
        async for key, outcome in self._open().results(id):
            if key not in batch.plan.requests or key in self.journal or not isinstance(outcome, Reply | RequestRefused):
                continue  # not ours, there already, or to be asked for again
            self.live.note(_entry(batch, key, outcome))
            count += 1
            if count % _SAVED_TOGETHER == 0:
                await self.live.saved()
        await self.live.saved()

    async def _persist(self, step: Callable[[], Awaitable[T]]) -> T:
        """The result of a step that may be repeated safely; it is, until patience is over."""
        since, wait = time.monotonic(), 1.0
        while True:
            try:
                return await step()
            except TransientError as fault:
                if time.monotonic() - since > self.live.patience:
                    raise TeacherUnavailable(f"the provider's batches cannot be reached: {fault}") from None
                await asyncio.sleep(fault.wait or wait)
                wait = min(2 * wait, _LONGEST_LOOK)

    def _note(self, name: str, state: str, detail: str = "", id: str = "") -> None:
        self.live.note(BatchLine(name, state, time.time(), id, detail))


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


def _entry(batch: Batch, key: str, outcome: Reply | RequestRefused) -> Entry:
    """The journal's line for what a batch brought for a request that may not have been made again in this process."""
    fingerprint, sampling, _, _ = batch.plan.requests[key]
    if isinstance(outcome, RequestRefused):
        result: Outcome = Failure(outcome.cause, str(outcome), outcome.status)
    else:
        result = outcome
    now = time.time()
    return Entry(key, fingerprint, result, batch.plan.samplings[sampling], now - batch.plan.time, 1, now, batch.plan.name)
