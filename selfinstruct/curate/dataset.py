"""The result of a run: its rows and its rejected candidates."""

from __future__ import annotations

import shlex
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selfinstruct.curate.curator import NEIGHBOURS
from selfinstruct.journal.totals import Tally
from selfinstruct.recipe.schema import Card, Curate
from selfinstruct.records import Decision, Neighbour, Usage
from selfinstruct.rouge import RougeIndex
from selfinstruct.text import counted, listed

NOT_JUDGED = frozenset({"over_target", "over_quota", "unanswered"})  # rules that say nothing about a candidate's quality
RECENT_ROOTS = 100  # root requests over which the recent acceptance is measured
_FEWEST_ROOTS, _FEWEST_JUDGED = 10, 30  # root requests and candidates before a recent acceptance means anything


@dataclass
class Recent:
    """The rows and the judged candidates of each of the latest root requests, and their sums."""

    roots: deque[tuple[int, int]] = field(default_factory=deque)
    rows: int = 0
    judged: int = 0

    def add(self, rows: int, judged: int) -> None:
        """Count one more root request. Forget the oldest when there are more than RECENT_ROOTS."""
        self.roots.append((rows, judged))
        self.rows, self.judged = self.rows + rows, self.judged + judged
        if len(self.roots) > RECENT_ROOTS:
            rows, judged = self.roots.popleft()
            self.rows, self.judged = self.rows - rows, self.judged - judged


@dataclass(frozen=True)
class BusyRule:
    """A rule that rejected many candidates.

    Attributes:
        rule: The rule's name.
        count: Number of candidates that it rejected.
        example: The first of them, with the measured value and the limit.
        is_filter: True for a filter that can be switched off.
    """

    rule: str
    count: int
    example: Decision
    is_filter: bool


