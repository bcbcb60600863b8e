"""Decide on rows in one pass: read them in batches, write those that are kept, record those that are dropped, and count."""

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
from selfinstruct.tables import columns
from selfinstruct.tables.rows import Rows, Table
from selfinstruct.tables.writers import RowWriter

NEAR_EARLIER, NEAR_REFERENCE = "near_earlier", "near_reference"
_BINS = 20  # of the scores from 0 to 1


@dataclass(frozen=True, slots=True)
class TableCounts:
    """The rows of a table, how many of them were kept and dropped, and the SHA-256 (hex) of its file.

    All rows of a reference count as kept. `sha256` is None where the table is not one file.
    """

    name: str
    rows: int
    kept: int
    dropped: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Summary:
    """The result of a deduplication.

    Attributes:
        file: The file with the kept rows.
        inputs: The counts of each input.
        references: The counts of each reference.
        settings: The settings by name.
        rules: The number of rows that each rule dropped.
        scores: The number of dropped rows by score, in steps of 0.05 with the name of their lower end. "1.00" is exactly 1.
        without_tokens: The number of rows that were kept because they have no tokens to compare.
    """

    file: Path
    inputs: tuple[TableCounts, ...]
    references: tuple[TableCounts, ...]
    settings: dict[str, Any]
    rules: dict[str, int]
    scores: dict[str, int]
    without_tokens: int

    @property
    def rows(self) -> int:
        """The number of rows of all inputs."""
        return sum(table.rows for table in self.inputs)

    @property
    def kept(self) -> int:
        """The number of rows that were kept."""
        return sum(table.kept for table in self.inputs)

    @property
    def dropped(self) -> int:
        """The number of rows that were dropped."""
        return sum(table.dropped for table in self.inputs)

    def to_json(self) -> dict[str, Any]:
        """Return the contents of summary.json, which depend only on the inputs, the settings and the package's version."""
        return {
            "package": version("selfinstruct"),
            "settings": self.settings,
            "inputs": [_fields(table) for table in self.inputs],
            "references": [{name: _fields(table)[name] for name in ("name", "rows", "sha256")} for table in self.references],
            "rows": self.rows,
            "kept": self.kept,
            "dropped": self.dropped,
            "dropped_by": self.rules,
            "dropped_scores": self.scores,
            "kept_without_tokens": self.without_tokens,
        }


@dataclass(slots=True)
class DedupProgress:
    """The progress of a deduplication: `done` of `size` bytes, rows of references, and rows of inputs so far.

    `engine` is the engine of the ROUGE index.
    """

    engine: str
    size: int
    done: int = 0
    references: int = 0
    rows: int = 0
    dropped: int = 0


