"""How fast to ask one endpoint: how many calls at a time, how many a minute, and when not at all.

Calls at a time follow additive increase and multiplicative decrease (Chiu and Jain, 1989): each answer widens the window a
little, a sign of overload halves it. Calls and tokens a minute follow what the user states, and what the endpoint grants:
from one refusal (or one "nothing remaining" in its headers) to the next, an endpoint that enforces a limit has granted
exactly that limit, whatever its kind (token bucket, sliding or fixed window). That rate is kept from then on, and
raised by small steps to see whether there is more. All times are seconds of a monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from selfinstruct.records import Allowance

_STEPS_TO_FULL = 16  # round trips in which the window grows from 1 to the whole concurrency
_BURST = 0.1  # seconds of a rate that may be used at once, so that a late timer costs nothing
_MARGIN = 0.99  # part of a stated rate that is used, for clocks differ
_SHORTEST_MEASURE = 2.0  # seconds between two refusals from which a rate can be told
_FEWEST_MEASURED = 8  # calls, likewise
_BELOW = 0.99  # part of a measured rate that is used
_PROBE_AFTER, _PROBE_EVERY = 20.0, 5.0  # seconds without a refusal before a rate is raised, seconds between two raises
_PROBE_FIRST, _PROBE_UNSURE, _PROBE_MOST = 0.01, 0.08, 0.25  # first raise of a rate confirmed, or not yet; largest raise
_CHANCE, _LIMIT = 0.03, 0.3  # shares of refusals: between them they come whatever the rate, above they are a limit
_ENOUGH = 50  # calls at a learned rate that show whether it is one
_DISTRUST = 60.0  # seconds in which refusals that come by chance teach no rate
_OVERLOAD, _MEMORY = 0.2, 0.05  # share of faults that halves the window; weight of the latest call in that share
_DOWN_AFTER = 3  # faults in a row after which an endpoint is left alone for a while
_MOMENT = 0.25  # seconds within which faults are one event
_FIRST_REST, _LONGEST_REST = 0.5, 30.0  # seconds


class Rate:
    """An amount a second, in even portions: a bucket that fills at that rate and holds a moment's worth."""

    def __init__(self, per_second: float, now: float) -> None:
        self.per_second = per_second
        self._credit = 1.0
        self._then = now

    def wait(self, now: float) -> float:
        """Seconds until there is credit again; taking may then overdraw it."""
        self._fill(now)
        return 0.0 if self._credit > 0 else (1e-6 - self._credit) / self.per_second

    def take(self, amount: float, now: float) -> None:
        """Use up this much; a negative amount gives it back."""
        self._fill(now)
        self._credit -= amount

    def _fill(self, now: float) -> None:
        most = max(1.0, self.per_second * _BURST)
        self._credit = max(self._credit, min(most, self._credit + (now - self._then) * self.per_second))
        self._then = now


