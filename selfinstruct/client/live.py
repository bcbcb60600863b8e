"""Call a teacher now, once for each request: within its rate limits and the budget, and noted in the journal."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from selfinstruct.client.budget import Budget
from selfinstruct.client.fields_taken import FieldsTaken
from selfinstruct.client.first_replies import FirstReplies
from selfinstruct.client.load_balancer import LoadBalancer
from selfinstruct.client.retry import FIELD_REFUSED, THINKING, call_with_retries
from selfinstruct.client.shutdown import Shutdown
from selfinstruct.contracts import Teacher
from selfinstruct.errors import (
    RATE_LIMIT,
    FieldRefused,
    JournalError,
    RecipeError,
    ReplyMissing,
    RequestRefused,
    SelfInstructError,
    TeacherStop,
    TeacherUnavailable,
    TransientError,
    setting,
)
from selfinstruct.journal.events import Entry, Fault, Line, Outcome, Sent
from selfinstruct.journal.file import Journal
from selfinstruct.records import Failure, Reply, Request, Usage, root_of, step_of
from selfinstruct.teachers._reply import with_parts

_NOT_SAMPLING = {"response_format"}  # part of the request, but too long to repeat in every line of the journal
FAILURES_IN_A_ROW = 20
_ATTEMPTS = 8  # calls for one request that fail while other requests are answered
_FIRST_PATIENCE = 45.0  # seconds of faults while nothing was ever answered, so that nothing shows that it ever will be
_LOADING = {RATE_LIMIT, "http_503"}  # causes by which a server says that it will answer later


class Live:
    """Replies from the endpoints of teachers. `balancers` has one entry for each teacher, by its name.

    `timeout` is the seconds for one call, `patience` the seconds without any answer after which the run stops. `fields` has what
    each teacher takes, by its name. `notices` collects sentences that the user should see at once.
    """

    def __init__(
        self,
        journal: Journal,
        balancers: Mapping[str, LoadBalancer],
        budget: Budget,
        shutdown: Shutdown,
        *,
        patience: float,
        timeout: float,
        fields: Mapping[str, FieldsTaken],
        notices: list[str] | None = None,
    ) -> None:
        self.journal = journal
        self.balancers = balancers
        self.budget = budget
        self.shutdown = shutdown
        self.patience = patience
        self.timeout = timeout
        self._budget_changed = asyncio.Event()
        self.fields = fields
        self.first = FirstReplies(journal.counts.useful_steps)
        self.notices = notices if notices is not None else []
        self._ever_answered = bool(journal.counts.replies)
        self._failures_in_a_row = 0
        self._last_answer = time.monotonic()
        self._trouble_since: float | None = None
        shutdown.on_close += [*(balancer.stop for balancer in balancers.values()), self._budget_changed.set, self.first.close]

    async def obtain(self, key: str, request: Request) -> Entry:
        """Return the outcome of a request that had none, once it is in the journal and on the disk.

        Raises ReplyMissing when the run must stop instead.
        """
        faults: list[float] = []
        try:
            entry = await call_with_retries(
                lambda: self._attempt(key, request, len(faults) + 1),
                lambda fault: self._give_up(fault, faults),
                self.shutdown.sleep,
            )
        except TransientError as fault:
            if not self._only_this_request_fails(faults):
                raise ReplyMissing(key) from None
            failure = self._count_failure(Failure(fault.cause, str(fault)))
            entry = entry_of(key, request, request, failure, 0.0, len(faults))
            self._count_first(key, failure)
            self.note(entry)
        await self.saved()
        return entry

    def note(self, line: Line) -> None:
        """Append a line to the journal. If that fails, stop the run and raise ReplyMissing."""
        try:
            self.journal.append(line)
        except JournalError as error:
            self.shutdown.close(error)
            raise ReplyMissing(line.as_line().decode(errors="replace")[:20]) from None
        self._budget_changed.set()

    async def saved(self) -> None:
        """Wait until what was noted is on the disk. If that fails, stop the run and raise ReplyMissing."""
        try:
            await self.journal.saved()
        except JournalError as error:
            self.shutdown.close(error)
            raise ReplyMissing("") from None

    async def wait_for_budget(self, request: Request, *, batch: bool = False) -> None:
        """Wait until the worst case of a request fits the budget. Raises ReplyMissing if it never will."""
        bound = request.bound
        if bound is None and self.budget.limits.need_bounds:
            self.shutdown.close(
                RecipeError(
                    f"{setting('max_usd')} and {setting('max_tokens')}: the length of each reply must be bounded (got no bound). "
                    f"Fix: set {setting('reply_tokens')} to a number above 0."
                )
            )
        # At a limit nothing more is begun, not even a smaller request: tasks that cannot be answered any more are useless.
        while not self.shutdown.closed and not self.shutdown.limit:
            fit = self.budget.fit(bound, batch=batch, teacher=request.teacher)
            if fit == "now":
                return
            if fit == "never":
                self.shutdown.limit = self.budget.reached
                self._budget_changed.set()
                break
            self._budget_changed.clear()
            await self._budget_changed.wait()
        raise ReplyMissing("")

    async def _attempt(self, key: str, request: Request, number: int) -> Entry:
        """Call the teacher once, and note what came of it in the journal. Raises TransientError or ReplyMissing.

        There is no `await` between the reply and its line in the journal, so a cancelled task cannot lose a paid reply.
        """
        balancer, taken, step = self._opened(key, request), self.fields[request.teacher], step_of(key)
        await self.first.enter(step)
        try:
            sent = taken.fit(request)
            fields = await taken.wait_for_turn(sent)
            while (changed := taken.fit(request)) != sent:
                sent = changed
                fields = await taken.wait_for_turn(sent)
            bound = sent.bound
            expected = bound.prompt_tokens / 4 + bound.completion_tokens / 2 if bound else 1000.0
            async with balancer.slot(expected, root_of(key)) as slot:
                await self.wait_for_budget(sent)
                await self._note_sent(key, sent, sent.assumed_bound)
                try:
                    started = time.monotonic()
                    outcome = await self._outcome(slot.teacher, key, sent)
                    for learned in taken.learn_thinking(request, sent, outcome):
                        self.note(learned)
                    if taken.used_up_by_thinking(sent, outcome) and taken.fit(request) != sent:
                        raise TransientError("thinking used up the reply", cause=THINKING, charged=True)
                    self._count_first(key, outcome)
                    entry = self._note_outcome(entry_of(key, request, sent, outcome, time.monotonic() - started, number))
                except FieldRefused as refusal:
                    slot.answered(None, {})
                    self.note(Fault(key, FIELD_REFUSED, False, time.time()))
                    for learned in taken.learn(request, sent, refusal):
                        self.note(learned)
                    taken.refused(fields)
                    raise TransientError(str(refusal), cause=FIELD_REFUSED) from None
                except TransientError as fault:
                    slot.failed(fault)
                    self.note(Fault(key, fault.cause, fault.charged, time.time()))
                    raise
                taken.taken(fields)
                reply = entry.outcome if isinstance(entry.outcome, Reply) else None
                slot.answered(reply.usage.tokens if reply and reply.usage else None, reply.allowances if reply else {})
                self._last_answer, self._trouble_since = time.monotonic(), None
                return entry
        finally:
            self.first.leave(step)

    def _opened(self, key: str, request: Request) -> LoadBalancer:
        """Return the opened endpoints of a request's teacher. If they cannot be opened, stop the run."""
        balancer = self.balancers[request.teacher]
        try:
            balancer.open()
        except SelfInstructError as error:
            self.shutdown.close(error)
            raise ReplyMissing(key) from None
        return balancer

    async def _note_sent(self, key: str, request: Request, bound: Usage) -> None:
        """Note that a call is about to be made, with the most it can cost."""
        self.note(Sent(key, bound, time.time(), request.teacher))
        if self.budget.limits.any:  # a limit must hold even if the power fails now
            await self.saved()
            if self.shutdown.closed:
                self.note(Fault(key, "unsent", False, time.time()))
                raise ReplyMissing(key)

    def _note_outcome(self, entry: Entry) -> Entry:
        """Append an outcome to the journal. Side fields that JSON cannot hold are left out: they must not cost the reply."""
        try:
            self.note(entry)
        except (TypeError, ValueError, AttributeError):  # only from a teacher that the user wrote
            assert isinstance(entry.outcome, Reply)
            entry = replace(entry, outcome=_plain(entry.outcome))
            self.note(entry)
        return entry

    async def _outcome(self, teacher: Teacher, key: str, request: Request) -> Outcome:
        """Return the reply, or the failure to record. Raises TransientError, or ReplyMissing when the run stops."""
        try:
            async with asyncio.timeout(self.timeout) as deadline:
                with self.shutdown.shortening(deadline):
                    reply = await teacher.reply(key, request)
        except TimeoutError:
            if self.shutdown.closed:  # the grace is over
                self.note(Fault(key, "given_up", True, time.time()))
                raise ReplyMissing(key) from None
            raise TransientError(
                f"{teacher.host}: no answer within {self.timeout:g} s. Fix: set {setting('timeout')} to more seconds.",
                cause="timeout",
                charged=True,
            ) from None
        except RequestRefused as error:
            if isinstance(error, FieldRefused) and self.fields[request.teacher].can_leave_out(
                request, error, bound_needed=self.budget.limits.need_bounds
            ):
                raise
            return self._count_failure(Failure(error.cause, str(error), error.status))
        except TeacherStop as error:
            self.note(Fault(key, "teacher_stop", False, time.time()))
            self.shutdown.close(error)
            raise ReplyMissing(key) from None
        if not isinstance(reply, Reply) or not isinstance(reply.text, str):
            self.note(Fault(key, "teacher_stop", True, time.time()))
            self.shutdown.close(
                TeacherStop(
                    f"request {key!r}: the teacher must answer with a Reply that has a text (got {type(reply).__name__}). "
                    "Fix: return selfinstruct.contracts.Reply(...) from its `reply`."
                )
            )
            raise ReplyMissing(key)
        self._failures_in_a_row = 0
        self._ever_answered = True
        return with_parts(reply)

    def _count_first(self, key: str, outcome: Outcome) -> None:
        """Stop the run if the first outcomes of a step are all of no use."""
        if stop := self.first.count(step_of(key), outcome):
            self.shutdown.close(stop)

    def _give_up(self, fault: TransientError, faults: list[float]) -> bool:
        """Return True if a request that failed now is not to be tried again. Stops the run when patience is over.

        `faults` collects the times of this request's failures, in seconds. Rate limits do not count.
        """
        now = time.monotonic()
        if fault.cause in (FIELD_REFUSED, THINKING):
            return self.shutdown.closed
        if fault.cause != RATE_LIMIT:
            faults.append(now)
        if not self._trouble_since and not self._ever_answered:
            self.notices.append(f"{str(fault).rstrip('.')}. Trying again.")
        self._trouble_since = self._trouble_since or now
        patience = self.patience
        if not self._ever_answered and fault.cause not in _LOADING:
            patience = min(patience, _FIRST_PATIENCE)
        left = self._trouble_since + patience - now
        if left <= 0:
            self.shutdown.close(
                TeacherUnavailable(
                    f"{str(fault).rstrip('.')}. The teacher gave no answer for {patience:g} s. Fix: {_remedy(fault)}."
                )
            )
        for balancer in self.balancers.values():
            balancer.open_by(left)  # the last call is made when patience ends, whatever the teacher asked for
        return self.shutdown.closed or self._only_this_request_fails(faults)

    def _only_this_request_fails(self, faults: list[float]) -> bool:
        """Return True if the request fails and not the teacher: others were answered between its many attempts."""
        return len(faults) >= _ATTEMPTS and self._last_answer > (faults[0] + faults[-1]) / 2

    def _count_failure(self, failure: Failure) -> Failure:
        """Count a failure. After too many without a reply in between, stop the run before it asks everything in vain."""
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= FAILURES_IN_A_ROW:
            self.shutdown.close(
                TeacherStop(
                    f"{self._failures_in_a_row} requests failed in a row (the last one: {failure.message}). "
                    "Fix: remove the cause, then run the same command again."
                )
            )
        return failure


