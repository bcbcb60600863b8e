"""The endpoints that serve one teacher, each at its own pace; a call goes to the least busy one that is well."""

from __future__ import annotations

import asyncio
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
        self._turn = asyncio.Lock()
        self._changed = asyncio.Event()
        self.in_flight = 0

    async def begin(self, expected_tokens: float, stopped: Callable[[], bool]) -> Call | None:
        """Wait for a place, and take it; None when `stopped` says so first. Give it to `done` whatever happens."""
        async with self._turn:
            while not stopped():
                wait, endpoint = self._best()
                if endpoint is not None and wait <= 0:
                    self.in_flight += 1
                    return Call(endpoint, endpoint.pace.begin(expected_tokens))
                self._changed.clear()
                try:
                    async with asyncio.timeout(min(wait, _LONGEST_LOOK)):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        return None

    def done(self) -> None:
        """A call has ended and its pace was told: whoever waits may look again."""
        self.in_flight -= 1
        self._changed.set()

    def wake(self) -> None:
        """Something else has changed, such as the run being stopped."""
        self._changed.set()

    def open_by(self, seconds: float) -> None:
        """Let a call try in this many seconds at the latest, however long the endpoints asked to wait."""
        for endpoint in self._endpoints:
            endpoint.pace.open_by(seconds)

    def _best(self) -> tuple[float, Endpoint | None]:
        """The endpoint to ask next and the seconds until it may be asked."""
        concurrency, rpm, tpm = self._settings
        if not self._endpoints:
            teachers = self._open_teachers()
            share = len(teachers)  # what the user states is for the teacher as a whole
            rates = rpm and rpm / share, tpm and tpm / share
            self._endpoints = [Endpoint(teacher, Pace(concurrency, *rates)) for teacher in teachers]
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
