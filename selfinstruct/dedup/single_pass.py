"""The work of `dedup`: rows come in by the batch, are kept or dropped, and are counted."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from selfinstruct.errors import TableError
from selfinstruct.records import Neighbour, json_line
from selfinstruct.rouge import RougeIndex
from selfinstruct.tables import columns as table_fields
from selfinstruct.tables.rows import Rows, Table
from selfinstruct.tables.writers import RowWriter

NEAR_EARLIER, NEAR_REFERENCE = "near_earlier", "near_reference"
_BINS = 20  # of the scores from 0 to 1


@dataclass(frozen=True, slots=True)
class Counted:
    """A table and what became of its rows; of references all are kept. `sha256` is None where it is not one file."""

    name: str
    rows: int
    kept: int
    dropped: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """What was done: `file` has the rows that were kept, `rules` the number that each rule dropped.

    `without_tokens` rows were kept because there is nothing in them to compare. `scores` counts the dropped rows by their
    score, in steps of 0.05 named by their lower end; 1.00 is exactly 1.
    """

    file: Path
    inputs: tuple[Counted, ...]
    references: tuple[Counted, ...]
    settings: dict[str, Any]
    rules: dict[str, int]
    scores: dict[str, int]
    without_tokens: int

    @property
    def rows(self) -> int:
        """Rows of all inputs."""
        return sum(table.rows for table in self.inputs)

    @property
    def kept(self) -> int:
        """Rows that were kept."""
        return sum(table.kept for table in self.inputs)

    @property
    def dropped(self) -> int:
        """Rows that were dropped."""
        return sum(table.dropped for table in self.inputs)

    def as_values(self) -> dict[str, Any]:
        """The contents of summary.json: the same for the same inputs, settings and version."""
        return {
            "package": version("selfinstruct"),
            "settings": self.settings,
            "inputs": [_values(table) for table in self.inputs],
            "references": [{name: _values(table)[name] for name in ("name", "rows", "sha256")} for table in self.references],
            "rows": self.rows,
            "kept": self.kept,
            "dropped": self.dropped,
            "dropped_by": self.rules,
            "dropped_scores": self.scores,
            "kept_without_tokens": self.without_tokens,
        }


@dataclass(slots=True)
class State:
    """How far the work is, for a progress display: bytes of `size`, and rows so far (references apart)."""

    engine: str
    size: int
    done: int = 0
    references: int = 0
    rows: int = 0
    dropped: int = 0


@dataclass
class Sifting:
    """The work on the rows, and what is known of it so far."""

    index: RougeIndex
    into: RowWriter
    dropped: IO[bytes]
    progress: Callable[[State], None] | None
    state: State
    names: list[str] = field(default_factory=list)  # of tables, references first
    table_of: array[int] = field(default_factory=lambda: array("i"))  # of each text of the index
    row_of: array[int] = field(default_factory=lambda: array("q"))
    references: list[Counted] = field(default_factory=list)
    inputs: list[Counted] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)
    scores: Counter[int] = field(default_factory=Counter)
    referred: int = 0  # texts of the index that are references, and how many of them have no tokens
    referred_empty: int = 0
    empty: int = 0

    def refer(self, table: Table, fields: Sequence[str]) -> None:
        """Put all rows of a reference into the index."""
        before = len(self.index)
        for rows in self._batches(table):
            self.index.add_all(table_fields.texts(rows, fields))
            self._note(range(rows.first, rows.first + len(rows)))
            self.state.references += len(rows)
        count = len(self.index) - before
        self.references.append(Counted(table.name, count, count, 0, table.sha256()))
        self.referred, self.referred_empty = len(self.index), self.index.without_tokens

    def sift(self, table: Table, fields: Sequence[str], near: Callable[[list[str]], list[Neighbour | None]]) -> None:
        """Decide on all rows of an input, a batch at a time, and write them."""
        count = dropped = 0
        for rows in self._batches(table):
            found = near(table_fields.texts(rows, fields))
            places = [place for place, neighbour in enumerate(found) if neighbour is None]
            if len(self.index) > len(self.row_of):
                self._note(rows.first + place for place in places)
            self.into.write(rows, places)
            for place, neighbour in enumerate(found):
                if neighbour is not None:
                    self._drop(rows, place, neighbour)
            count, dropped = count + len(rows), dropped + len(rows) - len(places)
            self.state.rows += len(rows)
            self.state.dropped += len(rows) - len(places)
        self.inputs.append(Counted(table.name, count, count - dropped, dropped, table.sha256()))

    def near_reference(self, tokens: Callable[[str], list[str]], texts: list[str]) -> list[Neighbour | None]:
        """What texts are too near to, where nothing is to be put into the index."""
        found = self.index.too_near_all(texts)
        self.empty += sum(near is None and not tokens(text) for near, text in zip(found, texts, strict=True))
        return found

    def summary(self, file: Path, settings: dict[str, Any]) -> Summary:
        """What was done."""
        empty = self.empty + self.index.without_tokens - self.referred_empty
        rules = {rule: self.rules[rule] for rule in (NEAR_EARLIER, NEAR_REFERENCE)}
        scores = {f"{number / _BINS:.2f}": self.scores[number] for number in sorted(self.scores)}
        return Summary(file, tuple(self.inputs), tuple(self.references), settings, rules, scores, empty)

    def _batches(self, table: Table) -> Iterator[Rows]:
        self.names.append(table.name)
        before, any_rows = self.state.done, False
        for rows in table.batches():
            yield rows
            any_rows = True
            self.state.done = before + table.done
            if self.progress is not None:
                self.progress(self.state)
        if not any_rows:
            raise TableError(f"{table.name}: has no rows; leave it out, or give a file with rows")
        self.state.done = before + table.size

    def _note(self, numbers: Iterator[int] | range) -> None:
        """Remember where the texts that were just put into the index came from."""
        before = len(self.row_of)
        self.row_of.extend(numbers)
        self.table_of.extend([len(self.names) - 1] * (len(self.row_of) - before))

    def _drop(self, rows: Rows, place: int, near: Neighbour) -> None:
        at = int(near.id)
        rule = NEAR_REFERENCE if at < self.referred else NEAR_EARLIER
        self.rules[rule] += 1
        self.scores[int(near.score * _BINS)] += 1
        row, line = rows.first + place, rows.line(place)
        found = {
            "file": self.names[-1],
            "row": row,
            **({} if line in (None, row) else {"line": line}),
            "rule": rule,
            "score": near.score,
            "threshold": self.index.threshold,
            "nearest": {"file": self.names[self.table_of[at]], "row": self.row_of[at], "text": near.instruction},
        }
        # The record goes in as it was written, so that nothing of it is lost by reading and writing it.
        self.dropped.write(json_line(found)[:-2] + b', "record": ' + rows.json(place) + b"}\n")


def _values(table: Counted) -> dict[str, Any]:
    return {name: getattr(table, name) for name in Counted.__slots__}
