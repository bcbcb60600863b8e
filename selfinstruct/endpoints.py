"""The endpoints that serve one teacher, each at its own pace; a call goes to the least busy one that is well."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfinstruct import plugins
from selfinstruct.config import Recipe
from selfinstruct.contracts import Teacher
from selfinstruct.pacing import Pace, Ticket

_LONGEST_LOOK = 0.5  # seconds after which a waiting call looks again, whatever it was told


class Teachers:
    """The teacher of a recipe at each of its endpoints: opened when first needed, closed together; `own` is left open."""

    def __init__(self, recipe: Callable[[], Recipe], own: Teacher | None = None) -> None:
        self._recipe = recipe
        self._own = own
        self._opened: list[Teacher] = []

    def open(self) -> Sequence[Teacher]:
        """One teacher for each endpoint, the same ones each time; raises UserMistake or TeacherStop."""
        if self._own is not None:
            return [self._own]
        if not self._opened:
            generate, timeout = self._recipe().generate, self._recipe().runtime.timeout
            make = plugins.find("teacher", generate.teacher)
            each = [generate.model_copy(update={"base_url": address}) for address in generate.addresses]
            self._opened = [make(one, timeout) for one in each]
        return self._opened

    async def close(self) -> None:
        """Give back what was opened."""
        opened, self._opened = self._opened, []
        for teacher in opened:
            await teacher.close()


@dataclass(eq=False)
class Endpoint:
    """One endpoint: the teacher that speaks to it, and its pace."""

    teacher: Teacher
    pace: Pace


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way at an endpoint."""

    endpoint: Endpoint
    ticket: Ticket


@dataclass(frozen=True, slots=True, eq=False)
class _Waiter:
    """Somebody who waits for a place."""

    expected_tokens: float
    call: asyncio.Future[Call | None]


class Endpoints:
    """Gives out calls in the order in which they are asked for.

    At most `concurrency` are under way in all, and at most `rpm` calls and `tpm` tokens a minute are begun. `open_teachers`
    is called when the first call is made.
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
        self._waiting: deque[_Waiter] = deque()
        self._look_again: asyncio.TimerHandle | None = None
        self._stopped = False
        self.in_flight = 0

    async def begin(self, expected_tokens: float) -> Call | None:
        """Wait for a place, and take it; None once the run has stopped. Give it back with `done` whatever happens."""
        self._open()
        waiter = _Waiter(expected_tokens, asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        self._hand_out()
        try:
            return await waiter.call
        except asyncio.CancelledError:
            if waiter.call.done() and not waiter.call.cancelled() and (call := waiter.call.result()):
                call.endpoint.pace.abandoned(call.ticket)
                self.done()
            raise

    def done(self) -> None:
        """A call has ended and its pace was told: whoever waits may have its place."""
        self.in_flight -= 1
        self._hand_out()

    def stop(self) -> None:
        """Nobody gets a place any more."""
        self._stopped = True
        self._hand_out()

    def _hand_out(self) -> None:
        """Give places to all who can have one now, at once: a busy event loop must not make them queue up one by one."""
        if self._look_again is not None:
            self._look_again.cancel()
            self._look_again = None
        while self._waiting:
            if self._waiting[0].call.done():  # given up meanwhile
                self._waiting.popleft()
                continue
            if self._stopped:
                self._waiting.popleft().call.set_result(None)
                continue
            wait, endpoint = self._best()
            if endpoint is None or wait > 0:
                loop = asyncio.get_running_loop()
                self._look_again = loop.call_later(min(wait, _LONGEST_LOOK), self._hand_out)
                return
            waiter = self._waiting.popleft()
            self.in_flight += 1
            waiter.call.set_result(Call(endpoint, endpoint.pace.begin(waiter.expected_tokens)))

    def open_by(self, seconds: float) -> None:
        """Let a call try in this many seconds at the latest, however long the endpoints asked to wait."""
        for endpoint in self._endpoints:
            endpoint.pace.open_by(seconds)

    def _open(self) -> None:
        if not self._endpoints:
            concurrency, rpm, tpm = self._settings
            teachers = self._open_teachers()
            share = len(teachers)  # what the user states is for the teacher as a whole
            rates = rpm and rpm / share, tpm and tpm / share
            self._endpoints = [Endpoint(teacher, Pace(concurrency, *rates)) for teacher in teachers]

    def _best(self) -> tuple[float, Endpoint | None]:
        """The endpoint to ask next and the seconds until it may be asked."""
        concurrency = self._settings[0]
        if self.in_flight >= concurrency:
            return float("inf"), None
        waits = [(endpoint.pace.wait(), endpoint) for endpoint in self._endpoints]
        ready = [endpoint for wait, endpoint in waits if wait <= 0]
        well = [endpoint for endpoint in ready if not endpoint.pace.down]
        if ready:
            # One that failed is tried with a single call, and only now and then (its pace sees to that).
            trial = [endpoint for endpoint in ready if endpoint.pace.down]
            return 0.0, (trial or sorted(well, key=lambda endpoint: endpoint.pace.in_flight / endpoint.pace.window))[0]
        return min(wait for wait, _ in waits), None
