"""The durable ask: each reply is paid for once, and is on the disk before any code reads it."""

from __future__ import annotations

import asyncio
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


class ReplySource(Protocol):
    """A source of the replies that the journal lacks: live calls, or batches."""

    async def obtain(self, key: str, request: Request) -> Entry:
        """Return the outcome, in the journal and on the disk. Raises ReplyMissing when nothing may be asked for now."""


class DurableAsk:
    """Replies from the journal where it has them, else from `source`, which saves them in the journal first.

    Without a source, as in a rebuild, a reply that the journal lacks raises ReplyMissing.
    """

    def __init__(
        self,
        journal: Journal,
        source: ReplySource | None = None,
        shutdown: Shutdown | None = None,
        notices: list[str] | None = None,
    ) -> None:
        self.journal = journal
        self.notices = notices if notices is not None else []  # sentences that the user should see at once
        self.shutdown = shutdown or Shutdown()
        self.obtained = 0  # outcomes that were not in the journal before
        self.used: dict[str, tuple[Usage, bool, str]] = {}  # by key: the tokens, True if by batch, the teacher's name
        self._source = source
        self._asked: set[str] = set()  # keys of requests in flight
        self._held: asyncio.Event | None = None  # set once the journal is not enough
        self._turn = 0  # the root request that is decided next
        self._waiting: set[int] = set()  # root requests that need a reply which the journal lacks

    async def __call__(self, key: str, request: Request) -> Reply:
        """Return the reply to a request.

        Raises:
            RequestRefused: when the teacher will never answer the request.
            ReplyMissing: when the journal lacks the reply and nothing may be asked for now.
            PluginError: when a method uses a wrong key, or one key twice at a time.
            JournalError: when the journaled reply answers another request.
        """
        if not _KEY.fullmatch(key):
            raise PluginError(
                "the method's request key must be the index of its root request, alone or followed by / or . and more "
                f"(got {key!r}). Fix: start each key with `turn.key`."
            )
        entry = self.journal.get(key)
        if entry is None:
            if self._source is None or self.shutdown.closed:
                raise ReplyMissing(key)
            if key in self._asked:
                raise PluginError(
                    f"the method asks twice at a time under the key {key!r}. Fix: set another key for each request."
                )
            self._asked.add(key)
            try:
                await self._until_the_journal_is_not_enough(key)
                entry = await self._source.obtain(key, request)
            finally:
                self._asked.discard(key)
            self.obtained += 1
        if entry.request != request.digest:
            raise JournalError(
                f"{self.journal.path}: the reply {key!r} answers another request than this run makes, so the run's seeds, prompt "
                "or recipe, or the method's code, were changed. Fix: undo that change, or choose another directory."
            )
        if isinstance(entry.outcome, Failure):
            raise RequestRefused(entry.outcome.message, cause=entry.outcome.cause, status=entry.outcome.status)
        self.used[key] = entry.outcome.usage or Usage(), entry.batch is not None, entry.teacher
        return entry.outcome

    def replay_first(self) -> None:
        """Send no request until the root request that is decided next needs one.

        Before that, the journal may have enough for all rows.
        """
        if len(self.journal):
            self._held = asyncio.Event()
            self.shutdown.on_close.append(self._held.set)

    def decide_next(self, root: int) -> None:
        """Note that all root requests below `root` are decided."""
        self._turn = root
        if self._held and root in self._waiting:
            self._held.set()

    async def _until_the_journal_is_not_enough(self, key: str) -> None:
        root = root_of(key)
        if self._held is None or self._held.is_set():
            return
        if root == self._turn:
            self._held.set()
            return
        self._waiting.add(root)
        await self._held.wait()
        if self.shutdown.closed:
            raise ReplyMissing(key)

    @property
    def in_flight(self) -> int:
        """The number of calls in flight now."""
        return len(self.journal.counts.open)

    @property
    def stopped_by(self) -> SelfInstructError | None:
        """The error that made this run stop asking, or None."""
        return self.shutdown.cause

    @property
    def limit(self) -> str:
        """The limit that was reached, in words, or an empty text."""
        return self.shutdown.limit

    def usage_below(self, root: int) -> tuple[int, dict[str, Tally]]:
        """Return the number of requests answered for root requests below an index, and their tokens by teacher."""
        used = [usage for key, usage in self.used.items() if root_of(key) < root]
        tallies: defaultdict[str, Tally] = defaultdict(Tally)
        for usage, batched, teacher in used:
            tallies[teacher].usage += usage
            if batched:
                tallies[teacher].batched += usage
        return len(used), dict(tallies)

    def account(self, dataset: Dataset) -> None:
        """Note in a dataset what its requests took, and which teachers wrote its rows."""
        dataset.requests, dataset.tallies = self.usage_below(dataset.roots)
        dataset.writers = self._writers(dataset.rows)

    def _writers(self, rows: Iterable[Decision]) -> dict[str, Counter[str]]:
        """Return how many instructions and how many outputs of some rows each teacher wrote, by its name."""
        writers: dict[str, Counter[str]] = {"instructions": Counter(), "outputs": Counter()}
        for row in rows:
            key = row.candidate.key
            for part, by in (("instructions", key), ("outputs", row.candidate.solved_by or key)):
                writers[part][self.used[by][2]] += 1
        return writers

    def close(self) -> None:
        """Ask nothing new from now on. Calls in flight still arrive and are saved, and retries are given up."""
        self.shutdown.close()
