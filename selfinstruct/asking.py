"""The durable ask: a reply is paid for once, and is on the disk before anyone looks inside."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from selfinstruct.batching import Batching
from selfinstruct.budget import Budget, Limits
from selfinstruct.config import Runtime
from selfinstruct.contracts import BatchEndpoint, Teacher
from selfinstruct.endpoints import Endpoints
from selfinstruct.entries import Entry
from selfinstruct.errors import JournalError, PluginError, RecipeError, RequestRefused, SelfInstructError, TeacherStop, Unasked
from selfinstruct.halting import Halt
from selfinstruct.journal import Journal
from selfinstruct.live import Live
from selfinstruct.prices import Price
from selfinstruct.records import Failure, Reply, Request, Usage

_KEY = re.compile(r"\d+([./].+)?")  # "41", "41.3/solve"


class Way(Protocol):
    """A way to get what the journal lacks: live calls, or batches."""

    async def obtain(self, key: str, request: Request) -> Entry:
        """The outcome, journaled and on the disk; raises Unasked when it may not be asked for now."""


def root_of(key: str) -> int:
    """The index of the root request that a key belongs to: 41 for "41" and for "41.3/solve"."""
    return int(key.partition("/")[0].partition(".")[0])


class Ask:
    """Replies from the journal where it has them, else by `way`, journaled first.

    Without a way this is the offline half of the same thing: what the journal lacks is Unasked.
    """

    def __init__(self, journal: Journal, way: Way | None = None, halt: Halt | None = None) -> None:
        self.journal = journal
        self.halt = halt or Halt()
        self.obtained = 0  # outcomes that were not in the journal before
        self.used: dict[str, tuple[Usage, bool]] = {}  # tokens by key, and whether they were by batch
        self._way = way

    async def __call__(self, key: str, request: Request) -> Reply:
        """The reply to a request; raises RequestRefused, or Unasked when there is none and none may be asked for."""
        if not _KEY.fullmatch(key):
            raise PluginError(
                f"the method asks under the key {key!r}; a key is the index of its root request, then / or . and more"
            )
        entry = self.journal.get(key)
        if entry is None:
            if self._way is None or self.halt.closed:
                raise Unasked(key)
            entry = await self._way.obtain(key, request)
            self.obtained += 1
        if entry.request != request.digest:
            raise JournalError(
                f"{self.journal.path}: the reply {key!r} answers another request than this run makes; the directory's "
                "seeds, prompt or recipe, or the method's code, have been changed since"
            )
        if isinstance(entry.outcome, Failure):
            raise RequestRefused(entry.outcome.message, cause=entry.outcome.cause, status=entry.outcome.status)
        self.used[key] = entry.outcome.usage or Usage(), entry.batch is not None
        return entry.outcome

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return len(self.journal.counts.open)

    @property
    def stopped_by(self) -> SelfInstructError | None:
        """The error that made this run stop asking, if one did."""
        return self.halt.cause

    @property
    def limit(self) -> str:
        """The limit that was reached, in words; empty if none was."""
        return self.halt.limit

    def usage_below(self, root: int) -> tuple[int, Usage, Usage]:
        """Requests answered for root requests with an index below `root`, their tokens, and those of them by batch."""
        used = [usage for key, usage in self.used.items() if root_of(key) < root]
        return len(used), _sum(usage for usage, _ in used), _sum(usage for usage, batched in used if batched)

    def close(self) -> None:
        """Ask nothing new from now on; what is in flight still arrives and is saved, retries are given up."""
        self.halt.close()


def _sum(usages: Iterable[Usage]) -> Usage:
    return sum(usages, Usage())


def limits_of(runtime: Runtime, price: Price | None) -> Limits:
    """The limits of a run; raises RecipeError for one in US dollars where the price is unknown."""
    limits = Limits(runtime.max_requests, runtime.max_tokens, runtime.max_usd)
    if limits.usd is not None and price is None:
        raise RecipeError(
            "--max-usd needs the price of the teacher's tokens, which is not known: state it in the recipe, [runtime] "
            "price = { input = 0.15, output = 0.6 } (US dollars per million tokens), or use --max-tokens"
        )
    return limits


def online(
    journal: Journal, runtime: Runtime, price: Price | None, open_teachers: Callable[[], Sequence[Teacher]]
) -> tuple[Ask, Batching]:
    """What asks the teachers, and what looks after batches for it; both of them as [runtime] says.

    Raises RecipeError for a limit in US dollars where the price is unknown.
    """
    limits = limits_of(runtime, price)

    def open_batches() -> BatchEndpoint:
        batches: BatchEndpoint | None = getattr(open_teachers()[0], "batches", None)
        if batches is None:
            raise TeacherStop("this teacher takes no batches; go on with --no-batch")
        return batches

    halt = Halt()
    endpoints = Endpoints(open_teachers, runtime.concurrency, runtime.rpm, runtime.tpm)
    budget = Budget(limits, journal.counts, price)
    live = Live(journal, endpoints, budget, halt, patience=runtime.patience, timeout=runtime.timeout)
    batching = Batching(live, open_batches, new=runtime.batch)
    return Ask(journal, batching, halt), batching


async def cancelled(journal: Journal, runtime: Runtime, open_teachers: Callable[[], Sequence[Teacher]]) -> dict[str, str]:
    """Cancel the batches under way, and keep what they have done; how each ended, by its name."""
    unlimited = runtime.model_copy(update={"max_usd": None})  # cancelling costs nothing, whatever the price
    ask, batching = online(journal, unlimited, None, open_teachers)
    names = list(journal.counts.open_batches)
    await batching.collector.cancel()
    if ask.stopped_by and not isinstance(ask.stopped_by, TeacherStop):
        raise ask.stopped_by
    batches = journal.counts.batches
    return {name: f"{batches[name].state} ({batches[name].detail})" for name in names}
