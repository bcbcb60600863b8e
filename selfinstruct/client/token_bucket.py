"""A token bucket, which spreads an amount a second evenly."""

from __future__ import annotations

_BURST = 0.25  # seconds of a rate that may be used at once, so that a busy moment costs nothing


class TokenBucket:
    """A store that fills at `per_second` and holds a quarter of a second's worth, at least 1.

    It limits calls a second or tokens a second. All times are seconds of one monotonic clock.
    """

    def __init__(self, per_second: float, now: float) -> None:
        self.per_second = per_second
        self._credit = 1.0
        self._filled_at = now

    def wait(self, now: float) -> float:
        """Return the seconds until there is credit again. Taking may then overdraw it."""
        self._fill(now)
        return 0.0 if self._credit > 0 else (1e-6 - self._credit) / self.per_second

    def take(self, amount: float, now: float) -> None:
        """Use up an amount. A negative amount gives it back."""
        self._fill(now)
        self._credit -= amount

    def _fill(self, now: float) -> None:
        most = max(1.0, self.per_second * _BURST)
        self._credit = max(self._credit, min(most, self._credit + (now - self._filled_at) * self.per_second))
        self._filled_at = now
