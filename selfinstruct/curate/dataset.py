"""What a run's journal gives under a recipe: the rows, and every candidate that was dropped."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from selfinstruct.curate.curator import NEIGHBOURS
from selfinstruct.journal.totals import Tally
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Decision, Neighbour, Usage
from selfinstruct.rouge import RougeIndex

NOT_JUDGED = frozenset({"over_target", "over_quota", "unanswered"})  # good, or not yet known to be: rules of no filter
RECENT_ROOTS = 100  # root requests by which it is told whether a run still gives rows
_SPARE = frozenset({"over_target", "over_quota"})
_FEWEST_ROOTS, _FEWEST_JUDGED = 10, 30  # root requests and candidates before an acceptance means anything


@dataclass
class Recent:
    """Rows and candidates judged of the latest root requests, and their sums."""

    roots: deque[tuple[int, int]] = field(default_factory=deque)
    rows: int = 0
    judged: int = 0

    def add(self, rows: int, judged: int) -> None:
        """Count one more root request, and forget the one that is too old."""
        self.roots.append((rows, judged))
        self.rows, self.judged = self.rows + rows, self.judged + judged
        if len(self.roots) > RECENT_ROOTS:
            rows, judged = self.roots.popleft()
            self.rows, self.judged = self.rows - rows, self.judged - judged


@dataclass(repr=False)
class Dataset:
    """What a run's journal gives under a recipe: the rows, and every candidate that was dropped.

    `roots` counts the root requests that were looked at, `requests` and `usage` what was answered for them;
    `unanswered` counts admitted candidates whose solution was never asked for. `target` is the number of rows wanted;
    `ended` says why no further request can help, where that is so. `curate` are the settings that made it. `tallies` are the
    tokens by teacher, `writers` how many instructions and outputs of rows each teacher wrote. `recent` has rows and
    candidates judged of the last 100 root requests; `pool` has the instructions of the seeds and of all that was admitted.
    """

    rows: list[Decision] = field(default_factory=list)
    rejected: list[Decision] = field(default_factory=list)
    roots: int = 0
    unanswered: int = 0
    target: int = 0
    ended: str = ""
    requests: int = 0
    tallies: Mapping[str, Tally] = field(default_factory=dict)
    writers: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    curate: Curate | None = None
    recent: Recent = field(default_factory=lambda: Recent())
    pool: RougeIndex = field(default_factory=RougeIndex, compare=False)

    def __repr__(self) -> str:
        return f"<Dataset of {len(self.rows):,} rows; {len(self.rejected):,} candidates dropped>"

    @property
    def usage(self) -> Usage:
        """The tokens of the requests used."""
        return sum((tally.usage for tally in self.tallies.values()), Usage())

    @property
    def columns(self) -> dict[str, list[str]]:
        """The rows as columns: instruction, input, output."""
        rows = [row.candidate.example for row in self.rows]
        return {name: [getattr(row, name) for row in rows] for name in ("instruction", "input", "output")}

    @property
    def complete(self) -> bool:
        """Whether there is nothing left to ask for."""
        return len(self.rows) == self.target and not self.unanswered

    @property
    def acceptance(self) -> float | None:
        """The share (0 to 1) of rows among the candidates that were judged, or None while there are none.

        Good ones that came after the last row wanted do not count.
        """
        judged = len(self.rows) + sum(decision.rule not in _SPARE for decision in self.rejected)
        return len(self.rows) / judged if judged else None

    def shortfall(self, path: str, limit: str = "") -> str:
        """Why there are fewer rows than asked for, in one sentence; empty when there are as many.

        `path` is the run's, for advice; `limit` the limit that stopped the asking, in words.
        """
        if self.complete:
            return ""
        have = f"{len(self.rows):,} of {self.target:,} rows"
        if limit:
            return f"{have}: {limit}"
        if self.ended:
            look = f"look at `selfinstruct show {path} --rejected any`"
            return f"{have}: {self.ended}; {look}, then loosen a filter or try another prompt"
        if self.unanswered:
            return f"{have}: {self.unanswered:,} admitted tasks have no answer yet; run `generate` again"
        return f"{have}: the journal has no more replies; run `generate` to ask for them"

    @property
    def recent_acceptance(self) -> float | None:
        """The same share, of the last 100 root requests; None while they are too few to tell."""
        seen = self.recent
        return seen.rows / seen.judged if len(seen.roots) >= _FEWEST_ROOTS and seen.judged >= _FEWEST_JUDGED else None

    @property
    def funnel(self) -> dict[str, int]:
        """How many candidates each rule dropped, most first."""
        return dict(Counter(str(decision.rule) for decision in self.rejected).most_common())

    def nearest(self, rows: Sequence[Decision] | None = None, count: int = NEIGHBOURS) -> Iterator[tuple[Neighbour, ...]]:
        """For each row (or each of these rows), the nearest of the seeds and of the instructions admitted before it.

        They are looked for when this is called, on all cores.
        """
        return self.pool.nearest_earlier(self._ids(rows), count)

    def means(self, rows: Sequence[Decision] | None = None) -> Iterator[float | None]:
        """For each row (or each of these), the mean ROUGE-L F-measure (0 to 1) to all seeds and instructions before it.

        None for each where the settings do not ask for it (`mean_similarity`): it measures every pair.
        """
        if self.curate is None or not self.curate.mean_similarity:
            return (None for _ in self._ids(rows))
        return self.pool.mean_earlier(self._ids(rows))

    @property
    def without_tokens(self) -> int:
        """How many rows have an instruction that holds nothing ROUGE-L could compare: they were kept for that."""
        return len(set(self.pool.ids_without_tokens()).intersection(self._ids(None)))

    def _ids(self, rows: Sequence[Decision] | None) -> list[str]:
        return [row.candidate.admitted_as for row in (self.rows if rows is None else rows)]
