"""The endpoints that serve one teacher, each at its own pace; a call goes to the least busy one that is well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from urllib.parse import urlsplit

from selfinstruct import plugins
from selfinstruct.client.rate_limiter import RateLimiter, Ticket
from selfinstruct.contracts import BatchEndpoint, Teacher
from selfinstruct.errors import RecipeError, TeacherStop
from selfinstruct.recipe.credentials import DEFAULT_URL, LOOPBACK, NO_KEY, key_from_environment
from selfinstruct.recipe.schema import Generate, Recipe

_LONGEST_LOOK = 0.5  # seconds after which a waiting call looks again, whatever it was told


class Teachers:
    """The teachers of a recipe, each at each of its endpoints: opened when first needed, closed together.

    `own` are teachers that were passed as objects, by name ("" for the only one); they are left open.
    """

    def __init__(self, recipe: Callable[[], Recipe], own: Mapping[str, Teacher] | None = None) -> None:
        self._recipe = recipe
        self._own = own or {}
        self._opened: dict[str, list[Teacher]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The teachers' names; an empty one where there is only one."""
        return tuple(self._recipe().generate.by_name)

    def open(self, name: str = "") -> Sequence[Teacher]:
        """One teacher for each endpoint of this name, the same ones each time; raises UserMistake or TeacherStop."""
        if name in self._own:
            return [self._own[name]]
        if name not in self._opened:
            generate, timeout = self._recipe().generate.by_name[name], self._recipe().runtime.timeout
            if name and self._hosts_of_the_usual_key() and not generate.key_variable and _is_here(generate):
                generate = generate.model_copy(update={"key_variable": NO_KEY})  # the key is another host's
            make = plugins.find("teacher", generate.teacher)
            each = [generate.model_copy(update={"base_url": address}) for address in generate.addresses]
            self._opened[name] = [make(one, timeout) for one in each]
        return self._opened[name]

    def open_all(self) -> None:
        """Open every one, to see whether it can be; raises UserMistake or TeacherStop."""
        for name in self.names:
            self.open(name)
            if self._recipe().runtime.batch:
                self.batches(name)

    def batches(self, name: str) -> BatchEndpoint:
        """Where a teacher takes batches; raises TeacherStop where it does not."""
        batches: BatchEndpoint | None = getattr(self.open(name)[0], "batches", None)
        if batches is None:
            raise TeacherStop(f"{f'the teacher {name!r}' if name else 'this teacher'} takes no batches; go on with --no-batch")
        return batches

    def _hosts_of_the_usual_key(self) -> dict[str, str]:
        """The hosts that the usual API key goes to, each with a teacher there; raises RecipeError if they are several."""
        hosts: dict[str, str] = {}
        for name, one in self._recipe().generate.by_name.items():
            if name not in self._own and one.teacher == "openai" and not one.key_variable and not _is_here(one):
                hosts |= {urlsplit(address or DEFAULT_URL).hostname or "": name for address in one.addresses}
        if len(hosts) > 1 and any(hosts.values()) and key_from_environment():
            raise RecipeError(
                f"the teachers {' and '.join(hosts.values())} are at different hosts ({', '.join(hosts)}), and the same API key "
                'would go to all; name each one\'s own variable in its table, for example key_variable = "TOGETHER_API_KEY"'
            )
        return hosts

    async def close(self) -> None:
        """Give back what was opened."""
        opened, self._opened = self._opened, {}
        for teachers in opened.values():
            for teacher in teachers:
                await teacher.close()


def _is_here(generate: Generate) -> bool:
    """Whether all of a teacher's endpoints are on this machine."""
    return all(address and urlsplit(address).hostname in LOOPBACK for address in generate.addresses)


@dataclass(eq=False)
class Endpoint:
    """One endpoint: the teacher that speaks to it, and its pace."""

    teacher: Teacher
    pace: RateLimiter


@dataclass(frozen=True, slots=True)
class Call:
    """A call under way at an endpoint."""

    endpoint: Endpoint
    ticket: Ticket


@dataclass(frozen=True, slots=True, order=True)
class _Waiter:
    """Somebody who waits for a place: the lower root request first, then who came first."""

    root: int
    number: int
    expected_tokens: float = field(compare=False)
    call: asyncio.Future[Call | None] = field(compare=False)


class Endpoints:
    """Gives out calls, those of lower root requests first.

    So what was begun is finished before more is begun: an admitted task gets its answer before others are thought up, which
    is what counts when a limit is near.

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
        self._waiting: list[_Waiter] = []
        self._came = 0
        self._look_again: asyncio.TimerHandle | None = None
        self._stopped = False
        self.in_flight = 0

    async def begin(self, expected_tokens: float, root: int = 0) -> Call | None:
        """Wait for a place, and take it; None once the run has stopped. Give it back with `done` whatever happens."""
        self._open()
        self._came += 1
        waiter = _Waiter(root, self._came, expected_tokens, asyncio.get_running_loop().create_future())
        heappush(self._waiting, waiter)
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
                heappop(self._waiting)
                continue
            if self._stopped:
                heappop(self._waiting).call.set_result(None)
                continue
            wait, endpoint = self._best()
            if endpoint is None or wait > 0:
                loop = asyncio.get_running_loop()
                self._look_again = loop.call_later(min(wait, _LONGEST_LOOK), self._hand_out)
                return
            waiter = heappop(self._waiting)
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
            self._endpoints = [Endpoint(teacher, RateLimiter(concurrency, *rates)) for teacher in teachers]

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
