"""Keep a run within hard limits on calls, tokens and US dollars, over its whole life.

The journal is the ledger. A call's worst case is noted there before the call is made (`sent`), and counts until the figures
of the reply take its place. Some calls bring no reply although the provider may have done the work, for example when a crash
cut them off. They keep counting at their worst case. So the cost can never exceed a limit, however often a run is
interrupted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from selfinstruct.client.prices import Price
from selfinstruct.errors import setting
from selfinstruct.journal.totals import Counts, Tally
from selfinstruct.recipe.schema import Runtime
from selfinstruct.records import Usage
from selfinstruct.text import counted

Fit = Literal["now", "later", "never"]


@dataclass(frozen=True, slots=True)
class Limits:
    """The most calls, tokens and US dollars of a whole run. None means no limit."""

    requests: int | None = None
    tokens: int | None = None
    usd: float | None = None

    @classmethod
    def of(cls, runtime: Runtime) -> Limits:
        """Return the limits that a recipe's [runtime] part states."""
        return cls(runtime.max_requests, runtime.max_tokens, runtime.max_usd)

    @property
    def any(self) -> bool:
        """True if there is a limit at all."""
        return (self.requests, self.tokens, self.usd) != (None, None, None)

    @property
    def need_bounds(self) -> bool:
        """True if the worst case of each call must be known."""
        return self.tokens is not None or self.usd is not None


class Budget:
    """The budget of a run. It reads the journal's counts as they are at the moment of each question."""

    def __init__(self, limits: Limits, counts: Counts, price: Price | None) -> None:
        self.limits = limits
        self.counts = counts
        self.price = price
        self.reached = ""  # the limit that the last call did not fit, in words

    def fit(self, bound: Usage | None, calls: int = 1, *, batch: bool = False, teacher: str = "") -> Fit:
        """Return `now`, `later` or `never` for a number of calls that take the tokens in `bound` at most, in all.

        `later` means that they fit if calls in flight take less than their worst case. `batch` is True for the batch price.
        """
        if reached := self._exceeded(bound or Usage(), calls, batch, teacher, reserved=False):
            self.reached = reached
            return "never"
        return "later" if self._exceeded(bound or Usage(), calls, batch, teacher, reserved=True) else "now"

    def _exceeded(self, bound: Usage, calls: int, batch: bool, teacher: str, *, reserved: bool) -> str:
        """Return the limit that calls would exceed, in words, or an empty text. `reserved` counts calls in flight too."""
        limits, counts = self.limits, self.counts
        if limits.requests is not None and counts.calls + calls > limits.requests:
            return f"the limit of {counted(limits.requests, 'request')} is reached. Fix: set {setting('max_requests')} higher."
        if limits.tokens is not None:
            spent = committed(counts, reserved).tokens + bound.tokens
            if spent > limits.tokens:
                return _too_much(
                    f"the limit of {counted(limits.tokens, 'token')} leaves", f"{bound.tokens:,}", "max_tokens", calls
                )
        if limits.usd is not None and self.price is not None:
            more = self.price.of(teacher).usd(bound, bound if batch else Usage())
            if spent_usd(counts, self.price, reserved) + more > limits.usd:
                return _too_much(f"the limit of {limits.usd:g} US dollars leaves", f"${more:.4f}", "max_usd", calls)
        return ""


def committed(counts: Counts, reserved: bool = True) -> Usage:
    """Return all tokens that a run was or may have been billed for. `reserved` adds those of calls in flight."""
    return sum((_committed(tally, reserved) for tally in counts.tallies.values()), Usage())


def spent_usd(counts: Counts, price: Price, reserved: bool = True) -> float:
    """Return the US dollars that a run was or may have been billed for. `reserved` adds those of calls in flight."""
    each = ((price.of(name), tally) for name, tally in counts.tallies.items())
    return sum(
        own.usd(_committed(tally, reserved), tally.batched + tally.reserved_batched if reserved else tally.batched)
        for own, tally in each
    )


def replies_usd(counts: Counts, price: Price) -> float:
    """Return what the replies alone cost, in US dollars."""
    return sum(price.of(name).usd(tally.usage, tally.batched) for name, tally in counts.tallies.items())


def _committed(tally: Tally, reserved: bool) -> Usage:
    spent = tally.usage + tally.lost
    return spent + tally.reserved + tally.reserved_batched if reserved else spent


def _too_much(limit: str, cost: str, name: str, calls: int) -> str:
    each = "the next request" if calls == 1 else f"the next {calls:,} requests"
    return f"{limit} no room for {each} (at most {cost}). Fix: set {setting(name)} higher."
