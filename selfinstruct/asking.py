"""The durable ask: a reply is paid for once, and is on the disk before anyone looks inside."""

from __future__ import annotations

import asyncio
import re
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

from selfinstruct.contracts import Teacher
from selfinstruct.errors import (
    JournalError,
    PluginError,
    RequestRefused,
    SelfInstructError,
    TeacherStop,
    TeacherUnavailable,
    TransientError,
    Unasked,
)
from selfinstruct.journal import Entry, Journal, Outcome
from selfinstruct.patience import persist
from selfinstruct.records import Failure, Reply, Request, Usage

_NOT_SAMPLING = {"response_format"}  # part of the request, but no news in every line of the journal
_KEY = re.compile(r"\d+([./].+)?")  # "41", "41.3/solve"
_FAILURES_IN_A_ROW = 20


def root_of(key: str) -> int:
    """The index of the root request that a key belongs to: 41 for "41" and for "41.3/solve"."""
    return int(key.partition("/")[0].partition(".")[0])


class Ask:
    """Replies from the journal where it has them, else from the teacher, journaled first.

    `open_teacher` is called when there is something to ask, and gives the same teacher each time. Without it this is the
    offline half of the same thing: what the journal lacks is Unasked.
    """

    def __init__(
        self,
        journal: Journal,
        open_teacher: Callable[[], Teacher] | None = None,
        *,
        concurrency: int = 1,
        max_requests: int | None = None,
        patience: float = 600.0,
    ) -> None:
        self.journal = journal
        self._open_teacher = open_teacher
        self.max_requests = max_requests
        self.patience = patience
        self.in_flight = 0
        self.asked = 0
        self.faults: Counter[str] = Counter()
        self.used: dict[str, Usage] = {}
        self.stopped_by: SelfInstructError | None = None
        self.limit_reached = False
        self._slots = asyncio.Semaphore(concurrency)
        self._closed = open_teacher is None
        self._failures_in_a_row = 0
        self._last_answer = time.monotonic()
        self._stopping = asyncio.Event()

    async def __call__(self, key: str, request: Request) -> Reply:
        """The reply to a request; raises RequestRefused, or Unasked when there is none and none may be asked for."""
        if not _KEY.fullmatch(key):
            raise PluginError(
                f"the method asks under the key {key!r}; a key is the index of its root request, then / or . and more"
            )
        entry = self.journal.get(key)
        if entry is None:
            entry = await self._new(key, request)
        if entry.request != request.digest:
            raise JournalError(
                f"{self.journal.path}: the reply {key!r} answers another request than this run makes; the directory's "
                "seeds, prompt or recipe, or the method's code, have been changed since"
            )
        if isinstance(entry.outcome, Failure):
            raise RequestRefused(entry.outcome.message, cause=entry.outcome.cause, status=entry.outcome.status)
        self.used[key] = entry.outcome.usage or Usage()
        return entry.outcome

    def usage_below(self, root: int) -> tuple[int, Usage]:
        """Requests that were answered, and their tokens, of the root requests with an index below `root`."""
        used = [usage for key, usage in self.used.items() if root_of(key) < root]
        return len(used), sum(used, Usage())

    def close(self, cause: SelfInstructError | None = None) -> None:
        """Ask nothing new from now on; what is in flight still arrives and is saved, retries are given up."""
        self._closed = True
        self.stopped_by = self.stopped_by or cause
        self._stopping.set()

    async def _new(self, key: str, request: Request) -> Entry:
        async with self._slots:
            if self._closed:
                raise Unasked(key)
            if self.max_requests is not None and len(self.journal) + self.in_flight >= self.max_requests:
                self.limit_reached = True
                raise Unasked(key)
            self.in_flight += 1
            self.asked += 1
            try:
                entry = await self._answer(key, request)
            finally:
                self.in_flight -= 1
        try:
            await self.journal.saved()
        except JournalError as error:
            self.close(error)
            raise Unasked(key) from None
        return entry

    async def _answer(self, key: str, request: Request) -> Entry:
        """Ask the teacher and hand what comes to the journal, with no `await` between the two."""
        faults: list[float] = []
        outcome, seconds = await self._outcome(key, request, faults)
        sampling = {name: value for name, value in request.sampling.items() if name not in _NOT_SAMPLING}
        given_up = isinstance(outcome, Failure) and outcome.status is None
        attempts = len(faults) if given_up else len(faults) + 1
        entry = Entry(key, request.digest, outcome, sampling, seconds, attempts, time.time())
        try:
            self.journal.append(entry)
        except JournalError as error:
            self.close(error)
            raise Unasked(key) from None
        return entry

    async def _outcome(self, key: str, request: Request, faults: list[float]) -> tuple[Outcome, float]:
        """The reply, or the failure to record, and the seconds it took; raises Unasked when the run must stop instead.

        The times of failed attempts are added to `faults`.
        """

        def on_fault(cause: str) -> None:
            faults.append(time.monotonic())
            self.faults[cause] += 1

        try:
            answered = await persist(lambda: self._attempt(key, request), self.patience, on_fault=on_fault, sleep=self._sleep)
        except RequestRefused as error:
            return self._failed(Failure(error.cause, str(error), error.status)), 0.0
        except TransientError as error:
            if error.cause != "rate_limit" and self._others_are_answered(faults):
                return self._failed(Failure(error.cause, str(error))), 0.0
            self.close(TeacherUnavailable(f"the teacher kept failing, and the patience of {self.patience:g} s is over: {error}"))
            raise Unasked(key) from None
        except TeacherStop as error:
            self.close(error)
            raise Unasked(key) from None
        self._failures_in_a_row = 0
        self._last_answer = time.monotonic()
        return answered.reply, answered.seconds

    def _others_are_answered(self, faults: list[float]) -> bool:
        """Whether it is the request that fails and not the teacher: replies came in the second half of its attempts."""
        return len(faults) >= 3 and self._last_answer > (faults[0] + faults[-1]) / 2

    def _failed(self, failure: Failure) -> Failure:
        """Count a failure; after too many without a reply in between, stop instead of burning through the plan."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _FAILURES_IN_A_ROW:
            self.close(TeacherStop(f"{self._failures_in_a_row} requests failed in a row, the last one so: {failure.message}"))
        return failure

    async def _attempt(self, key: str, request: Request) -> Reply:
        """One attempt, unless the run is stopping: then there is no further one."""
        if self._open_teacher is None or self._stopping.is_set():
            raise Unasked(key)
        reply = await self._open_teacher().reply(key, request)
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            raise TeacherStop(f"the teacher answered request {key!r} with {type(reply).__name__} and no text; mend the teacher")
        return reply

    async def _sleep(self, seconds: float) -> None:
        """Wait before another attempt, but no longer than until the run stops."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)
