"""Follow submitted batches: find, poll, collect and cancel them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

from selfinstruct.client.live import FAILURES_IN_A_ROW, Live
from selfinstruct.contracts import BatchEndpoint
from selfinstruct.errors import BatchGone, FieldRefused, RequestRefused, TeacherStop, TeacherUnavailable, TransientError
from selfinstruct.journal.events import BatchLine, BatchState, Entry, Outcome
from selfinstruct.journal.totals import Batch
from selfinstruct.records import Failure, Reply, Request, Usage

T = TypeVar("T")
_FIRST_LOOK, LONGEST_LOOK = 0.5, 60.0  # seconds between two looks at a batch
_SETTLING = 2.0  # seconds that a provider may take to make, and to list, a batch that was submitted just before a crash
_SAVED_TOGETHER = 500  # replies


class Collector:
    """The follower of submitted batches, which saves their outcomes in the journal.

    `on_end` is called with the name of each batch that has ended.
    """

    def __init__(self, live: Live, open_batches: Callable[[str], BatchEndpoint], on_end: Callable[[str], None]) -> None:
        self.live = live
        self.shutdown = live.shutdown
        self.journal = live.journal
        self._open = open_batches
        self._on_end = on_end
        self._cancelling = False
        self.late = False  # True if replies came after the run had stopped deciding on rows

    async def cancel(self) -> None:
        """Cancel every open batch at the provider, and collect what is done. Raises TeacherError if that fails."""
        self._cancelling = True
        for name in list(self.journal.counts.open_batches):
            if (id := await self.find_id(name)) is not None:
                with suppress(BatchGone):  # `watch` meets it again below
                    await self.keep_trying(lambda name=name, id=id: self.endpoint(name).cancel(id))  # type: ignore[misc]
        for name, batch in list(self.journal.counts.open_batches.items()):
            try:
                await self.watch(name, batch.id)
            except BatchGone:  # its replies are gone too, and must be thought paid
                self.live.note(BatchLine(name, "gone", time.time(), batch.id, "given up", lost=batch.pending))
                await self.live.saved()

    async def follow(self, name: str) -> None:
        """Follow a batch of an earlier process until it has ended or the run stops. Look at it once in any case."""
        if (id := await self.find_id(name)) is not None:
            await self.watch(name, id)

    async def find_id(self, name: str) -> str | None:
        """Return the provider's id of a batch, or None if the batch was not submitted.

        Where the journal does not say so, ask the provider and note the answer in the journal.
        """
        if known := self.journal.counts.batches[name].id:
            return known
        id = await self.keep_trying(lambda: self.find_submitted(name))
        if id is None:
            self.note(name, "unsent", "it never reached the provider")
            self._on_end(name)
            return None
        self.note(name, "submitted", id=id)
        await self.live.saved()
        return id

    async def find_submitted(self, name: str) -> str | None:
        """Return the id of a batch that may have been submitted. After None it never will be.

        A request sent just before a crash or a fault may take effect a moment later. So delete the uploaded file, without
        which no batch can be made any more, and look once more.
        """
        batches = self.endpoint(name)
        if (id := await batches.find(name)) is None:
            await asyncio.sleep(_SETTLING)
            if (id := await batches.find(name)) is None:
                await batches.discard(name)
                id = await batches.find(name)
        return id

    async def watch(self, name: str, id: str) -> None:
        """Look at a batch until it has ended, then collect it. When the run stops, look no more."""
        wait, shown = _FIRST_LOOK, ""
        while True:
            state = await self.keep_trying(lambda: self.endpoint(name).look(id))
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
        """Note the outcomes of an ended batch in the journal, and wake the requests that wait for it."""
        results = await self.keep_trying(lambda: self._note_outcomes(name, id))
        batch = self.journal.counts.batches[name]
        # What is missing from a batch that ended early was not worked on.
        lost = _bounds(batch, results.missing | results.charged if state.word == "completed" else results.charged)
        asked = len(batch.plan.requests)
        answered = sum(key in self.journal for key in batch.plan.requests)
        words = [f"{answered:,} of {asked:,} answered", state.detail]
        self.live.note(BatchLine(name, state.word, time.time(), id, "; ".join(filter(None, words)), lost=lost))
        await self.live.saved()
        self._on_end(name)
        stop = results.stop
        if state.word == "cancelled":
            stop = TeacherStop("a batch was cancelled at the provider. Fix: run the same command again, what it did is saved.")
        if state.word == "failed":
            stop = TeacherStop(
                f"the provider failed the whole batch ({state.detail or 'without a reason'}). "
                "Fix: remove the cause, then run the same command again."
            )
        if stop and not self._cancelling and not self.shutdown.closed:
            self.shutdown.close(stop)

    async def _note_outcomes(self, name: str, id: str) -> _Results:
        """Note every outcome of a batch that the journal lacks yet.

        If every line of a large batch was refused, the fault is most likely in the recipe. Then none of these lines is noted,
        and the run stops.
        """
        batch = self.journal.counts.batches[name]
        results = _Results({key for key in batch.plan.requests if key not in self.journal})
        count, answered = 0, len(results.missing) < len(batch.plan.requests)
        async for key, outcome in self.endpoint(name).results(id):
            results.stop = outcome if isinstance(outcome, TeacherStop) else results.stop
            if key not in batch.plan.requests or key in self.journal:
                continue  # of another run, or noted already
            if isinstance(outcome, FieldRefused) and self._learned(batch, key, outcome):
                continue  # it has no outcome yet, and is asked again without the field
            results.add(key, outcome)
            if not isinstance(outcome, Reply):
                continue
            answered = True
            self.late = self.late or self.shutdown.closed
            self.live.note(_entry(batch, key, outcome))
            count += 1
            if count % _SAVED_TOGETHER == 0:
                await self.live.saved()
        refused = results.refused
        if refused and not answered and len(refused) >= FAILURES_IN_A_ROW:
            last = list(refused.values())[-1]
            results.stop = results.stop or TeacherStop(
                f"all {len(refused):,} requests of a batch were refused (the last one: {last}). "
                "Fix: remove the cause, then run the same command again."
            )
        else:
            for key, error in refused.items():
                if key not in self.journal:
                    self.live.note(_entry(batch, key, error))
        await self.live.saved()
        return results

    def _learned(self, batch: Batch, key: str, refusal: FieldRefused) -> bool:
        """Return True if a refused field of a request can be left out, and note that once."""
        sampling = batch.plan.samplings[batch.plan.requests[key][1]]
        if refusal.field == "response_format":  # the journal's plan does not repeat it
            sampling = {**sampling, refusal.field: None}
        taken, sent = self.live.fields[batch.plan.teacher], Request(sampling, teacher=batch.plan.teacher)
        if not taken.can_leave_out(sent, refusal, bound_needed=self.live.budget.limits.need_bounds):
            return False
        for learned in taken.learn(sent, sent, refusal):
            self.live.note(learned)
        return True

    async def keep_trying(self, step: Callable[[], Awaitable[T]]) -> T:
        """Repeat a step that has no side effects until it succeeds, and return its result.

        Raises TeacherUnavailable after `patience` seconds of faults, or at the first fault once the run stops.
        """
        since, wait = time.monotonic(), 1.0
        while True:
            try:
                return await step()
            except TransientError as fault:
                if self.shutdown.closed or time.monotonic() - since > self.live.patience:
                    raise TeacherUnavailable(
                        f"the provider's batches cannot be reached ({fault}). Fix: run the same command again later."
                    ) from None
                await asyncio.sleep(fault.wait or wait)
                wait = min(2 * wait, LONGEST_LOOK)

    def endpoint(self, name: str) -> BatchEndpoint:
        """Return the endpoint that has the batch of this name."""
        return self._open(self.journal.counts.batches[name].plan.teacher)

    def note(self, name: str, state: str, detail: str = "", id: str = "") -> None:
        """Append a step in the life of a batch to the journal."""
        self.live.note(BatchLine(name, state, time.time(), id, detail))


@dataclass(slots=True)
class _Results:
    """The results of a batch, sorted by request key.

    `missing` are the keys without any outcome. `charged` are those that may be billed although no reply came. `refused` has
    the errors of those that will never be answered. `stop` is the error that only the user can correct, or None.
    """

    missing: set[str]
    charged: set[str] = field(default_factory=set)
    refused: dict[str, RequestRefused] = field(default_factory=dict)
    stop: TeacherStop | None = None

    def add(self, key: str, outcome: object) -> None:
        """Sort in the outcome of a request."""
        self.missing.discard(key)
        if isinstance(outcome, TransientError) and outcome.charged:
            self.charged.add(key)
        if isinstance(outcome, RequestRefused):
            self.refused[key] = outcome
        if isinstance(outcome, Reply):
            self.charged.discard(key)


def _bounds(batch: Batch, keys: set[str]) -> Usage:
    """Return the most that some requests of a batch can have been billed for."""
    bounds = [batch.plan.requests[key][2:] for key in keys]
    return Usage(sum(prompt for prompt, _ in bounds), sum(completion for _, completion in bounds))


def _entry(batch: Batch, key: str, outcome: Reply | RequestRefused) -> Entry:
    """Return the journal's line for an outcome, from the plan alone: this process may not have made the request."""
    fingerprint, sampling, _, _ = batch.plan.requests[key]
    if isinstance(outcome, RequestRefused):
        result: Outcome = Failure(outcome.cause, str(outcome), outcome.status)
    else:
        result = outcome
    now = time.time()
    how = batch.plan.samplings[sampling], now - batch.plan.time, 1, now, batch.plan.name, batch.plan.teacher
    return Entry(key, fingerprint, result, *how)
