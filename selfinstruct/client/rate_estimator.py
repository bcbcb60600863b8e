"""Estimate the calls a second that an endpoint grants, from the calls that it refuses.

An endpoint that enforces a limit has granted exactly that limit between two moments at which nothing was left. Such a
moment is a refusal, or a reply whose headers say so. This holds for every kind of limit: token bucket, sliding window or
fixed window. The measured rate is used from then on, and raised in small steps to see whether there is more.

Some refusals come by chance and not from a limit, for example when a server is overloaded. A trial above a limit meets many
refusals, so a trial that meets few is raised. At a measured rate, an experiment tells the two apart: it makes more calls for
a while, and a limit grants no more of them.

    UNLIMITED ── first refusals ──▶ TRIAL ── limit met ──▶ MEASURED ── refusals keep coming ──▶ EXPERIMENT
                                      ▲                       ▲                                  │      │
                                      │                       └──── no more calls granted ───────┘      │
                                      └── refusals go on ── BY_CHANCE ◀───── more calls granted ────────┘

Two shortcuts lead to MEASURED: from UNLIMITED when a long fixed window is used up, and from BY_CHANCE when so many calls are
refused that it must be a limit.

Additive increase and multiplicative decrease of the rate would be simpler, and does as well at a limit. It was tried in the
simulation of `tests/unit/client/test_rate_limiter.py`, with 16 pairs of constants, and not taken. Four of
them meet the tests at a limit. Where 1 or 5 % of the calls are refused by chance, these four kept 80 to 97 % of the
throughput in the mildest of six cases, and 1 to 41 % in the others. This estimator keeps at least 95 % in all six.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import NamedTuple

from selfinstruct.client.token_bucket import TokenBucket


class State(Enum):
    """The state of an estimate. The diagram above shows the transitions."""

    UNLIMITED = auto()  # no refusal so far, so no rate
    TRIAL = auto()  # a rate above what was granted, raised until it meets refusals
    MEASURED = auto()  # a little less than the measured rate, raised in small steps while nothing is refused
    EXPERIMENT = auto()  # more than the measured rate for a while
    BY_CHANCE = auto()  # no rate for a while: refusals count as overload


@dataclass(frozen=True, slots=True)
class Tuning:
    """The constants of an estimator. Times are seconds, rates are calls a second, shares are from 0 to 1."""

    # Measuring
    first_measurement: float = 4.0  # shortest time for a first figure
    later_measurement: float = 2.0  # shortest time for later figures, which only correct it
    fewest_calls: int = 8  # granted calls without which a figure is too rough
    warm_up: float = 0.5  # first calls are slower than later ones, so nothing is measured this early
    window: float = 2.0  # who asks to wait this long may count in fixed windows, so ends of windows are compared
    long_window: float = 10.0  # who asks to wait this long certainly counts in fixed windows
    quiet: float = 1.5  # in so long a time without refusals, more might have been granted than was asked for
    far: float = 0.85  # share of the rate: if less was granted in a quiet time, too little was asked for to tell

    # Using a measured rate
    margin: float = 0.98  # share of a measured rate that is used, so that it is rarely refused
    raise_after: float = 20.0  # time without a refusal after which a measured rate is raised
    raise_every: float = 5.0  # time between two raises, and before the first raise of a first figure
    first_raise: float = 0.01  # share, small because the limit is most likely just above
    next_raise: float = 0.02  # share, near the measured rate and for a first figure, which may be wrong by some per cent
    largest_raise: float = 0.25  # share; raises double up to this once the limit is not near
    near: float = 1.08  # factor on the measured rate up to which its limit is near

    # Trying a rate before there is a measurement
    trial: float = 1.5  # factor on what was granted, and on each raise
    trial_every: float = 1.0  # time between two raises
    slowest: float = 1.0  # rate that is tried at least
    excess: float = 0.08  # share of refusals that a trial above a limit meets at least
    loose: float = 4.0  # factor on the calls made above which a rate limits nothing, so it is not raised

    # Telling chance from a limit
    soon: int = 150  # granted calls for each refusal; fewer than this at a measured rate is suspicious
    often: int = 3  # suspicious measurements in a row that start an experiment
    experiment: float = 1.3  # factor on the rate
    experiment_calls: int = 50  # granted calls that show the effect
    helped: float = 1.2  # factor on what was granted before, above which refusals come by chance
    floor: float = 0.95  # share of what an experiment found to be granted, below which the rate does not fall for a while
    trust: float = 30.0  # time for which a limit that an experiment found holds; doubled each time
    distrust: float = 15.0  # time for which refusals count as chance after an experiment; doubled each time
    longest: float = 240.0  # longest of both times
    certain: float = 0.3  # share of refusals that is a limit even during that time


class Moment(NamedTuple):
    """A moment at which nothing was left: the number of calls made by then, and the time in seconds.

    Where a limit counts in fixed windows, the time is the end of the window.
    """

    number: int
    at: float


@dataclass(slots=True)
class _Measurement:
    """A measurement under way, from one moment of nothing left to the next.

    `anchored` is False until the first such moment is known. `end` is None until the second one is known. Calls before `end`
    may still be refused until `due`, in seconds. `quiet` is the time in seconds without refusals before `end`.
    """

    start: Moment
    anchored: bool = False
    end: Moment | None = None
    due: float = 0.0
    quiet: float = 0.0
    refused: int = 0  # calls made after the start
    refused_later: int = 0  # calls made after the end

    def granted(self, number: int) -> int:
        """Return how many calls up to a number were not refused."""
        return number - self.start.number - self.refused


@dataclass(slots=True)
class _Raises:
    """The steps by which a rate is raised: when the next one is due (seconds), and by which share of a measured rate.

    `measured` is the measured rate in calls a second, 0 before there is one. `done` is True once it was raised.
    """

    due: float
    by: float
    measured: float = 0.0
    done: bool = False


class RateLimitEstimator:
    """The calls a second that one endpoint grants. `bucket` is None while nothing limits them.

    All times are seconds of one monotonic clock.
    """

    def __init__(self, now: float, tuning: Tuning | None = None) -> None:
        self.bucket: TokenBucket | None = None
        self.state = State.UNLIMITED
        self._tuning = tuning or Tuning()
        self._measurement = _Measurement(Moment(0, now))
        self._first_refused: float | None = None  # when the first refused call was made
        self._slowest_refusal = 0.05  # seconds that refusals take to arrive
        self._raises = _Raises(now, self._tuning.first_raise)
        self._suspicious = 0  # measurements in a row that met refusals too soon
        self._granted_before = 0.0  # calls a second before the experiment
        self._floor, self._floor_until = 0.0, now  # what an experiment found to be granted
        self._chance_until = now
        self._trust, self._distrust = self._tuning.trust, self._tuning.distrust

    @property
    def measured(self) -> bool:
        """True when the rate was measured. It is a trial or absent otherwise."""
        return self.state in (State.MEASURED, State.EXPERIMENT)

    @property
    def by_chance(self) -> bool:
        """True while refusals teach no rate, and so count as overload."""
        return self.state is State.BY_CHANCE

    def refused(self, call: Moment, now: float) -> None:
        """Count a refused call, given by its number and the time at which it was made."""
        measurement = self._measurement
        self._slowest_refusal = max(0.9 * self._slowest_refusal, now - call.at)
        if measurement.end is not None and call.number > measurement.end.number:
            measurement.refused_later += 1
        elif call.number > measurement.start.number:
            measurement.refused += 1

    def nothing_left(self, call: Moment, made: int, now: float, open_since: float, wait: float) -> None:
        """Note that nothing was left for a call, or after it, and will not be for `wait` seconds.

        `made` is the number of calls made so far. `open_since` is the time since which calls were possible.
        """
        tuning, measurement = self._tuning, self._measurement
        self.update(made, now)
        self._raises.due = max(self._raises.due, now + (tuning.raise_after if self.measured else tuning.trial_every))
        if measurement.end is not None:
            return
        if not measurement.anchored and now >= self._chance_until and not self._leave_unlimited(call, wait, now):
            return
        elapsed = now - measurement.start.at
        if self.bucket is not None and measurement.anchored and self.state is State.TRIAL and elapsed >= 1:
            # A trial need not go far beyond what was granted so far, which is no more than what was not refused.
            near = tuning.trial * measurement.granted(made) / elapsed
            self._set_rate(min(self.bucket.per_second, max(tuning.slowest, near)), now)
        # Fixed windows are measured from end to end, wherever in them nothing was left.
        ends, quiet = (call.at + wait, 0.0) if wait >= tuning.window else (call.at, call.at - open_since)
        shortest = tuning.later_measurement if self.measured else tuning.first_measurement
        if not measurement.anchored or ends - measurement.start.at >= shortest:
            measurement.end, measurement.due, measurement.quiet = Moment(call.number, ends), now + self._slowest_refusal, quiet

    def update(self, made: int, now: float) -> None:
        """Conclude a measurement that is due, and raise a rate that met no refusal for a while.

        `made` is the number of calls made so far. A rate far above what is asked for limits nothing and is not raised.
        """
        measurement = self._measurement
        if measurement.end is not None and now >= measurement.due:
            self._conclude(measurement.end, now)
        if self.bucket is None or now < self._raises.due or self.state is State.EXPERIMENT:
            return
        start = self._measurement.start
        asked = max(1.0, (made - start.number) / max(1.0, now - start.at))
        if self.bucket.per_second <= self._tuning.loose * asked:
            self._raise(self.bucket, now)

    def _raise(self, bucket: TokenBucket, now: float) -> None:
        """Raise the rate by one step, and plan the next one."""
        tuning, raises = self._tuning, self._raises
        if self.state is State.TRIAL:
            bucket.per_second *= tuning.trial
            raises.due = now + tuning.trial_every
            return
        bucket.per_second *= 1 + raises.by
        far = bucket.per_second > tuning.near * raises.measured
        raises.by = min(tuning.largest_raise, 2 * raises.by) if far else tuning.next_raise
        raises.due, raises.done = now + tuning.raise_every, True

    def _conclude(self, end: Moment, now: float) -> None:
        """End a measurement: calls before `end` that were not refused by now were granted. Start the next one there."""
        tuning, ended = self._tuning, self._measurement
        granted, elapsed = ended.granted(end.number), end.at - ended.start.at
        enough = tuning.experiment_calls if self.state is State.EXPERIMENT else tuning.fewest_calls
        if ended.anchored and granted < enough:  # too rough a figure: measure on, to a later end
            ended.refused += ended.refused_later
            ended.refused_later, ended.end = 0, None
            return
        self._measurement = _Measurement(end, anchored=True, refused=ended.refused_later)
        if not ended.anchored:
            return
        if self.state is State.EXPERIMENT:
            self._end_experiment(granted / elapsed, now)
        elif self.state is State.MEASURED:
            self._correct(ended, granted, elapsed, now)
        else:
            self._measure(ended, granted, elapsed, now)

    def _leave_unlimited(self, call: Moment, wait: float, now: float) -> bool:
        """UNLIMITED → TRIAL, or MEASURED after a long fixed window. Return False while it is too early to tell."""
        tuning, start = self._tuning, self._measurement.start
        self._first_refused = call.at if self._first_refused is None else self._first_refused
        granted, elapsed = self._measurement.granted(call.number), call.at - start.at
        if wait >= tuning.long_window and granted >= tuning.fewest_calls:  # the whole of a window was used up
            self._keep(tuning.margin * granted / (elapsed + wait), now)
        elif call.at - self._first_refused < tuning.warm_up:
            return False
        else:
            self._start_trial(granted / max(1.0, elapsed), now)
        return True

    def _start_trial(self, granted: float, now: float) -> None:
        """→ TRIAL: allow more than the `granted` calls a second, so that refusals show the limit."""
        self._set_rate(max(self._tuning.slowest, self._tuning.trial * granted), now)
        self.state, self._raises.due = State.TRIAL, now + self._tuning.trial_every

    def _measure(self, ended: _Measurement, granted: int, elapsed: float, now: float) -> None:
        """TRIAL or BY_CHANCE → MEASURED if enough was refused to show the limit, else → TRIAL with a higher rate."""
        tuning, rate, refused = self._tuning, granted / elapsed, ended.refused
        if now < self._chance_until and refused < tuning.certain * (granted + refused):
            return
        if ended.quiet <= max(tuning.quiet, elapsed / 4) and refused >= tuning.excess * (granted + refused):
            self._keep(tuning.margin * rate, now)
        else:  # the limit is at least that high, because a higher rate would have met more refusals
            tried = self.bucket.per_second if self.bucket is not None else 0.0
            self._start_trial(max(rate, min(tuning.loose * rate, tried)), now)

    def _correct(self, ended: _Measurement, granted: int, elapsed: float, now: float) -> None:
        """MEASURED → MEASURED with a new figure, or → EXPERIMENT if refusals keep coming at a rate that was granted."""
        assert self.bucket is not None
        tuning, used = self._tuning, self.bucket.per_second
        soon = granted < tuning.soon * ended.refused and not self._raises.done
        self._suspicious = self._suspicious + 1 if soon else 0
        rate = min(granted / elapsed, used)  # more than was asked for mixes two kinds of moments
        if ended.quiet > max(tuning.quiet, elapsed / 4) and rate < tuning.far * used:
            rate = (rate + used) / 2  # more may have been there than was asked for, up to the rate in use
        trusted = now < self._floor_until
        self._keep(max(tuning.margin * rate, self._floor if trusted else 0.0), now)
        if self._suspicious >= tuning.often and not trusted:
            self._start_experiment(rate, self.bucket)

    def _start_experiment(self, granted: float, bucket: TokenBucket) -> None:
        """→ EXPERIMENT: allow more calls for a while, to compare with the `granted` calls a second."""
        self.state, self._granted_before = State.EXPERIMENT, granted
        bucket.per_second *= self._tuning.experiment

    def _end_experiment(self, granted: float, now: float) -> None:
        """EXPERIMENT → BY_CHANCE if more calls a second were granted than before, else → MEASURED."""
        tuning, self._suspicious = self._tuning, 0
        if granted > tuning.helped * self._granted_before:
            self.bucket, self.state = None, State.BY_CHANCE
            self._chance_until = now + self._distrust
            self._distrust = min(tuning.longest, 2 * self._distrust)
        else:
            self._keep(tuning.margin * granted, now)
            self._floor, self._floor_until = tuning.floor * granted, now + self._trust
            self._trust = min(tuning.longest, 2 * self._trust)

    def _keep(self, per_second: float, now: float) -> None:
        """→ MEASURED: use this rate, and raise it only after some time without a refusal."""
        tuning = self._tuning
        self._set_rate(per_second, now)
        self.state = State.MEASURED
        if self._raises.measured:
            self._raises = _Raises(now + tuning.raise_after, tuning.first_raise, per_second)
        else:  # a first figure
            self._raises = _Raises(now + tuning.raise_every, tuning.next_raise, per_second)

    def _set_rate(self, per_second: float, now: float) -> None:
        self.bucket = self.bucket or TokenBucket(per_second, now)
        self.bucket.per_second = max(per_second, 1e-3)