@dataclass(repr=False)
class Dataset:
    """The rows and the rejected candidates that a run's journal gives under its recipe.

    Attributes:
        rows: The accepted candidates, in order.
        rejected: All other candidates, each with the rule that rejects it.
        roots: Number of root requests that were evaluated.
        unanswered: Number of admitted candidates whose output was never asked for.
        target: Number of rows wanted.
        ended: The reason why no further request can help, or "".
        remedy: What to do about that reason, as an imperative, or "" for the usual advice.
        requests: Number of requests answered for these root requests.
        tallies: Tokens of these requests by teacher.
        writers: Number of instructions and outputs of the rows by teacher.
        curate: The settings that gave these rows.
        card: The facts for the dataset card.
        recent: Rows and judged candidates of the last 100 root requests.
        pool: The ROUGE-L index of the seeds and of all admitted instructions.
    """

    rows: list[Decision] = field(default_factory=list)
    rejected: list[Decision] = field(default_factory=list)
    roots: int = 0
    unanswered: int = 0
    target: int = 0
    ended: str = ""
    remedy: str = ""
    requests: int = 0
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    writers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    curate: Curate | None = None
    card: Card | None = None
    recent: Recent = field(default_factory=Recent)
    pool: RougeIndex = field(default_factory=RougeIndex, compare=False)

    def __repr__(self) -> str:
        return f"<Dataset of {counted(len(self.rows), 'row')}, {counted(len(self.rejected), 'candidate')} rejected>"

    @property
    def usage(self) -> Usage:
        """The tokens of all requests that were used."""
        return sum((tally.usage for tally in self.tallies.values()), Usage())

    @property
    def columns(self) -> dict[str, list[str]]:
        """The rows as columns: instruction, input, output."""
        rows = [row.candidate.example for row in self.rows]
        return {name: [getattr(row, name) for row in rows] for name in ("instruction", "input", "output")}

    @property
    def complete(self) -> bool:
        """True when all rows are there and no admitted task lacks its output."""
        return len(self.rows) == self.target and not self.unanswered

    @property
    def acceptance(self) -> float | None:
        """The share (0 to 1) of rows among the judged candidates, or None while there are none."""
        return len(self.rows) / self.judged if self.judged else None

    @property
    def candidates(self) -> int:
        """The number of rows and rejected candidates."""
        return len(self.rows) + len(self.rejected)

    @property
    def judged(self) -> int:
        """The number of candidates on whose quality a rule decided: all but those in NOT_JUDGED."""
        return len(self.rows) + sum(decision.rule not in NOT_JUDGED for decision in self.rejected)

    @property
    def lack(self) -> str:
        """The number of rows, and why a complete dataset would need further replies."""
        have = f"{len(self.rows):,} of {counted(self.target, 'row')}"
        more = "" if len(self.rows) == self.target else "that is all that the saved replies give"
        if not self.unanswered:
            return f"{have}: {more}"
        ids = [decision.candidate.id for decision in self.rejected if decision.rule == "unanswered"]
        tasks = counted(self.unanswered, "accepted task was", "accepted tasks were")
        return f"{have}: {more}{', and ' if more else ''}{tasks} never answered{f' ({listed(ids)})' if ids else ''}"

    def shortfall(self, path: str, limit: str = "", in_batches: Sequence[int] = (), *, paid: bool = True) -> str:
        """Return in one or two sentences why there are fewer rows than wanted, or "" when there are enough.

        Args:
            path: The run directory, for the advice.
            limit: The limit that stopped the run, in words, or "".
            in_batches: The number of requests that wait in each open batch.
            paid: True if the teacher may bill a request.
        """
        if self.complete:
            return ""
        have, run = f"{len(self.rows):,} of {counted(self.target, 'row')}", shlex.quote(path)
        if limit:
            return f"{have}: {limit}"
        if in_batches:
            requests = counted(sum(in_batches), "request")
            batches = f"a batch of {requests} is" if len(in_batches) == 1 else f"{len(in_batches)} batches of {requests} are"
            return f"{have}: {batches} open. Fix: run `selfinstruct generate {run}` to collect the replies."
        if self.ended and self.remedy:
            return f"{have}: {self.ended}. Fix: {self.remedy}."
        if self.ended:
            command = f"selfinstruct show {run} --rejected any"
            return f"{have}: {self.ended}. Fix: check `{command}`, then loosen a filter or choose another prompt."
        what = "their answers" if self.unanswered else "more"
        return f"{self.lack}. Fix: run `selfinstruct generate {run}` to request {what}{' (paid)' if paid else ''}."

    @property
    def recent_acceptance(self) -> float | None:
        """The share (0 to 1) of rows among the judged candidates of the last 100 root requests, or None while these are few."""
        recent = self.recent
        enough = len(recent.roots) >= _FEWEST_ROOTS and recent.judged >= _FEWEST_JUDGED
        return recent.rows / recent.judged if enough else None

    @property
    def funnel(self) -> dict[str, int]:
        """The number of candidates that each rule rejected, largest first."""
        return dict(Counter(str(decision.rule) for decision in self.rejected).most_common())

    def busiest(self, count: int = 3) -> list[BusyRule]:
        """Return the `count` rules that rejected the most candidates, the busiest first, each with an example.

        Rules that say nothing about a candidate's quality, such as `over_target`, are left out.
        """
        examples: dict[str, Decision] = {}
        for decision in self.rejected:
            examples.setdefault(str(decision.rule), decision)
        filters = self.curate.filters if self.curate else {}
        busy = [
            BusyRule(rule, number, examples[rule], bool(filters.get(rule)))
            for rule, number in self.funnel.items()
            if rule not in NOT_JUDGED
        ]
        return busy[:count]

    def nearest(self, rows: Sequence[Decision] | None = None, count: int = NEIGHBOURS) -> Iterator[tuple[Neighbour, ...]]:
        """Yield the nearest of the seeds and of the instructions admitted before, for each row.

        The search runs when this is called, on all cores.

        Args:
            rows: The rows to look at. By default, all rows.
            count: The most neighbours of one row.
        """
        return self.pool.nearest_earlier(self._ids(rows), count)

    def mean_similarities(self, rows: Sequence[Decision] | None = None) -> Iterator[float | None]:
        """Yield the mean ROUGE-L F-measure (0 to 1) to all seeds and instructions before, for each row.

        It measures every pair, so it is None for each row unless the settings ask for it (`mean_similarity`).
        `rows` are the rows to look at. By default, all rows.
        """
        if self.curate is None or not self.curate.mean_similarity:
            return (None for _ in self._ids(rows))
        return self.pool.mean_earlier(self._ids(rows))

    @property
    def without_tokens(self) -> int:
        """The number of rows whose instruction has no token that ROUGE-L could compare. Such rows are accepted."""
        return len(set(self.pool.ids_without_tokens()).intersection(self._ids(None)))

    def _ids(self, rows: Sequence[Decision] | None) -> list[str]:
        return [row.candidate.admitted_as for row in (self.rows if rows is None else rows)]
