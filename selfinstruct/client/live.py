"""Asking a teacher now, one call for each request: paced, within the budget, and noted in the journal before and after."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from selfinstruct.client.budget import Budget
from selfinstruct.client.load_balancer import Call, Endpoints
from selfinstruct.client.retry import persist
from selfinstruct.client.shutdown import Shutdown
from selfinstruct.errors import (
    RATE_LIMIT,
    JournalError,
    RecipeError,
    ReplyMissing,
    RequestRefused,
    SelfInstructError,
    TeacherStop,
    TeacherUnavailable,
    TransientError,
)
from selfinstruct.journal.events import Entry, Fault, Line, Outcome, Sent
from selfinstruct.journal.file import Journal
from selfinstruct.records import Failure, Reply, Request, Usage, root_of

_NOT_SAMPLING = {"response_format"}  # part of the request, but no news in every line of the journal
FAILURES_IN_A_ROW = 20
_ATTEMPTS = 8  # calls for one request that fail while others are answered


class Live:
    """Replies from teachers' endpoints, which are given by the teacher's name.

    `timeout` is seconds for one call, `patience` seconds without any answer.
    """

    def __init__(
        self,
        journal: Journal,
        endpoints: Mapping[str, Endpoints],
        budget: Budget,
        shutdown: Shutdown,
        *,
        patience: float,
        timeout: float,
    ) -> None:
        self.journal = journal
        self.endpoints = endpoints
        self.budget = budget
        self.shutdown = shutdown
        self.patience = patience
        self.timeout = timeout
        self._settled = asyncio.Event()
        self._failures_in_a_row = 0
        self._last_answer = time.monotonic()
        self._trouble_since: float | None = None
        shutdown.on_close += [*(one.stop for one in endpoints.values()), self._settled.set]

    async def obtain(self, key: str, request: Request) -> Entry:
        """The journaled outcome of a request that had none; raises ReplyMissing when the run must stop instead."""
        faults: list[float] = []
        try:
            entry = await persist(
                lambda: self._attempt(key, request, len(faults) + 1),
                lambda fault: self._enough(fault, faults),
                self.shutdown.sleep,
            )
        except TransientError as fault:
            if not self._is_its_own_fault(faults):
                raise ReplyMissing(key) from None
            entry = entry_of(key, request, self._failed(Failure(fault.cause, str(fault))), 0.0, len(faults))
            self.note(entry)
        await self.saved()
        return entry

    def note(self, line: Line) -> None:
        """Hand a line to the journal; when that fails, the run stops."""
        try:
            self.journal.append(line)
        except JournalError as error:
            self.shutdown.close(error)
            raise ReplyMissing(line.as_line().decode(errors="replace")[:20]) from None
        self._settled.set()

    async def saved(self) -> None:
        """Wait until what was noted is on the disk; when that fails, the run stops."""
        try:
            await self.journal.saved()
        except JournalError as error:
            self.shutdown.close(error)
            raise ReplyMissing("") from None

    async def room(self, request: Request, *, batch: bool = False) -> None:
        """Wait until the request's worst case fits the budget; raises ReplyMissing if it never will."""
        bound = request.bound
        if bound is None and self.budget.limits.need_bounds:
            self.shutdown.close(
                RecipeError(
                    "--max-usd and --max-tokens need a bound on the length of each reply; set --reply-tokens to a number above 0"
                )
            )
        # At a limit nothing more is begun, not even what is smaller: proposals without room for their answers are no use.
        while not self.shutdown.closed and not self.shutdown.limit:
            verdict = self.budget.room(bound, batch=batch, teacher=request.teacher)
            if verdict == "now":
                return
            if verdict == "never":
                self.shutdown.limit = self.budget.reached
                self._settled.set()
                break
            self._settled.clear()
            await self._settled.wait()
        raise ReplyMissing("")

    async def _attempt(self, key: str, request: Request, number: int) -> Entry:
        """One call: its place, its reservation, the reply, and the line in the journal, with no `await` before that."""
        bound = request.bound
        expected = bound.prompt_tokens / 4 + bound.completion_tokens / 2 if bound else 1000.0
        endpoints = self.endpoints[request.teacher]
        try:
            call = await endpoints.begin(expected, root_of(key))
        except SelfInstructError as error:  # a teacher that cannot be opened
            self.shutdown.close(error)
            raise ReplyMissing(key) from None
        if call is None:
            raise ReplyMissing(key)
        pace, ticket = call.endpoint.pace, call.ticket
        tell: Callable[[], None] = lambda: pace.abandoned(ticket)  # noqa: E731 (what the pace hears in the end)
        try:
            await self.room(request)
            self.note(Sent(key, bound, time.time(), request.teacher))
            if self.budget.limits.any:  # a limit must hold even if the power fails now
                await self.saved()
                if self.shutdown.closed:
                    self.note(Fault(key, "unsent", False, time.time()))
                    raise ReplyMissing(key)
            started = time.monotonic()
            outcome = await self._outcome(call, key, request)
            entry = entry_of(key, request, outcome, time.monotonic() - started, number)
            try:
                self.note(entry)
            except (TypeError, ValueError, AttributeError):  # an own teacher's side fields: they must not cost the reply
                assert isinstance(outcome, Reply)
                entry = replace(entry, outcome=_plain(outcome))
                self.note(entry)
            usage = outcome.usage if isinstance(outcome, Reply) else None
            allowances = outcome.allowances if isinstance(outcome, Reply) else {}
            tell = lambda: pace.answered(ticket, usage.tokens if usage else None, allowances)  # noqa: E731
            self._last_answer, self._trouble_since = time.monotonic(), None
            return entry
        except TransientError as fault:
            wait = fault.wait
            failed = pace.throttled if fault.cause == RATE_LIMIT else pace.failed
            tell = lambda: failed(ticket, wait)  # noqa: E731
            self.note(Fault(key, fault.cause, fault.charged, time.time()))
            raise
        finally:
            tell()
            endpoints.done()

    async def _outcome(self, call: Call, key: str, request: Request) -> Outcome:
        """The reply, or the failure to record; raises TransientError, or ReplyMissing when the run stops."""
        teacher = call.endpoint.teacher
        try:
            async with asyncio.timeout(self.timeout) as deadline:
                with self.shutdown.watching(deadline):
                    reply = await teacher.reply(key, request)
        except TimeoutError:
            if self.shutdown.closed:  # the grace is over
                self.note(Fault(key, "given_up", True, time.time()))
                raise ReplyMissing(key) from None
            raise TransientError(
                f"{teacher.host} did not answer within {self.timeout:g} s", cause="timeout", charged=True
            ) from None
        except RequestRefused as error:
            return self._failed(Failure(error.cause, str(error), error.status))
        except TeacherStop as error:
            self.note(Fault(key, "teacher_stop", False, time.time()))
            self.shutdown.close(error)
            raise ReplyMissing(key) from None
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            self.note(Fault(key, "teacher_stop", True, time.time()))
            what = f"the teacher answered request {key!r} with {type(reply).__name__} and no text; mend the teacher"
            self.shutdown.close(TeacherStop(what))
            raise ReplyMissing(key)
        self._failures_in_a_row = 0
        return reply

    def _enough(self, fault: TransientError, faults: list[float]) -> bool:
        """Whether a request that failed just now is not to be tried again; closes the run when patience is over."""
        now = time.monotonic()
        if fault.cause != RATE_LIMIT:
            faults.append(now)
        self._trouble_since = self._trouble_since or now
        left = self._trouble_since + self.patience - now
        if left <= 0:
            message = f"the teacher kept failing, and the patience of {self.patience:g} s is over: {fault}"
            self.shutdown.close(TeacherUnavailable(message))
        for endpoints in self.endpoints.values():
            endpoints.open_by(left)  # the last call is made when patience ends, whatever the teacher asked for
        return self.shutdown.closed or self._is_its_own_fault(faults)

    def _is_its_own_fault(self, faults: list[float]) -> bool:
        """Whether it is the request that fails and not the teacher: others were answered between its many attempts."""
        return len(faults) >= _ATTEMPTS and self._last_answer > (faults[0] + faults[-1]) / 2

    def _failed(self, failure: Failure) -> Failure:
        """Count a failure; after too many without a reply in between, stop instead of burning through the plan."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= FAILURES_IN_A_ROW:
            count = self._failures_in_a_row
            self.shutdown.close(TeacherStop(f"{count} requests failed in a row, the last one so: {failure.message}"))
        return failure


def entry_of(key: str, request: Request, outcome: Outcome, seconds: float, attempts: int) -> Entry:
    """The line that records what came of a request."""
    how = sampling_of(request), seconds, attempts, time.time()
    return Entry(key, request.digest, outcome, *how, teacher=request.teacher)


def _plain(reply: Reply) -> Reply:
    """A reply without the side fields that cannot be written as JSON."""
    usage = reply.usage if isinstance(reply.usage, Usage) else None
    return Reply(reply.text, str(reply.finish_reason), str(reply.model), usage, str(reply.host))


def sampling_of(request: Request) -> dict[str, Any]:
    """The body fields that steered the answer, as the journal and the provenance show them."""
    return {name: value for name, value in request.sampling.items() if name not in _NOT_SAMPLING}