@dataclass
class SinglePass:
    """A pass over references and inputs. Kept rows go to `writer`, records of dropped rows to `dropped`."""

    index: RougeIndex
    writer: RowWriter
    dropped: IO[bytes]
    report: Callable[[DedupProgress], None] | None  # called after each batch
    progress: DedupProgress
    table_names: list[str] = field(default_factory=list)  # references first
    table_of: array[int] = field(default_factory=lambda: array("i"))  # by text of the index: which of `table_names`
    row_of: array[int] = field(default_factory=lambda: array("q"))  # by text of the index: the row in its table
    references: list[TableCounts] = field(default_factory=list)
    inputs: list[TableCounts] = field(default_factory=list)
    rules: Counter[str] = field(default_factory=Counter)  # dropped rows by rule
    scores: Counter[int] = field(default_factory=Counter)  # dropped rows by bin
    reference_texts: int = 0  # texts of the index that come from references, which are its first
    references_without_tokens: int = 0
    unindexed_without_tokens: int = 0  # rows without tokens that were kept but not put into the index

    def add_reference(self, table: Table, paths: Sequence[str]) -> None:
        """Put the texts of all rows of a reference into the index."""
        before = len(self.index)
        for rows in self._batches(table):
            self.index.add_all(columns.texts(rows, paths))
            self._remember_rows(range(rows.first, rows.first + len(rows)))
            self.progress.references += len(rows)
        count = len(self.index) - before
        self.references.append(TableCounts(table.name, count, count, 0, table.sha256()))
        self.reference_texts, self.references_without_tokens = len(self.index), self.index.without_tokens

    def filter_input(self, table: Table, paths: Sequence[str], find_near: Callable[[list[str]], list[Neighbour | None]]) -> None:
        """Write each row of an input, or record it as dropped where `find_near` returns a neighbour of its text."""
        count = dropped = 0
        for rows in self._batches(table):
            neighbours = find_near(columns.texts(rows, paths))
            kept = [place for place, neighbour in enumerate(neighbours) if neighbour is None]
            if len(self.index) > len(self.row_of):
                self._remember_rows(rows.first + place for place in kept)
            self.writer.write(rows, kept)
            for place, neighbour in enumerate(neighbours):
                if neighbour is not None:
                    self._record_dropped(rows, place, neighbour)
            count, dropped = count + len(rows), dropped + len(rows) - len(kept)
            self.progress.rows += len(rows)
            self.progress.dropped += len(rows) - len(kept)
        self.inputs.append(TableCounts(table.name, count, count - dropped, dropped, table.sha256()))

    def near_references(self, tokens: Callable[[str], list[str]], texts: list[str]) -> list[Neighbour | None]:
        """Return the reference that each text is too near to, or None, without adding the texts to the index."""
        neighbours = self.index.too_near_all(texts)
        self.unindexed_without_tokens += sum(
            near is None and not tokens(text) for near, text in zip(neighbours, texts, strict=True)
        )
        return neighbours

    def summary(self, file: Path, settings: dict[str, Any]) -> Summary:
        """Return the summary of the pass. `file` is the file of the kept rows."""
        without_tokens = self.unindexed_without_tokens + self.index.without_tokens - self.references_without_tokens
        rules = {rule: self.rules[rule] for rule in (NEAR_EARLIER, NEAR_REFERENCE)}
        scores = {f"{number / _BINS:.2f}": self.scores[number] for number in sorted(self.scores)}
        return Summary(file, tuple(self.inputs), tuple(self.references), settings, rules, scores, without_tokens)

    def _batches(self, table: Table) -> Iterator[Rows]:
        self.table_names.append(table.name)
        before, any_rows = self.progress.done, False
        for rows in table.batches():
            yield rows
            any_rows = True
            self.progress.done = before + table.done
            if self.report is not None:
                self.report(self.progress)
        if not any_rows:
            raise TableError(f"{table.name}: has no rows. Fix: remove it, or choose a file with rows.")
        self.progress.done = before + table.size

    def _remember_rows(self, numbers: Iterator[int] | range) -> None:
        """Record which rows of the current table the texts came from that were added to the index last."""
        before = len(self.row_of)
        self.row_of.extend(numbers)
        self.table_of.extend([len(self.table_names) - 1] * (len(self.row_of) - before))

    def _record_dropped(self, rows: Rows, place: int, near: Neighbour) -> None:
        at = int(near.id)
        rule = NEAR_REFERENCE if at < self.reference_texts else NEAR_EARLIER
        self.rules[rule] += 1
        self.scores[int(near.score * _BINS)] += 1
        row, line = rows.first + place, rows.line(place)
        entry = {
            "file": self.table_names[-1],
            "row": row,
            **({} if line in (None, row) else {"line": line}),
            "rule": rule,
            "score": near.score,
            "threshold": self.index.threshold,
            "nearest": {"file": self.table_names[self.table_of[at]], "row": self.row_of[at], "text": near.instruction},
        }
        # The record is copied byte for byte: parsing it and writing it again could lose repeated keys or digits.
        self.dropped.write(json_line(entry)[:-2] + b', "record": ' + rows.json(place) + b"}\n")


def _fields(table: TableCounts) -> dict[str, Any]:
    return {name: getattr(table, name) for name in TableCounts.__slots__}
