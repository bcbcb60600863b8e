"""The totals of a journal: its calls, their outcomes, and what they cost or may have cost."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field

from selfinstruct.journal.events import BatchLine, Entry, Fault, Learned, Line, Redefined, Sent
from selfinstruct.records import Failure, Usage, step_of

_RECENT = 120.0  # seconds
_LATEST = 200  # outcomes from which the present speed is computed


@dataclass(slots=True)
class Batch:
    """A batch as the journal knows it.

    `plan` is its first line. `id` is the provider's, empty until it is known. `ended` is the state in which it ended, or empty.
    `pending` is the most that requests without an outcome can be billed for.
    """

    plan: BatchLine
    id: str = ""
    ended: str = ""
    detail: str = ""
    pending: Usage = Usage()
    outcomes: int = 0

    @property
    def state(self) -> str:
        """The state: `planned`, `submitted`, or the one in which it ended."""
        return self.ended or ("submitted" if self.id else "planned")

    @property
    def waiting(self) -> int:
        """The number of its requests without an outcome."""
        return len(self.plan.requests) - self.outcomes


@dataclass(slots=True)
class Tally:
    """Tokens of one teacher.

    `usage` is of its replies, `batched` the part of it that came by batch. `lost` is the most that calls without a reply may
    have been billed for. `reserved` and `reserved_batched` are the most that calls and batches in flight can be billed for.
    """

    usage: Usage = Usage()
    batched: Usage = Usage()
    lost: Usage = Usage()
    reserved: Usage = Usage()
    reserved_batched: Usage = Usage()


@dataclass(slots=True)
class Counts:
    """The totals of a journal.

    `tallies` has the tokens by teacher ("" for the only one). `open` has the calls in flight by key. `calls` counts all calls
    ever sent, and `noted` is True once the journal has a line for each of them. `torn` counts lines that a crash cut, and
    `unknown` lines of kinds that this version does not know.
    """

    replies: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    finish_reasons: Counter[str] = field(default_factory=Counter)
    calls: int = 0
    noted: bool = False
    tallies: defaultdict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))
    lost_calls: int = 0
    cut_off: int = 0  # of these, calls whose process ended before their outcome was known
    beyond: int = 0  # replies that were billed beyond their bound
    open: dict[str, Sent] = field(default_factory=dict)
    batches: dict[str, Batch] = field(default_factory=dict)
    without_usage: int = 0
    retries: int = 0
    torn: int = 0
    unknown: int = 0
    duplicates: int = 0
    first_time: float | None = None
    last_time: float | None = None
    learned: list[Learned] = field(default_factory=list)
    useful_steps: set[str] = field(default_factory=set)  # steps with a reply that has a text
    latest: deque[float] = field(default_factory=lambda: deque(maxlen=_LATEST))

    @property
    def usage(self) -> Usage:
        """The tokens of all replies."""
        return sum((tally.usage for tally in self.tallies.values()), Usage())

    @property
    def batched(self) -> Usage:
        """The tokens of replies that came by batch."""
        return sum((tally.batched for tally in self.tallies.values()), Usage())

    @property
    def lost(self) -> Usage:
        """The most tokens that calls may have been billed for without bringing a reply."""
        return sum((tally.lost for tally in self.tallies.values()), Usage())

    @property
    def reserved(self) -> Usage:
        """The most tokens that calls in flight can still be billed for."""
        return sum((tally.reserved for tally in self.tallies.values()), Usage())

    @property
    def reserved_batched(self) -> Usage:
        """The most tokens that batches under way can still be billed for."""
        return sum((tally.reserved_batched for tally in self.tallies.values()), Usage())

    @property
    def requests(self) -> int:
        """The number of requests with an outcome, a reply or a failure."""
        return self.replies + self.failures.total()

    def per_minute(self, now: float, since: float = 0.0) -> float | None:
        """Return the requests that get an outcome in a minute, from the latest ones, or None while there are too few.

        Only outcomes after `since` count. It and `now` are Unix seconds.
        """
        recent = [time for time in self.latest if time > max(since, now - _RECENT)]
        elapsed = now - recent[0] if recent else 0.0
        return 60 * len(recent) / elapsed if elapsed >= 1 and len(recent) > 1 else None

    def add(self, line: Line) -> None:
        """Count one more line. The journal has removed outcomes that repeat a key."""
        if isinstance(line, Sent):
            self._cut_off(line.key)  # a call before it that has no outcome was cut off by a crash
            self.noted = True
            self.calls += 1
            self.open[line.key] = line
            self.tallies[line.teacher].reserved += line.bound or Usage()
        elif isinstance(line, Fault):
            self.faults[line.cause] += 1
            self.close(line.key, lost=line.charged)
        elif isinstance(line, BatchLine):
            self._add_batch(line)
        elif isinstance(line, Learned):
            self.learned.append(line)
        elif isinstance(line, Redefined):
            self._begin_again()
        else:
            self._add_outcome(line)

    def close(self, key: str, *, lost: bool) -> Usage | None:
        """End the call in flight for a key, and return its bound. `lost` is True if it may be billed without a reply."""
        if key not in self.open:
            return None
        sent = self.open.pop(key)
        tally = self.tallies[sent.teacher]
        tally.reserved -= sent.bound or Usage()
        if lost:
            tally.lost += sent.bound or Usage()
            self.lost_calls += 1
        return sent.bound

    def _begin_again(self) -> None:
        """Forget the outcomes so far, which answer an earlier definition of the run. What they cost stays."""
        self.replies, self.without_usage, self.retries = 0, 0, 0
        self.failures.clear()
        self.finish_reasons.clear()
        self.useful_steps.clear()
        self.latest.clear()

    @property
    def open_batches(self) -> dict[str, Batch]:
        """The batches that have not ended."""
        return {name: batch for name, batch in self.batches.items() if not batch.ended}

    def close_all(self) -> None:
        """End all calls in flight as lost, because the process that made them is gone."""
        for key in list(self.open):
            self._cut_off(key)

    @property
    def without_reply(self) -> dict[str, int]:
        """The number of calls that brought no reply, by cause. `cut off` are those whose process ended first."""
        return {**({"cut off": self.cut_off} if self.cut_off else {}), **dict(self.faults.most_common())}

    def _cut_off(self, key: str) -> None:
        """End the call in flight for a key, if there is one, as cut off."""
        self.cut_off += key in self.open
        self.close(key, lost=True)

    def _add_outcome(self, entry: Entry) -> None:
        self.first_time = min(self.first_time or entry.time, entry.time)
        self.last_time = max(self.last_time or entry.time, entry.time)
        self.latest.append(entry.time)
        self.retries += max(0, entry.attempts - 1)
        batch = self.batches.get(entry.batch or "")
        if batch is None and not self.noted:  # the journal was written before each call was noted
            self.calls += entry.attempts
        if batch:
            batch.outcomes += 1
        tally = self.tallies[entry.teacher]
        bound = self._close_in_batch(batch, entry.key) if batch else self.close(entry.key, lost=False)
        if isinstance(entry.outcome, Failure):
            self.failures[entry.outcome.cause] += 1
            return
        self.replies += 1
        self.finish_reasons[entry.outcome.finish_reason] += 1
        if entry.outcome.text:
            self.useful_steps.add(step_of(entry.key))
        usage = entry.outcome.usage
        if usage is None:
            self.without_usage += 1
            tally.lost += bound or Usage()  # its cost is unknown, so its worst case counts
            return
        tally.usage += usage
        stated = "max_tokens" in entry.sampling or "max_completion_tokens" in entry.sampling
        if bound and stated and (usage.prompt_tokens > bound.prompt_tokens or usage.completion_tokens > bound.completion_tokens):
            self.beyond += 1
        if batch:
            tally.batched += usage

    def _add_batch(self, line: BatchLine) -> None:
        if line.state == "planned":
            batch = self.batches[line.name] = Batch(line)
            bounds = [fields[2:] for fields in line.requests.values()]
            batch.pending = Usage(sum(prompt for prompt, _ in bounds), sum(completion for _, completion in bounds))
            self.tallies[line.teacher].reserved_batched += batch.pending
            self.calls += len(line.requests)
            return
        batch = self.batches.setdefault(line.name, Batch(line))
        batch.detail = line.detail
        if line.state == "submitted":
            batch.id = line.id
        elif line.state != "polled" and not batch.ended:
            batch.ended = line.state
            tally = self.tallies[batch.plan.teacher]
            tally.lost += line.lost or Usage()
            tally.reserved_batched -= batch.pending
            batch.pending = Usage()
            if line.state == "unsent":
                self.calls -= len(batch.plan.requests)

    def _close_in_batch(self, batch: Batch, key: str) -> Usage | None:
        """End a request of a batch, and return its bound, or None if the batch does not wait for it."""
        planned = batch.plan.requests.get(key)
        if planned is None or batch.ended:
            return None
        bound = Usage(planned[2], planned[3])
        batch.pending -= bound
        self.tallies[batch.plan.teacher].reserved_batched -= bound
        return bound
