"""Decide how fast to call one endpoint: how many calls at a time, how many a minute, and when none at all.

Calls at a time follow additive increase and multiplicative decrease (Chiu and Jain, 1989): each answer widens the window a
little, and a sign of overload halves it. Calls and tokens a minute follow what the user states and what the endpoint grants
(`rate_estimator.py`). All times are seconds of a monotonic clock.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from selfinstruct.client.rate_estimator import Moment, RateLimitEstimator
from selfinstruct.client.token_bucket import TokenBucket
from selfinstruct.records import Allowance

_STEPS_TO_FULL = 16  # round trips in which the window grows from 1 to the whole concurrency
_MARGIN = 0.99  # share of a stated rate that is used, because clocks differ
_LOOK, _CALLS = 2.0, 5  # seconds and calls that show whether the end of a fixed window stays in place
_SAME_END = 0.05  # seconds by which that end may seem to move in a second
_SMALL = 2.0  # seconds in which a small token bucket is full again
_OVERLOAD, _MEMORY = 0.2, 0.05  # share of faults that halves the window, and the weight of the latest call in that share
_DOWN_AFTER = 3  # faults in a row after which an endpoint rests
_MOMENT = 0.25  # seconds within which faults are one event
_FIRST_REST, _LONGEST_REST = 0.5, 30.0  # seconds
_USUAL_WAIT = 1.0  # seconds to wait after a refusal that does not say how long
_LEAST_WAIT, _PATIENT = 0.25, 4  # seconds to wait where a refusal says none, and refused moments in a row that are believed


class RateLimiter:
    """The limits of one endpoint. Ask `wait` before a call, then report how the call ended.

    `concurrency` bounds the calls in flight, `rpm` the calls a minute, `tpm` the tokens a minute. `clock` gives seconds.
    """

    def __init__(
        self,
        concurrency: int,
        rpm: float | None = None,
        tpm: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.concurrency = concurrency
        self.window = float(concurrency)  # calls that may be in flight now
        self.in_flight = 0
        self._clock = clock
        now = clock()
        self._calls = TokenBucket(rpm * _MARGIN / 60, now) if rpm else None
        self._tokens = TokenBucket(tpm * _MARGIN / 60, now) if tpm else None
        self._tokens_each = 0.0  # running mean of what a call uses
        self._closed_until = now  # no call before this time
        self._halved_at = now - 1e9
        self._fault_share = 0.0  # running share of calls that failed
        self._faults_in_a_row = 0
        self._rest_began = now
        self._refused_moments = 0  # moments of refusals since the last answer
        self._made = 0  # calls so far
        self._estimator = RateLimitEstimator(now)
        self._ends: dict[str, tuple[Ticket, float, bool]] = {}  # by allowance: a reply, the end it reported, True if fixed

    def wait(self) -> float:
        """Return the seconds until a call may be made: 0 for now, infinity until a call in flight has ended."""
        if self.in_flight >= max(1, int(self.window)):
            return float("inf")
        now = self._clock()
        if now >= self._closed_until:
            self._estimator.update(self._made, now)
        waits = [bucket.wait(now) for bucket in (self._calls, self._tokens, self.granted) if bucket is not None]
        if self._closed_until > now:
            waits.append(self._closed_until - now)
        if self.down and self.in_flight:
            return float("inf")  # one call at a time finds out whether it is back
        return max(waits, default=0.0)

    @property
    def granted(self) -> TokenBucket | None:
        """The calls a second that the endpoint's refusals have shown, or None."""
        return self._estimator.bucket

    @property
    def down(self) -> bool:
        """True when the last calls all failed, so that other endpoints are preferred."""
        return self._faults_in_a_row >= _DOWN_AFTER

    def begin(self, expected_tokens: float) -> Ticket:
        """Count a call that is made now, and return the ticket with which its end is reported.

        `expected_tokens` is booked for the call until replies have shown what a call usually takes.
        """
        now = self._clock()
        booked = self._tokens_each or expected_tokens
        self.in_flight += 1
        self._made += 1
        for bucket, amount in ((self._calls, 1.0), (self.granted, 1.0), (self._tokens, booked)):
            if bucket is not None:
                bucket.take(amount, now)
        return Ticket(self._made, now, booked)

    def answered(self, ticket: Ticket, tokens: int | None, allowances: Mapping[str, Allowance]) -> None:
        """Report that the endpoint did its work: a reply, or a refusal that concerns the request alone.

        `tokens` is what the call used, None if that is unknown. `allowances` is what the headers said of its limits.
        """
        now = self._clock()
        self.in_flight -= 1
        self._faults_in_a_row = self._refused_moments = 0
        self._fault_share *= 1 - _MEMORY
        if tokens is not None:
            self._tokens_each += (tokens - self._tokens_each) * (0.05 if self._tokens_each else 1.0)
            if self._tokens is not None:
                self._tokens.take(tokens - ticket.booked, now)
        step = max(1.0, self.concurrency / _STEPS_TO_FULL)
        self.window = min(self.concurrency, self.window + step / self.window)
        self._follow(allowances, ticket, now)

    def throttled(self, ticket: Ticket, wait: float | None) -> None:
        """Report that the endpoint refused for its rate limit. `wait` is the seconds it asked to wait, or None."""
        now = self._clock()
        self._take_back(ticket, now)
        wait = _USUAL_WAIT if wait is None else wait
        call = Moment(ticket.number, ticket.at)
        self._estimator.refused(call, now)
        if now >= self._closed_until:  # the first of perhaps many refusals of one moment
            self._refused_moments += 1
            wait = self._at_least(wait)
            self._estimator.nothing_left(call, self._made, now, self._closed_until, wait)
        if self._estimator.by_chance:
            self._count_fault(now)
        self._closed_until = max(self._closed_until, now + wait)

    def _at_least(self, wait: float) -> float:
        """Return a stated wait, or more where it is none, or where such waits did not help several times in a row."""
        without_help = self._refused_moments - (1 if wait <= 0 else _PATIENT)
        return wait if without_help < 0 else max(wait, min(_LONGEST_REST, _LEAST_WAIT * 2.0**without_help))

    def failed(self, ticket: Ticket, wait: float | None = None) -> None:
        """Report that the endpoint did not do its work: a fault, no connection, no answer in time.

        `wait` is the seconds that it asked to wait, or None.
        """
        now = self._clock()
        self._take_back(ticket, now)
        self._count_fault(now)
        if ticket.at >= self._rest_began:  # calls made before the rest began say nothing new
            self._faults_in_a_row += 1
        if self.down and ticket.at >= self._rest_began:
            rest = min(_LONGEST_REST, _FIRST_REST * 2 ** (self._faults_in_a_row - _DOWN_AFTER))
            self._closed_until, self._rest_began = max(self._closed_until, now + rest), now
        if wait is not None:
            self._closed_until = max(self._closed_until, now + wait)

    def abandoned(self, ticket: Ticket) -> None:
        """Report that this side gave the call up, which says nothing about the endpoint."""
        self._take_back(ticket, self._clock())

    def open_by(self, seconds: float) -> None:
        """Allow a call in this many seconds at the latest, however long the endpoint asked to wait."""
        self._closed_until = min(self._closed_until, self._clock() + max(0.0, seconds))

    def _take_back(self, ticket: Ticket, now: float) -> None:
        """End a call without a reply, and give back the tokens booked for it."""
        self.in_flight -= 1
        if self._tokens is not None:
            self._tokens.take(-ticket.booked, now)

    def _count_fault(self, now: float) -> None:
        """Halve the window if many of the last calls failed, once for all faults of the same moment."""
        self._fault_share += (1 - self._fault_share) * _MEMORY
        if self._fault_share > _OVERLOAD and now - self._halved_at > _MOMENT:
            self.window = max(1.0, self.window / 2)
            self._halved_at = now

    def _follow(self, allowances: Mapping[str, Allowance], ticket: Ticket, now: float) -> None:
        """Stop before the calls made since would exceed a limit that a reply's headers report.

        The server counted what remained when the call arrived. Calls begun after it are taken off, and what the endpoint has
        granted since then is added.
        """
        for name, allowance in allowances.items():
            fixed = self._has_fixed_window(name, ticket, allowance.reset)
            if now < self._closed_until:
                continue
            each = self._tokens_each if name == "tokens" else 1.0
            since = now - ticket.at
            regained = self.granted.per_second * since if self.granted else 0.0
            left = allowance.remaining / max(each, 1.0) - (self._made - ticket.number) + regained
            if left >= 1 or allowance.reset <= since:
                continue
            rest = allowance.reset - since
            if self._estimator.measured and rest < _SMALL:
                continue  # so small a token bucket is next to empty even at the right rate
            empty = Moment(self._made, now)
            self._estimator.nothing_left(empty, self._made, now, self._closed_until, rest if fixed else 0.0)
            if self.granted is not None:  # a token bucket has some again long before it is full
                rest = min(rest, (1 - left) / self.granted.per_second)
            elif not fixed:
                rest = min(rest, 1.0)
            self._closed_until = max(self._closed_until, now + rest)

    def _has_fixed_window(self, name: str, ticket: Ticket, reset: float) -> bool:
        """Return True if a limit counts in fixed windows.

        The end of a fixed window stays in place. Each call puts off the time at which a token bucket is full.
        """
        end = ticket.at + reset
        first, before, fixed = self._ends.setdefault(name, (ticket, end, False))
        if ticket.at - first.at >= _LOOK and ticket.number - first.number >= _CALLS:
            if ticket.at < before:
                fixed = end - before < _SAME_END * (ticket.at - first.at)
            self._ends[name] = ticket, end, fixed
        return fixed


@dataclass(frozen=True, slots=True)
class Ticket:
    """A call in flight: its number, the time at which it was made, and the tokens booked for it."""

    number: int
    at: float
    booked: float
