"""The durable ask: a reply is paid for once, and is on the disk before anyone looks inside."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Protocol

from selfinstruct.client.shutdown import Shutdown
from selfinstruct.curate.dataset import Dataset
from selfinstruct.errors import JournalError, PluginError, ReplyMissing, RequestRefused, SelfInstructError
from selfinstruct.journal.events import Entry
from selfinstruct.journal.file import Journal
from selfinstruct.journal.totals import Tally
from selfinstruct.records import Decision, Failure, Reply, Request, Usage, root_of

_KEY = re.compile(r"\d+([./].+)?")  # "41", "41.3/solve"


class Way(Protocol):
    """A way to get what the journal lacks: live calls, or batches."""

    async def obtain(self, key: str, request: Request) -> Entry:
        """The outcome, journaled and on the disk; raises ReplyMissing when it may not be asked for now."""


class DurableAsk:
    """Replies from the journal where it has them, else by `way`, journaled first.

    Without a way this is the offline half of the same thing: what the journal lacks is ReplyMissing.
    """

    def __init__(self, journal: Journal, way: Way | None = None, shutdown: Shutdown | None = None) -> None:
        self.journal = journal
        self.shutdown = shutdown or Shutdown()
        self.obtained = 0  # outcomes that were not in the journal before
        self.used: dict[str, tuple[Usage, bool, str]] = {}  # tokens by key, whether they were by batch, and whose
        self._way = way
        self._asked: set[str] = set()  # keys of requests that are under way

    async def __call__(self, key: str, request: Request) -> Reply:
        """The reply to a request; raises RequestRefused, or ReplyMissing when there is none and none may be asked for."""
        if not _KEY.fullmatch(key):
            raise PluginError(
                f"the method asks under the key {key!r}; a key is the index of its root request, then / or . and more"
            )
        entry = self.journal.get(key)
        if entry is None:
            if self._way is None or self.shutdown.closed:
                raise ReplyMissing(key)
            if key in self._asked:
                raise PluginError(f"the method asks twice at a time under the key {key!r}; give each request a key of its own")
            self._asked.add(key)
            try:
                entry = await self._way.obtain(key, request)
            finally:
                self._asked.discard(key)
            self.obtained += 1
        if entry.request != request.digest:
            raise JournalError(
                f"{self.journal.path}: the reply {key!r} answers another request than this run makes; the directory's "
                "seeds, prompt or recipe, or the method's code, have been changed since"
            )
        if isinstance(entry.outcome, Failure):
            raise RequestRefused(entry.outcome.message, cause=entry.outcome.cause, status=entry.outcome.status)
        self.used[key] = entry.outcome.usage or Usage(), entry.batch is not None, entry.teacher
        return entry.outcome

    @property
    def in_flight(self) -> int:
        """Calls under way now."""
        return len(self.journal.counts.open)

    @property
    def stopped_by(self) -> SelfInstructError | None:
        """The error that made this run stop asking, if one did."""
        return self.shutdown.cause

    @property
    def limit(self) -> str:
        """The limit that was reached, in words; empty if none was."""
        return self.shutdown.limit

    def usage_below(self, root: int) -> tuple[int, dict[str, Tally]]:
        """Requests answered for root requests with an index below `root`, and their tokens by teacher."""
        used = [one for key, one in self.used.items() if root_of(key) < root]
        tallies: defaultdict[str, Tally] = defaultdict(Tally)
        for usage, batched, teacher in used:
            tallies[teacher].usage += usage
            if batched:
                tallies[teacher].batched += usage
        return len(used), dict(tallies)

    def account(self, dataset: Dataset) -> None:
        """Say in a dataset what its requests took, and who wrote its rows."""
        dataset.requests, dataset.tallies = self.usage_below(dataset.roots)
        dataset.writers = self._writers(dataset.rows)

    def _writers(self, rows: Iterable[Decision]) -> dict[str, Counter[str]]:
        """How many instructions, and how many outputs, of these rows each teacher wrote, by its name."""
        found: dict[str, Counter[str]] = {"instructions": Counter(), "outputs": Counter()}
        for row in rows:
            key = row.candidate.key
            for what, by in (("instructions", key), ("outputs", row.candidate.solved_by or key)):
                found[what][self.used[by][2]] += 1
        return found

    def close(self) -> None:
        """Ask nothing new from now on; what is in flight still arrives and is saved, retries are given up."""
        self.shutdown.close()