def entry_of(key: str, request: Request, sent: Request, outcome: Outcome, seconds: float, attempts: int) -> Entry:
    """Return the journal's line for the outcome of a request. `sent` is the request with the fields that were really sent."""
    how = sampling_of(sent), seconds, attempts, time.time()
    return Entry(key, request.digest, outcome, *how, teacher=request.teacher)


def sampling_of(request: Request) -> dict[str, Any]:
    """Return the body fields that steered the answer, as the journal and the provenance show them."""
    return {name: value for name, value in request.sampling.items() if name not in _NOT_SAMPLING}


def _plain(reply: Reply) -> Reply:
    """Return a reply without the side fields that cannot be written as JSON."""
    usage = reply.usage if isinstance(reply.usage, Usage) else None
    reasoning = reply.reasoning if isinstance(reply.reasoning, str) else ""
    return Reply(reply.text, str(reply.finish_reason), str(reply.model), usage, str(reply.host), reasoning=reasoning)


def _remedy(fault: TransientError) -> str:
    """Return what to do about a teacher that gives no answer, as an imperative without a full stop."""
    if fault.cause in ("connection", "unreadable"):
        return f"start the server or check {setting('base_url')}, then run the same command again"
    return f"run the same command again later, or set {setting('patience')} to more seconds"
