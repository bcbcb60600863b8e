"""Share calls among the endpoints that serve one teacher: each call goes to the least busy endpoint that answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from heapq import heappop, heappush

from selfinstruct.client.rate_limiter import RateLimiter, Ticket
from selfinstruct.contracts import Teacher
from selfinstruct.errors import RATE_LIMIT, ReplyMissing, TransientError
from selfinstruct.records import Allowance

_LONGEST_WAIT = 0.5  # seconds after which a waiting call looks again, whatever a limiter said


@dataclass(eq=False)
class Endpoint:
    """One endpoint: the teacher that speaks to it, and the limiter of its calls."""

    teacher: Teacher
    limiter: RateLimiter


class Slot:
    """A place for one call at an endpoint. The call counts as abandoned unless `answered` or `failed` reports its end."""

    def __init__(self, endpoint: Endpoint, expected_tokens: float) -> None:
        self.teacher = endpoint.teacher
        self._limiter = endpoint.limiter
        self._ticket: Ticket | None = endpoint.limiter.begin(expected_tokens)

    def answered(self, tokens: int | None, allowances: Mapping[str, Allowance]) -> None:
        """Report an answer, with the tokens it used if they are known, and what it said of the endpoint's limits."""
        self._limiter.answered(self._take_ticket(), tokens, allowances)

    def failed(self, fault: TransientError) -> None:
        """Report a call that came to nothing."""
        report = self._limiter.throttled if fault.cause == RATE_LIMIT else self._limiter.failed
        report(self._take_ticket(), fault.wait)

    def close(self) -> None:
        """Report the call as abandoned if nothing was reported."""
        if self._ticket is not None:
            self._limiter.abandoned(self._take_ticket())

    def _take_ticket(self) -> Ticket:
        ticket, self._ticket = self._ticket, None
        assert ticket is not None, "a call ends once"
        return ticket


@dataclass(frozen=True, slots=True, order=True)
class _Waiter:
    """A call that waits for a slot. The lowest root request comes first, then the call that has waited longest."""

    root: int
    number: int
    expected_tokens: float = field(compare=False)
    slot: asyncio.Future[Slot] = field(compare=False)


class LoadBalancer:
    """The slots for calls at one teacher's endpoints. Lower root requests get them first.

    So a root request is finished before more are begun. An admitted task gets its answer before other tasks are proposed,
    which counts when a limit is near.

    At most `concurrency` calls are in flight in all. At most `rpm` calls and `tpm` tokens begin each minute. `open_teachers`
    returns one teacher for each endpoint and is called by `open`.
    """

    def __init__(
        self,
        open_teachers: Callable[[], Sequence[Teacher]],
        concurrency: int,
        rpm: float | None = None,
        tpm: float | None = None,
    ) -> None:
        self._open_teachers = open_teachers
        self._settings = concurrency, rpm, tpm
        self._endpoints: list[Endpoint] = []
        self._waiting: list[_Waiter] = []
        self._came = 0
        self._next_look: asyncio.TimerHandle | None = None
        self._stopped = False
        self.in_flight = 0

    def open(self) -> None:
        """Open the teachers if that was not done yet. Raises what `open_teachers` raises."""
        if not self._endpoints:
            concurrency, rpm, tpm = self._settings
            teachers = self._open_teachers()
            share = len(teachers)  # what the user states is for the teacher as a whole
            rates = rpm and rpm / share, tpm and tpm / share
            self._endpoints = [Endpoint(teacher, RateLimiter(concurrency, *rates)) for teacher in teachers]

    @asynccontextmanager
    async def slot(self, expected_tokens: float, root: int = 0) -> AsyncIterator[Slot]:
        """Wait for a slot and hold it for one call. Raises ReplyMissing once the run has stopped."""
        slot = await self._wait_for_slot(expected_tokens, root)
        try:
            yield slot
        finally:
            self._free(slot)

    def stop(self) -> None:
        """Give out no more slots."""
        self._stopped = True
        self._hand_out()

    def open_by(self, seconds: float) -> None:
        """Allow a call in this many seconds at the latest, however long the endpoints asked to wait."""
        for endpoint in self._endpoints:
            endpoint.limiter.open_by(seconds)

    async def _wait_for_slot(self, expected_tokens: float, root: int) -> Slot:
        self._came += 1
        waiter = _Waiter(root, self._came, expected_tokens, asyncio.get_running_loop().create_future())
        heappush(self._waiting, waiter)
        self._hand_out()
        try:
            return await waiter.slot
        except asyncio.CancelledError:
            if waiter.slot.done() and not waiter.slot.cancelled() and not waiter.slot.exception():
                self._free(waiter.slot.result())
            raise

    def _free(self, slot: Slot) -> None:
        """End a call, and give its place to the next one that waits."""
        slot.close()
        self.in_flight -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        """Give slots to all that can have one now, at once: one by one, a busy event loop would let them queue up."""
        if self._next_look is not None:
            self._next_look.cancel()
            self._next_look = None
        while self._waiting:
            if self._waiting[0].slot.done():  # cancelled meanwhile
                heappop(self._waiting)
                continue
            if self._stopped:
                heappop(self._waiting).slot.set_exception(ReplyMissing(""))
                continue
            wait, endpoint = self._best()
            if endpoint is None or wait > 0:
                loop = asyncio.get_running_loop()
                self._next_look = loop.call_later(min(wait, _LONGEST_WAIT), self._hand_out)
                return
            waiter = heappop(self._waiting)
            self.in_flight += 1
            waiter.slot.set_result(Slot(endpoint, waiter.expected_tokens))

    def _best(self) -> tuple[float, Endpoint | None]:
        """Return the seconds until a call may be made, and the endpoint to call if it may be made now."""
        concurrency = self._settings[0]
        if self.in_flight >= concurrency:
            return float("inf"), None
        waits = [(endpoint.limiter.wait(), endpoint) for endpoint in self._endpoints]
        ready = [endpoint for wait, endpoint in waits if wait <= 0]
        if not ready:
            return min(wait for wait, _ in waits), None
        # An endpoint that is down is tried first, by a single call now and then: its limiter sees to that.
        down = [endpoint for endpoint in ready if endpoint.limiter.down]
        return 0.0, (down or sorted(ready, key=lambda endpoint: endpoint.limiter.in_flight / endpoint.limiter.window))[0]
