"""What an endpoint grants, told from its refusals.

From one moment at which nothing is left (a refusal, or headers that say so) to the next, an endpoint that enforces a limit
has granted exactly that limit, whatever its kind (token bucket, sliding or fixed window). That rate is kept from then on,
and raised by small steps to see whether there is more. Refusals that go on at a rate that was granted before may come by
chance: an experiment tells, for a limit grants no more calls when more are made.
"""

from __future__ import annotations

from typing import NamedTuple

_BURST = 0.25  # seconds of a rate that may be used at once, so that a busy moment costs nothing
_FIRST_MEASURE, _SHORTEST_MEASURE = 4.0, 2.0  # seconds between two such moments by which a rate can be told
_FEWEST_MEASURED = 8  # calls, likewise
_WINDOW, _LONG_WINDOW = 2.0, 10.0  # seconds; who asks to wait for so long may count in windows, or certainly does
_WARM_UP = 0.5  # seconds in which first calls are slower than others, so that nothing can be measured
_FAR = 0.85  # part of the rate below which what was granted in a quiet time says little
_QUIET = 1.5  # seconds without refusals in which more might have been granted than was asked for
_BELOW = 0.98  # part of a measured rate that is used
_TRIAL, _TRIAL_EVERY = 1.5, 1.0  # before there is a measure: factor on what was granted, and on each raise; seconds between
_SLOWEST = 1.0  # calls a second that are tried at least
_EXCESS = 0.08  # share of refusals that a trial above a limit meets at least
_PROBE_AFTER, _PROBE_EVERY = 20.0, 5.0  # seconds without a refusal before a measured rate is raised, and between two raises
_PROBE_FIRST, _PROBE_NEXT, _PROBE_MOST = 0.01, 0.02, 0.25  # first raise, those near the measured rate, largest raise
_PROBE_NEAR = 1.08  # times the measured rate that are near it
_LOOSE = 4.0  # times the calls that are made: a rate that limits nothing
_SOON, _OFTEN = 150, 3  # calls for each refusal that are few, and how often in a row that makes one wonder
_EXPERIMENT, _ENOUGH = 1.3, 50  # factor on the rate, and calls that show what it does
_HELPED = 1.2  # factor on what is granted then if there is no limit
_TRUSTED, _DISTRUST, _LONGEST = 30.0, 15.0, 240.0  # seconds for which such a result holds: a limit, or none; doubled each time
_LIMIT = 0.3  # share of refusals that is a limit all the same


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


class Moment(NamedTuple):
    """A call's number and the time at which it was made; as a moment of nothing left, the time may be the window's end."""

    number: int
    at: float


