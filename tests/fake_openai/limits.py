"""Rate limits of the stand-in server: continuous buckets or fixed windows, with or without OpenAI's headers."""

from __future__ import annotations

import math

STYLES = ("bucket", "window", "bare", "bare-window")
_TINY = 1e-6  # a client that waits exactly as long as it was told must not be refused for a rounding error


class Bucket:
    """Limit a minute that refills continuously and holds at most `burst` seconds of it."""

    def __init__(self, limit: float, burst: float) -> None:
        self.limit, self.rate = limit, limit / 60
        self.capacity = max(1.0, self.rate * burst)
        self.level, self.at = self.capacity, 0.0

    def wait(self, cost: float, now: float) -> float:
        """Return the seconds until the cost can be taken. A cost above the capacity takes a full bucket and leaves a debt."""
        self.level = min(self.capacity, self.level + (now - self.at) * self.rate)
        self.at = now
        lacking = min(cost, self.capacity) - self.level
        return lacking / self.rate if lacking > _TINY else 0.0

    def reset(self, now: float) -> float:
        """Return the seconds until the bucket is full."""
        return (self.capacity - self.level) / self.rate


class Window:
    """Limit for each window of fixed length. A window begins with the first request after the end of the last one."""

    def __init__(self, limit: float, seconds: float) -> None:
        self.limit, self.seconds = limit, seconds
        self.capacity = self.level = max(1.0, limit * seconds / 60)
        self.end = 0.0

    def wait(self, cost: float, now: float) -> float:
        """Return the seconds until the cost can be taken."""
        if now >= self.end - _TINY:
            self.level, self.end = self.capacity, now + self.seconds
        return 0.0 if self.level >= min(cost, self.capacity) else self.reset(now)

    def reset(self, now: float) -> float:
        """Return the seconds until the window ends."""
        return max(0.0, self.end - now)


class Limits:
    """Limits of requests and of tokens a minute. Either may be None."""

    def __init__(self, style: str, requests: float | None, tokens: float | None, burst: float, window: float) -> None:
        self.bare = style.startswith("bare")
        limits = {"requests": requests, "tokens": tokens}
        self.kept: dict[str, Bucket | Window] = {
            name: Window(limit, window) if style.endswith("window") else Bucket(limit, burst)
            for name, limit in limits.items()
            if limit
        }

    def admit(self, tokens: int, now: float) -> tuple[bool, str]:
        """Say if a request passes, and return the headers with the state of the limits. A request that passes uses its share."""
        costs = {"requests": 1, "tokens": tokens}
        wait = max((kept.wait(costs[name], now) for name, kept in self.kept.items()), default=0.0)
        if wait:
            return False, self._retry(wait) + self._state(now)
        for name, kept in self.kept.items():
            kept.level -= costs[name]
        return True, self._state(now)

    def _retry(self, wait: float) -> str:
        exact = math.ceil(wait * 1e6) / 1e3  # milliseconds
        if self.bare:
            return f"retry-after: {exact / 1000:.6f}\r\n"
        return f"retry-after: {math.ceil(wait)}\r\nretry-after-ms: {exact:.3f}\r\n"

    def _state(self, now: float) -> str:
        if self.bare:
            return ""
        return "".join(
            f"x-ratelimit-limit-{name}: {kept.limit:g}\r\n"
            f"x-ratelimit-remaining-{name}: {max(0, int(kept.level + _TINY))}\r\n"
            f"x-ratelimit-reset-{name}: {duration(kept.reset(now))}\r\n"
            for name, kept in self.kept.items()
        )


def duration(seconds: float) -> str:
    """Return a time as OpenAI writes it: 120ms, 1.5s, 6m0s."""
    milliseconds = math.ceil(seconds * 1000 - _TINY)
    if milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    hours, minutes = divmod(minutes, 60)
    return (f"{hours}h" if hours else "") + (f"{minutes}m" if hours or minutes else "") + f"{rest / 1000:g}s"
