"""Ask by batch: collect requests, submit them as files, and wait until the provider has answered them.

A batch is planned in the journal under a name of this package before it is submitted, and the provider's id is noted after.
If the process is killed between the two, the next one finds the batch by its name at the provider, or learns that there is
none. The results are matched by request key alone. A request without a result is asked again.
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
    setting,
)
from selfinstruct.journal.events import BatchLine, Entry
from selfinstruct.journal.totals import Batch
from selfinstruct.records import Request, Usage

MOST_REQUESTS, MOST_BYTES = 50_000, 200_000_000  # of one batch, as OpenAI allows
_QUIET = 0.5  # seconds without a new request after which the pending ones are submitted
BATCHES_AT_MOST = 3  # in which one request is tried before it is asked live


@dataclass(eq=False)
class _Pending:
    """A request that waits for a batch, and the request as it is `sent`.

    `placed` becomes True when a batch has it, and False when none ever will.
    """

    key: str
    request: Request
    sent: Request
    line: bytes
    bound: Usage | None
    placed: asyncio.Future[bool]

    def place(self, placed: bool) -> None:
        """Wake the task that waits, unless it was cancelled."""
        if not self.placed.done():
            self.placed.set_result(placed)


class Batching:
    """Replies from batches: from open ones, from new ones if `new` is True, and by live calls else."""

    def __init__(self, live: Live, open_batches: Callable[[str], BatchEndpoint], *, new: bool) -> None:
        self.live = live
        self.shutdown = live.shutdown
        self.journal = live.journal
        self.new = new
        self._open = open_batches
        self.collector = Collector(live, open_batches, self._on_end)
        self._pending: list[_Pending] = []
        self._last_came = 0.0  # when the last pending request came, in seconds of the monotonic clock
        self._changed = asyncio.Event()
        self._ended: dict[str, asyncio.Event] = {}  # by batch name
        self._tries = Counter(
            key for batch in self.journal.counts.batches.values() if _counts_as_try(batch) for key in batch.plan.requests
        )
        self._followed: set[str] = set()  # names of batches that a task follows
        self._tasks: set[asyncio.Task[None]] = set()
        self.shutdown.on_close.append(self._wake)

    def start(self) -> None:
        """Begin to submit batches. Batches of an earlier process are followed once a request waits for them."""
        if self.new:
            self._start_task(self._submit_pending())

    async def close(self) -> None:
        """End the tasks. Batches at the provider go on."""
        self._wake()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def collect_ended(self) -> None:
        """Collect batches that have ended although no row needs them, because they are paid.

        Call it when all rows are there. Batches that go on, or cannot be collected now, are left to the next run.
        """
        for name in self.journal.counts.open_batches:
            with suppress(TeacherError, ReplyMissing):
                await self.collector.follow(name)

    async def obtain(self, key: str, request: Request) -> Entry:
        """Return the outcome of a request that had none, once it is in the journal and on the disk.

        Raises ReplyMissing when the run must stop instead.
        """
        while not self.shutdown.closed:
            if (entry := self.journal.get(key)) is not None:
                return entry
            if name := self._open_batch_of(key):
                if name not in self._followed:
                    self._followed.add(name)
                    self._start_task(self.collector.follow(name))
                await self._ended.setdefault(name, asyncio.Event()).wait()
            elif self.new and self._tries[key] < BATCHES_AT_MOST:
                await self._wait_for_batch(key, request)
            else:
                return await self.live.obtain(key, request)
        if (entry := self.journal.get(key)) is not None:  # it came while the run was stopping
            return entry
        raise ReplyMissing(key)

    def _open_batch_of(self, key: str) -> str | None:
        """Return the name of the open batch that has a request, or None."""
        return next((name for name, batch in self.journal.counts.open_batches.items() if key in batch.plan.requests), None)

    async def _wait_for_batch(self, key: str, request: Request) -> None:
        """Add a request to the pending ones, and wait until a batch has it. Raises ReplyMissing if none ever will."""
        sent = self.live.fields[request.teacher].fit(request)
        line = self._open(request.teacher).line(key, sent)
        pending = _Pending(key, request, sent, line, sent.bound, asyncio.get_running_loop().create_future())
        self._pending.append(pending)
        self._last_came = time.monotonic()
        self._changed.set()
        if not await pending.placed:
            raise ReplyMissing(key)

    def _on_end(self, name: str) -> None:
        """Count one more try for the requests of an ended batch, and wake those that wait for it."""
        batch = self.journal.counts.batches[name]
        if _counts_as_try(batch):
            self._tries.update(batch.plan.requests.keys())
        if name in self._ended:
            self._ended[name].set()

    def _wake(self) -> None:
        """Wake every waiting task, because the run stops."""
        self._changed.set()
        for pending in self._pending:
            pending.place(False)
        for event in self._ended.values():
            event.set()

    def _start_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _guarded(self, work: Coroutine[Any, Any, None]) -> None:
        """Do the work of a task. An error in it stops the run, where it would vanish otherwise."""
        try:
            await work
        except ReplyMissing:
            pass  # the run stops, and has said why
        except SelfInstructError as error:
            self.shutdown.close(error)
        except Exception as error:
            self.shutdown.close(TeacherStop(f"a task that follows a batch failed ({type(error).__name__}: {error})"))
            raise

    async def _submit_pending(self) -> None:
        """Submit the pending requests whenever no more came for a moment, or when they fill a whole batch."""
        while not self.shutdown.closed:
            waiting = self._last_came + _QUIET - time.monotonic()
            if not self._pending:
                self._changed.clear()
                await self._changed.wait()
            elif waiting > 0 and len(self._pending) < MOST_REQUESTS:
                await self.shutdown.sleep(waiting)
            elif await self._fits(self._pending[0]):
                await self._submit(self._take_batch())
            else:
                self._pending.pop(0).place(False)

    async def _fits(self, pending: _Pending) -> bool:
        """Wait until a request fits the budget. Return False if it never will."""
        try:
            await self.live.wait_for_budget(pending.sent, batch=True)
        except ReplyMissing:
            return False
        return True

    def _take_batch(self) -> list[_Pending]:
        """Take the pending requests of the next batch, within the provider's and the budget's limits.

        All have the teacher and the path of the first one.
        """
        address, bound, size = self._address(self._pending[0]), Usage(), 0
        taken: list[_Pending] = []
        rest: list[_Pending] = []
        for pending in self._pending:
            more = bound + (pending.bound or Usage())
            fits = len(taken) < MOST_REQUESTS and size + len(pending.line) <= MOST_BYTES and self._address(pending) == address
            fits = fits or not taken  # a request that is too large by itself is the provider's to refuse
            bounded = pending.bound is not None or not self.live.budget.limits.need_bounds
            if fits and bounded and self.live.budget.fit(more, len(taken) + 1, batch=True, teacher=address[0]) == "now":
                taken.append(pending)
                bound, size = more, size + len(pending.line)
            else:
                rest.append(pending)
        self._pending = rest
        return taken

    def _address(self, pending: _Pending) -> tuple[str, str]:
        """Return the teacher that a request asks, and the path by which it does."""
        return pending.request.teacher, self._open(pending.request.teacher).path(pending.request)

    async def _submit(self, batch: list[_Pending]) -> None:
        """Plan a batch in the journal, submit it, and follow it."""
        name = uuid.uuid4().hex
        self._followed.add(name)
        self.live.note(_plan(name, batch))
        for pending in batch:
            pending.place(True)
        await self.live.saved()
        id = await self._submit_once(name, self._address(batch[0])[1], b"".join(pending.line for pending in batch))
        self.collector.note(name, "submitted", id=id)
        await self.live.saved()
        self._start_task(self.collector.watch(name, id))

    async def _submit_once(self, name: str, path: str, lines: bytes) -> str:
        """Submit a batch exactly once and return its id: after a fault, first find out whether it arrived."""
        since, wait, doubtful = time.monotonic(), 1.0, False
        while not self.shutdown.closed:
            try:
                if doubtful and (id := await self.collector.find_submitted(name)):
                    return id  # errors other than faults pass on, because they do not tell whether it was submitted
                doubtful = True
                return await self._try_to_submit(name, path, lines)
            except TransientError as fault:
                if time.monotonic() - since > self.live.patience:
                    self.shutdown.close(
                        TeacherUnavailable(
                            f"a batch could not be submitted ({fault}). "
                            f"Fix: run the same command again later, or set {setting('batch', False)}."
                        )
                    )
                await self.shutdown.sleep(fault.wait or wait)
                wait = min(2 * wait, LONGEST_LOOK)
        if not doubtful:
            self.collector.note(name, "unsent", "the run was stopped before it was submitted")
        raise ReplyMissing(name)

    async def _try_to_submit(self, name: str, path: str, lines: bytes) -> str:
        """Submit a batch. If the provider refuses it, delete what was uploaded and raise TeacherStop."""
        try:
            return await self.collector.endpoint(name).submit(name, path, lines)
        except (RequestRefused, TeacherStop) as error:
            self.collector.note(name, "unsent", str(error))
            with suppress(TeacherError):
                await self.collector.endpoint(name).discard(name)
            raise TeacherStop(
                f"the batch was not taken: {error}. Fix: remove the cause, or set {setting('batch', False)}."
            ) from None


def _counts_as_try(batch: Batch) -> bool:
    """Return True if a batch came to an end at which its requests could have been answered."""
    return batch.ended not in ("", "unsent", "failed", "cancelled")


def _plan(name: str, batch: Sequence[_Pending]) -> BatchLine:
    """Return the journal's line for a batch that is about to be submitted. Equal samplings are written once."""
    samplings: dict[str, Mapping[str, Any]] = {}
    numbers: dict[str, int] = {}
    requests = {}
    for pending in batch:
        sampling = sampling_of(pending.sent)
        text = str(sampling)
        samplings.setdefault(text, sampling)
        number = numbers.setdefault(text, len(numbers))
        bound = pending.sent.assumed_bound
        requests[pending.key] = (pending.request.digest, number, bound.prompt_tokens, bound.completion_tokens)
    plan = BatchLine(name, "planned", time.time(), samplings=tuple(samplings.values()), requests=requests)
    return replace(plan, teacher=batch[0].request.teacher)