class Pace:
    """The pace of one endpoint: ask `wait` before a call, then tell what became of it."""

    def __init__(
        self,
        concurrency: int,
        rpm: float | None = None,
        tpm: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.concurrency = concurrency
        self.window = float(concurrency)
        self.in_flight = 0
        self.granted: Rate | None = None  # calls a second, learned
        self._clock = clock
        now = clock()
        self._calls = Rate(rpm * _MARGIN / 60, now) if rpm else None
        self._tokens = Rate(tpm * _MARGIN / 60, now) if tpm else None
        self._tokens_each = 0.0  # running mean of what a call uses
        self._closed_until = now  # no call before this time
        self._cut_at = now - 1e9
        self._trouble = 0.0  # moving share of calls that failed
        self._faults_in_a_row = 0
        self._rest_began = now
        self._begun = 0
        self._measure = _Measure(now)
        self._probe_at, self._probe_step = now, _PROBE_FIRST
        self._distrust_until = now

    def wait(self) -> float:
        """Seconds until a call may be made: 0 for now, infinity until one in flight comes back."""
        if self.in_flight >= max(1, int(self.window)):
            return float("inf")
        now = self._clock()
        waits = [rate.wait(now) for rate in (self._calls, self._tokens, self.granted) if rate is not None]
        if self._closed_until > now:
            waits.append(self._closed_until - now)
        if self._faults_in_a_row >= _DOWN_AFTER and self.in_flight:
            return float("inf")  # one call at a time finds out whether it is back
        return max(waits, default=0.0)

    @property
    def down(self) -> bool:
        """Whether the last calls all failed, so that other endpoints are to be preferred."""
        return self._faults_in_a_row >= _DOWN_AFTER

    def begin(self, expected_tokens: float) -> Ticket:
        """A call is made now; the ticket goes to what ends it. `expected_tokens` counts until replies show what is usual."""
        now = self._clock()
        booked = self._tokens_each or expected_tokens
        self.in_flight += 1
        self._begun += 1
        for rate, amount in ((self._calls, 1.0), (self.granted, 1.0), (self._tokens, booked)):
            if rate is not None:
                rate.take(amount, now)
        return Ticket(self._begun, now, booked)

    def answered(self, ticket: Ticket, tokens: int | None, allowances: Mapping[str, Allowance]) -> None:
        """The endpoint did its work: a reply, or a refusal that concerns the request alone."""
        now = self._clock()
        self.in_flight -= 1
        self._faults_in_a_row = 0
        self._measure.calls += 1
        self._trouble *= 1 - _MEMORY
        if tokens is not None:
            self._tokens_each += (tokens - self._tokens_each) * (0.05 if self._tokens_each else 1.0)
            if self._tokens is not None:
                self._tokens.take(tokens - ticket.booked, now)
        step = max(1.0, self.concurrency / _STEPS_TO_FULL)
        self.window = min(self.concurrency, self.window + step / self.window)
        self._heed(ticket, allowances, now)
        self._probe(now)

    def throttled(self, ticket: Ticket, wait: float | None) -> None:
        """The endpoint refused for its limit, and asked to wait for `wait` seconds if it did."""
        now = self._clock()
        self._undo(ticket, now)
        self._measure.refused += 1
        if now >= self._closed_until:  # the first of perhaps many refusals of one moment
            self._learn(now)
        if self.granted is None:
            self._cut(now)
        self._closed_until = max(self._closed_until, now + (1.0 if wait is None else wait))

    def failed(self, ticket: Ticket, wait: float | None = None) -> None:
        """The endpoint did not do its work: a fault, no connection, no answer in time."""
        now = self._clock()
        self._undo(ticket, now)
        self._cut(now)
        if ticket.at >= self._rest_began:  # not one of those that were under way when it began to rest
            self._faults_in_a_row += 1
        if self.down and ticket.at >= self._rest_began:
            rest = min(_LONGEST_REST, _FIRST_REST * 2 ** (self._faults_in_a_row - _DOWN_AFTER))
            self._closed_until, self._rest_began = max(self._closed_until, now + rest), now
        if wait is not None:
            self._closed_until = max(self._closed_until, now + wait)

    def open_by(self, seconds: float) -> None:
        """However long the endpoint asked to wait: let a call try in this many seconds at the latest."""
        self._closed_until = min(self._closed_until, self._clock() + max(0.0, seconds))

    def abandoned(self, ticket: Ticket) -> None:
        """The call was given up from this side; that says nothing about the endpoint."""
        self._undo(ticket, self._clock())

    def _undo(self, ticket: Ticket, now: float) -> None:
        self.in_flight -= 1
        if self._tokens is not None:
            self._tokens.take(-ticket.booked, now)

    def _cut(self, now: float) -> None:
        """Halve the window when a good part of the last calls failed, once for all faults of the same moment."""
        self._trouble += (1 - self._trouble) * _MEMORY
        if self._trouble > _OVERLOAD and now - self._cut_at > _MOMENT:
            self.window = max(1.0, self.window / 2)
            self._cut_at = now

    def _heed(self, ticket: Ticket, allowances: Mapping[str, Allowance], now: float) -> None:
        """Stop before the calls made since would break the limit that a reply's headers tell of.

        What remained was counted when the call arrived, so the calls begun after it are to be taken off, and what the
        endpoint has granted again since then is to be put on.
        """
        if now < self._closed_until:
            return
        for name, allowance in allowances.items():
            each = self._tokens_each if name == "tokens" else 1.0
            since = now - ticket.at
            regained = self.granted.per_second * since if self.granted else 0.0
            left = allowance.remaining / max(each, 1.0) - (self._begun - ticket.number) + regained
            if left >= 1 or allowance.reset <= since:
                continue
            self._learn(now)
            rest = allowance.reset - since
            if self.granted is not None:  # a bucket has some again long before it is full
                rest = min(rest, (1 - left) / self.granted.per_second)
            self._closed_until = max(self._closed_until, now + rest)

    def _learn(self, now: float) -> None:
        """Nothing is left at this moment: what was granted since the last such moment is the endpoint's limit."""
        seen, confirmed = self._measure, False
        elapsed = now - seen.since
        if seen.begun and (elapsed < _SHORTEST_MEASURE or seen.calls < _FEWEST_MEASURED):
            return
        if seen.begun:
            share = seen.refused / (seen.refused + seen.calls)
            by_chance = _CHANCE < share < _LIMIT
            if self.granted is not None and by_chance and seen.refused + seen.calls >= _ENOUGH:
                self.granted, self._distrust_until = None, now + _DISTRUST  # slower did not help
            elif self.granted is not None or now >= self._distrust_until or share >= _LIMIT:
                confirmed = self.granted is not None
                self.granted = self.granted or Rate(1.0, now)
                self.granted.per_second = _BELOW * seen.calls / elapsed
        self._measure = _Measure(now, begun=True)
        # A first figure may come from a time in which little was asked; a second one was taken at the rate itself.
        self._probe_at = now + (_PROBE_AFTER if confirmed else _PROBE_EVERY)
        self._probe_step = _PROBE_FIRST if confirmed else _PROBE_UNSURE

    def _probe(self, now: float) -> None:
        """Raise the learned rate a little after a time without refusals, and then by larger and larger steps."""
        if self.granted is not None and now > self._probe_at:
            self.granted.per_second *= 1 + self._probe_step
            self._probe_at, self._probe_step = now + _PROBE_EVERY, min(_PROBE_MOST, 2 * self._probe_step)


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call under way: its number, when it was made, the tokens it was booked with."""

    number: int
    at: float
    booked: float


@dataclass(slots=True)
class _Measure:
    """What was granted and refused since a moment at which nothing was left (`begun`), or since the beginning."""

    since: float
    begun: bool = False
    calls: int = 0
    refused: int = 0
