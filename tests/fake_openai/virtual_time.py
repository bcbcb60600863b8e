"""Simulated server and clock for a rate limiter, with the limits of the stand-in server. A minute takes milliseconds."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from typing import Any

from fake_openai.limits import Limits
from selfinstruct.client.rate_limiter import RateLimiter
from selfinstruct.teachers._body import allowances_of

TRAVEL = 0.01  # seconds until a refusal or a fault arrives


@dataclass
class World:
    """A server and its client: latency in seconds, calls at a time, chances of a 429 and of a 500.

    `limit` is in calls a minute and `tokens` in tokens a minute. A call takes `each` tokens, give or take the share `spread`.
    """

    style: str = "bucket"
    limit: float | None = 600.0
    tokens: float | None = None
    latency: float = 0.3
    concurrency: int = 32
    rpm: float | None = None
    tpm: float | None = None
    burst: float = 1.0
    window: float = 60.0
    chance_429: float = 0.0
    chance_500: float = 0.0
    each: float = 1000.0
    spread: float = 0.0
    slow: bool = False  # refusals take as long as answers
    seed: int = 1
    arrived: list[tuple[float, str, int]] = field(default_factory=list)  # time, ok | refused | fault, tokens
    limiter: RateLimiter = field(init=False)
    _in_flight: list[tuple[float, int, Any]] = field(default_factory=list)  # kept from one `run` to the next

    def __post_init__(self) -> None:
        self.now = 0.0
        self.rng = random.Random(self.seed)
        self.limits = Limits(self.style, self.limit, self.tokens, self.burst, self.window)
        self.limiter = RateLimiter(self.concurrency, self.rpm, self.tpm, clock=lambda: self.now)

    def run(self, seconds: float) -> World:
        """Send calls as fast as the rate limiter allows, for this many seconds of the simulated clock."""
        in_flight = self._in_flight
        while self.now < seconds:
            while (wait := self.limiter.wait()) <= 0:
                back, *what = self._call()
                heapq.heappush(in_flight, (self.now + back, len(self.arrived), what))
            upcoming = min([self.now + wait, *(when for when, _, _ in in_flight[:1])])
            self.now = max(upcoming, self.now + 1e-6)
            while in_flight and in_flight[0][0] <= self.now:
                self._back(*heapq.heappop(in_flight)[2])
        return self

    def _call(self) -> tuple[Any, ...]:
        ticket = self.limiter.begin(2.5 * self.each)
        tokens = round(self.each * (1 + self.spread * self.rng.uniform(-1, 1)))
        kind, headers = "ok", ""
        if self.rng.random() < self.chance_500:
            kind = "fault"
        elif self.rng.random() < self.chance_429:
            kind, headers = "refused", "retry-after: 0.05\r\n"
        else:
            admitted, headers = self.limits.admit(tokens, self.now + 1e-3)
            kind = "ok" if admitted else "refused"
        self.arrived.append((self.now, kind, tokens))
        back = self.latency * self.rng.uniform(0.5, 1.5) if kind == "ok" or self.slow else TRAVEL
        return back, ticket, kind, tokens, headers

    def _back(self, ticket: Any, kind: str, tokens: int, text: str) -> None:
        headers = dict(line.split(": ") for line in text.split("\r\n") if line)
        if kind == "ok":
            self.limiter.answered(ticket, tokens, allowances_of(headers))
        elif kind == "refused":
            exact = headers.get("retry-after-ms")
            self.limiter.throttled(ticket, float(exact) / 1000 if exact else float(headers["retry-after"]))
        else:
            self.limiter.failed(ticket)

    def used(self, since: float) -> float:
        """Return the share of the allowance that was granted and used since a time."""
        late = [(kind, tokens) for when, kind, tokens in self.arrived if when >= since]
        granted = [tokens for kind, tokens in late if kind == "ok"]
        amount, rate = (sum(granted), self.tokens) if self.tokens else (len(granted), self.limit or 1.0)
        return amount / (rate / 60 * (self.now - since))

    def refused(self, since: float) -> float:
        """Return the share of calls that were answered 429 since a time."""
        late = [kind for when, kind, _ in self.arrived if when >= since]
        return late.count("refused") / max(1, len(late))