class RateLimitEstimator:
    """The calls a second that an endpoint grants; `rate` is None while nothing limits them."""

    def __init__(self, now: float) -> None:
        self.rate: Rate | None = None
        self.measured = False  # otherwise the rate, if any, is a trial
        self._start = Moment(0, now)
        self._begun = False  # whether nothing was left at the start
        self._tried: float | None = None  # when the first refused call was made
        self._end: Moment | None = None  # the next such moment, known when the fate of the calls before it is
        self._due = now
        self._quiet = 0.0
        self._refused = self._refused_later = 0  # calls made after the start, and after the end
        self._slowest = 0.05  # seconds that refusals take to come back
        self._probe_at, self._step = now, _PROBE_FIRST
        self._kept, self._probed = 0.0, False
        self._soon = 0  # measures in a row that ended soon
        self._baseline: float | None = None  # what was granted before an experiment, while that lasts
        self._floor = 0.0
        self._trusted_until = self._distrust_until = now
        self._distrust, self._trust = _DISTRUST, _TRUSTED

    @property
    def in_doubt(self) -> bool:
        """Whether refusals teach no rate, and so are to be taken for overload."""
        return self.rate is None and self._begun

    def refused(self, call: Moment, now: float) -> None:
        """A call was refused."""
        self._slowest = max(0.9 * self._slowest, now - call.at)
        if self._end is not None and call.number > self._end.number:
            self._refused_later += 1
        elif call.number > self._start.number:
            self._refused += 1

    def nothing_left(self, call: Moment, made: int, now: float, open_since: float, wait: float) -> None:
        """Nothing was left for this call (or after it), and will not be for `wait` seconds; it was open since a time."""
        self.look(made, now)
        self._probe_at = max(self._probe_at, now + (_PROBE_AFTER if self.measured else _TRIAL_EVERY))
        if self._end is not None:
            return
        if not self._begun and now >= self._distrust_until and not self._try(call, wait, now):
            return
        elapsed = now - self._start.at
        if self.rate is not None and self._begun and not self.measured and elapsed >= 1:
            # A trial need not go far beyond what was granted so far, which is no more than what was not refused.
            near = _TRIAL * (made - self._start.number - self._refused) / elapsed
            self._set(min(self.rate.per_second, max(_SLOWEST, near)), now)
        # Windows are measured from end to end, wherever in them nothing was left.
        ends, quiet = (call.at + wait, 0.0) if wait >= _WINDOW else (call.at, call.at - open_since)
        if not self._begun or ends - self._start.at >= (_SHORTEST_MEASURE if self.measured else _FIRST_MEASURE):
            self._end, self._due, self._quiet = Moment(call.number, ends), now + self._slowest, quiet

    def look(self, made: int, now: float) -> None:
        """Conclude what can be concluded by now, and raise a rate that has met no refusal for a while.

        `made` is the number of calls made so far: a rate far above them limits nothing and is not raised.
        """
        if self._end is not None and now >= self._due:
            self._conclude(self._end, now)
        if self.rate is None or now < self._probe_at or self._baseline is not None:
            return
        if self.rate.per_second > _LOOSE * max(1.0, (made - self._start.number) / max(1.0, now - self._start.at)):
            return
        if self.measured:
            self.rate.per_second *= 1 + self._step
            beyond = self.rate.per_second > _PROBE_NEAR * self._kept  # no limit is near
            self._step = min(_PROBE_MOST, 2 * self._step) if beyond else _PROBE_NEXT
            self._probe_at, self._probed = now + _PROBE_EVERY, True
        else:
            self.rate.per_second *= _TRIAL
            self._probe_at = now + _TRIAL_EVERY

    def _try(self, call: Moment, wait: float, now: float) -> bool:
        """What was granted until the first refusals gives a rate to try; False while it is too early for that."""
        self._tried = call.at if self._tried is None else self._tried
        granted, elapsed = call.number - self._start.number - self._refused, call.at - self._start.at
        if wait >= _LONG_WINDOW and granted >= _FEWEST_MEASURED:  # the whole of a window was used up
            self._keep(_BELOW * granted / (elapsed + wait), now)
        elif call.at - self._tried < _WARM_UP:
            return False
        else:
            self._begin_trial(granted / max(1.0, elapsed), now)
        return True

    def _conclude(self, end: Moment, now: float) -> None:
        """All calls before the end have had the time to be refused: those that were not, were granted."""
        granted, elapsed, refused = end.number - self._start.number - self._refused, end.at - self._start.at, self._refused
        self._end = None
        if self._begun and granted < (_ENOUGH if self._baseline else _FEWEST_MEASURED):
            self._refused += self._refused_later
            self._refused_later = 0
            return
        self._start, self._refused, self._refused_later = end, self._refused_later, 0
        begun, self._begun = self._begun, True
        if begun:
            self._judge(granted, refused, elapsed, now)

    def _judge(self, granted: int, refused: int, elapsed: float, now: float) -> None:
        """What a measure means for the rate."""
        found = granted / elapsed
        if not self.measured:
            in_doubt = now < self._distrust_until and refused < _LIMIT * (granted + refused)
            if in_doubt:
                return
            if self._quiet <= max(_QUIET, elapsed / 4) and refused >= _EXCESS * (granted + refused):
                self._keep(_BELOW * found, now)
            else:  # at least so much, for more would have met more refusals
                self._begin_trial(max(found, min(_LOOSE * found, self.rate.per_second if self.rate is not None else 0.0)), now)
        elif self._baseline is not None:
            self._end_experiment(found, now)
        else:
            self._soon = self._soon + 1 if granted < _SOON * refused and not self._probed else 0
            rate = self.rate.per_second if self.rate is not None else found
            found = min(found, rate)  # more was not asked for: a sign of moments of two kinds
            if self._quiet > max(_QUIET, elapsed / 4) and found < _FAR * rate:
                # More may have been there than was asked for: the limit is between what was granted and this rate.
                found = (found + max(found, rate)) / 2
            self._keep(max(_BELOW * found, self._floor if now < self._trusted_until else 0.0), now)
            if self._soon >= _OFTEN and now >= self._trusted_until and self.rate is not None:
                self._baseline = found
                self.rate.per_second *= _EXPERIMENT

    def _end_experiment(self, found: float, now: float) -> None:
        """More was asked for: if more was granted, the refusals come by chance."""
        baseline, self._baseline, self._soon = self._baseline or found, None, 0
        if found > _HELPED * baseline:
            self.rate, self.measured = None, False
            self._distrust_until = now + self._distrust
            self._distrust = min(_LONGEST, 2 * self._distrust)
        else:
            self._keep(_BELOW * found, now)
            self._floor, self._trusted_until = 0.95 * found, now + self._trust
            self._trust = min(_LONGEST, 2 * self._trust)

    def _begin_trial(self, found: float, now: float) -> None:
        """Ask for somewhat more than what was granted, so that refusals tell how much that can be."""
        self._set(max(_SLOWEST, _TRIAL * found), now)
        self.measured, self._probe_at = False, now + _TRIAL_EVERY

    def _keep(self, per_second: float, now: float) -> None:
        self._set(per_second, now)
        self.measured, self._probed = True, False
        first, self._kept = not self._kept, per_second  # a first figure may be wrong by some per cent
        self._probe_at, self._step = (now + _PROBE_EVERY, _PROBE_NEXT) if first else (now + _PROBE_AFTER, _PROBE_FIRST)

    def _set(self, per_second: float, now: float) -> None:
        self.rate = self.rate or Rate(per_second, now)
        self.rate.per_second = max(per_second, 1e-3)
