"""Write the rows of a run through an export: all of its files, or none."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import zip_longest
from pathlib import Path
from typing import Any, BinaryIO

from selfinstruct import plugins
from selfinstruct.atomic_write import Staged, in_directory
from selfinstruct.contracts import ExportFiles, ExportRow
from selfinstruct.curate.dataset import Dataset
from selfinstruct.errors import PluginError, UserMistake, setting
from selfinstruct.layout import DATASET, JOURNAL, PROVENANCE
from selfinstruct.records import Example

Writer = Callable[[Iterable[ExportRow], ExportFiles], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """The number of rows that an export wrote, and its files."""

    rows: int
    files: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """The place for an export: a directory, and the name of the one file in it, or "" where the export names its files."""

    directory: Path
    file: str = ""

    @classmethod
    def of(cls, out: str | Path) -> Target:
        """Return the place that a path means. Raises UserMistake when a file is there.

        A path means a directory if there is one, if it ends with a slash, or if it has no file ending.
        """
        if not str(out):
            raise UserMistake(f"{setting('out')}: is empty. Fix: set it to a new file or a directory.")
        path = Path(out)
        is_directory = path.is_dir() or str(out).endswith(os.sep) or not path.suffix
        target = cls(path) if is_directory else cls(path.parent, path.name)
        for folder in (target.directory, *target.directory.parents):
            if folder.is_file():
                raise UserMistake(f"{folder}: is a file. Fix: set {setting('out')} to a new file or a directory.")
        if target.file:
            target.refuse_existing(target.file)
        return target

    def refuse_inside(self, directory: Path) -> None:
        """Raise UserMistake when the place is the directory that the rows come from."""
        if self.directory.resolve() == directory.resolve():
            place = self.directory / self.file
            raise UserMistake(f"{place}: is in the run directory. Fix: set {setting('out')} to a path outside of it.")

    def refuse_existing(self, name: str) -> None:
        """Raise UserMistake when a file of this name is in the directory."""
        path = self.directory / name
        if os.path.lexists(path):
            raise UserMistake(f"{path}: exists already. Fix: remove it, or set {setting('out')} to another path.")


def writer(to: str | Callable[..., None], options: Mapping[str, Any]) -> Writer:
    """Return an export with its options bound. In a name, hyphens and underscores are the same.

    Raises PluginError or RecipeError when there is no such export, or when it has no such option.
    """
    function: Callable[..., Any]
    if callable(to):
        function, name = to, getattr(to, "__name__", repr(to))
    elif ":" in to:
        function, name = plugins.find("export", to), to
    else:
        function, name = plugins.find("export", to), to.replace("_", "-")
    plugins.check_options(f"export {name!r}", function, options, "(rows, files)")
    return partial(function, **options)


def rows(dataset: Dataset, provenance: Iterable[Mapping[str, Any]], system: str = "") -> Iterator[ExportRow]:
    """Yield the rows of a dataset, each with its provenance and with a system text that is the same for all."""
    for row, origin in zip(dataset.rows, provenance, strict=True):
        example = row.candidate.example
        yield ExportRow(example.id, **example.as_values(), provenance=origin, system=system)


def is_built(directory: Path) -> bool:
    """Return True for a directory that `build --out` wrote: rows and their provenance, without the journal of a run."""
    return all((directory / name).is_file() for name in (DATASET, PROVENANCE)) and not (directory / JOURNAL).exists()


def built_rows(directory: Path, system: str = "") -> Iterator[ExportRow]:
    """Yield the rows of a directory that `build --out` wrote, each with its provenance and with a system text.

    Raises UserMistake when a line cannot be read, or when a row is not the one that its line of provenance names.
    """
    paths = directory / DATASET, directory / PROVENANCE
    with paths[0].open(encoding="utf-8") as dataset, paths[1].open(encoding="utf-8") as origins:
        for number, lines in enumerate(zip_longest(dataset, origins, fillvalue=""), 1):
            try:
                texts, origin = map(json.loads, lines)
                example = Example(*(str(texts[name]) for name in ("instruction", "input", "output")))
                same = origin["id"] == example.id
            except (ValueError, TypeError, KeyError, RecursionError):
                same = False
            if not same:
                raise UserMistake(
                    f"{directory}: line {number:,} of {DATASET} does not fit line {number:,} of {PROVENANCE}. "
                    "Fix: build the directory again with `selfinstruct build RUN --out NEW`."
                )
            yield ExportRow(example.id, **example.as_values(), provenance=origin, system=system)


def export(write: Writer, rows: Iterable[ExportRow], target: Target) -> Exported:
    """Write rows into new files, all of them or none.

    Raises:
        UserMistake: A file exists, the export writes several files into a target for one, or a row cannot be held.
        OutputError: The directory cannot be written.
    """
    counted = _Counted(rows)
    with in_directory(target.directory) as staged:
        files = _Files(staged, target)
        write(counted, files)
        if not files.names:
            raise PluginError("export: opened no file. Fix: open at least one with `files.open`.")
        for name in files.names:
            target.refuse_existing(name)  # one may have appeared meanwhile
        staged.commit()
    return Exported(counted.count, tuple(target.directory / name for name in files.names))


class _Counted:
    """Rows that are counted as they are taken."""

    def __init__(self, rows: Iterable[ExportRow]) -> None:
        self._rows = rows
        self.count = 0

    def __iter__(self) -> Iterator[ExportRow]:
        for row in self._rows:
            self.count += 1
            yield row


class _Files:
    """The files of an export, under its own names or under the one name of the target."""

    def __init__(self, staged: Staged, target: Target) -> None:
        self._staged = staged
        self._target = target
        self.names: list[str] = []

    def open(self, name: str) -> BinaryIO:
        """Return a new file. See `ExportFiles`."""
        if name in ("", ".", "..", *self.names) or name != Path(name).name:
            raise PluginError(f"export: cannot open a file {name!r}. Fix: open each file once, by a name without a folder.")
        if self._target.file and self.names:
            path = self._target.directory / self._target.file
            raise UserMistake(f"{path}: is one file, and this export writes several. Fix: set {setting('out')} to a directory.")
        self.names.append(self._target.file or name)
        self._target.refuse_existing(self.names[-1])
        return self._staged.open(self.names[-1])
