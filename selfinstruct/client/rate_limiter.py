"""How fast to ask one endpoint: how many calls at a time, how many a minute, and when not at all.

Calls at a time follow additive increase and multiplicative decrease (Chiu and Jain, 1989): each answer widens the window a
little, a sign of overload halves it. Calls and tokens a minute follow what the user states, and what the endpoint grants
(`granting.py`). All times are seconds of a monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from selfinstruct.client.rate_estimator import Moment, Rate, RateLimitEstimator
from selfinstruct.records import Allowance

_STEPS_TO_FULL = 16  # round trips in which the window grows from 1 to the whole concurrency
_MARGIN = 0.99  # part of a stated rate that is used, for clocks differ
_LOOK, _CALLS = 2.0, 5  # seconds and calls that show whether the end of a window stays where it is
_SAME_END = 0.05  # seconds by which it may seem to move in a second
_SMALL = 2.0  # seconds in which a small bucket is full again
_OVERLOAD, _MEMORY = 0.2, 0.05  # share of faults that halves the window; weight of the latest call in that share
_DOWN_AFTER = 3  # faults in a row after which an endpoint is left alone for a while
_MOMENT = 0.25  # seconds within which faults are one event
_FIRST_REST, _LONGEST_REST = 0.5, 30.0  # seconds


class RateLimiter:
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
        self._grant = RateLimitEstimator(now)
        self._ends: dict[str, tuple[Ticket, float, bool]] = {}

    def wait(self) -> float:
        """Seconds until a call may be made: 0 for now, infinity until one in flight comes back."""
        if self.in_flight >= max(1, int(self.window)):
            return float("inf")
        now = self._clock()
        if now >= self._closed_until:
            self._grant.look(self._begun, now)
        waits = [rate.wait(now) for rate in (self._calls, self._tokens, self.granted) if rate is not None]
        if self._closed_until > now:
            waits.append(self._closed_until - now)
        if self._faults_in_a_row >= _DOWN_AFTER and self.in_flight:
            return float("inf")  # one call at a time finds out whether it is back
        return max(waits, default=0.0)

    @property
    def granted(self) -> Rate | None:
        """The calls a second that the endpoint's refusals taught, if they did."""
        return self._grant.rate

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
        self._trouble *= 1 - _MEMORY
        if tokens is not None:
            self._tokens_each += (tokens - self._tokens_each) * (0.05 if self._tokens_each else 1.0)
            if self._tokens is not None:
                self._tokens.take(tokens - ticket.booked, now)
        step = max(1.0, self.concurrency / _STEPS_TO_FULL)
        self.window = min(self.concurrency, self.window + step / self.window)
        self._heed(ticket, allowances, now)

    def throttled(self, ticket: Ticket, wait: float | None) -> None:
        """The endpoint refused for its limit, and asked to wait for `wait` seconds if it did."""
        now = self._clock()
        self._undo(ticket, now)
        wait = 1.0 if wait is None else wait
        call = Moment(ticket.number, ticket.at)
        self._grant.refused(call, now)
        if now >= self._closed_until:  # the first of perhaps many refusals of one moment
            self._grant.nothing_left(call, self._begun, now, self._closed_until, wait)
        if self._grant.in_doubt:
            self._cut(now)
        self._closed_until = max(self._closed_until, now + wait)

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
        for name, allowance in allowances.items():
            window = self._is_window(name, ticket, allowance.reset)
            if now < self._closed_until:
                continue
            each = self._tokens_each if name == "tokens" else 1.0
            since = now - ticket.at
            regained = self.granted.per_second * since if self.granted else 0.0
            left = allowance.remaining / max(each, 1.0) - (self._begun - ticket.number) + regained
            if left >= 1 or allowance.reset <= since:
                continue
            rest = allowance.reset - since
            if self._grant.measured and rest < _SMALL:
                continue  # so small a bucket is next to empty at the best of paces
            self._grant.nothing_left(Moment(self._begun, now), self._begun, now, self._closed_until, rest if window else 0.0)
            if self.granted is not None:  # a bucket has some again long before it is full
                rest = min(rest, (1 - left) / self.granted.per_second)
            elif not window:
                rest = min(rest, 1.0)
            self._closed_until = max(self._closed_until, now + rest)

    def _is_window(self, name: str, ticket: Ticket, reset: float) -> bool:
        """Whether a limit is one of windows: their end stays where it is; each call puts off the time when a bucket is full."""
        end = ticket.at + reset
        first, before, window = self._ends.setdefault(name, (ticket, end, False))
        if ticket.at - first.at >= _LOOK and ticket.number - first.number >= _CALLS:
            if ticket.at < before:
                window = end - before < _SAME_END * (ticket.at - first.at)
            self._ends[name] = ticket, end, window
        return window


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call under way: its number, when it was made, the tokens it was booked with."""

    number: int
    at: float
    booked: float
