"""Problems of a run directory, found without changing it: what `selfinstruct fsck` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from selfinstruct import layout
from selfinstruct.errors import RunDirectoryError, SelfInstructError, UserMistake
from selfinstruct.inputs import snapshot
from selfinstruct.journal.file import Journal
from selfinstruct.layout import JOURNAL, LOCK, RUN
from selfinstruct.report.status import writing_process
from selfinstruct.run import Run
from selfinstruct.rundir.manifest import exists, read
from selfinstruct.text import counted, listed


def fsck(path: str | Path) -> list[str]:
    """Return the problems of a run directory, a sentence each, or an empty list.

    Checks the files in the directory, the journal, open calls and batches, and whether the derived files are what the journal
    gives.

    Raises:
        UserMistake: No run at `path`.
        RunDirectoryError: The definition of the run is missing or was changed.
    """
    path = Path(path)
    if not exists(path):
        raise UserMistake(f"{path}: has no run ({RUN} is missing). Fix: check the path.")
    problems = []
    if process := writing_process(path):
        problems.append(
            f"{path}: process {process} is writing, so the derived files cannot be checked now. Fix: check again when it ends."
        )
    problems.extend(_foreign_files(path))
    try:
        problems.extend(_journal(path, being_written=process is not None))
        problems.extend(_derived_files(path) if process is None else ())
    except SelfInstructError as error:
        problems.append(str(error))
    return problems


def _foreign_files(path: Path) -> Iterator[str]:
    """Yield files that do not belong to a run, or that a killed process left behind."""
    known = {RUN, JOURNAL, LOCK, *layout.DERIVED, *snapshot.file_names(read(path).recipe.generate)}
    for file in sorted(path.iterdir()):
        if file.name.startswith(".") and file.name.endswith(".new"):
            if writing_process(path) is None:  # else it may be the file that is being written
                yield f"{file}: temporary file of a killed process. Fix: remove it."
        elif file.name not in known:
            yield f"{file}: not a file of a run. Fix: move it elsewhere."


def _journal(path: Path, *, being_written: bool) -> Iterator[str]:
    """Yield damaged or repeated lines of the journal, and calls and batches without an end.

    What a process that is writing may still end is left out.
    """
    file = path / JOURNAL
    if not file.exists():
        raise RunDirectoryError(f"{file}: missing, and all replies with it. Fix: put it back from a copy.")
    with Journal.reading(file) as journal:
        counts = journal.counts
        if journal.torn_lines:
            yield f"{file}: {_some('torn line', journal.torn_lines)}, left by a crash and ignored. No action needed."
        if journal.unfinished and not being_written:
            cut_off = counted(journal.unfinished, "byte")
            yield f"{file}: last line is incomplete ({cut_off}). Fix: resume with `selfinstruct generate {path}`."
        if journal.repeated_keys:
            yield f"{file}: {_some('repeated key', journal.repeated_keys)}, the first reply counts. No action needed."
        if counts.unknown:
            lines = counted(counts.unknown, "line")
            yield f"{file}: {lines} of an unknown kind. Fix: install the version of this package that wrote them."
        if being_written:
            return
        if counts.open:
            yield f"{file}: {_some('call', list(counts.open))} without an outcome, perhaps billed. No action needed."
        for name, batch in counts.open_batches.items():
            yield (
                f"{file}: batch {name[:8]} ({batch.id or 'not known to be submitted'}) is open. Fix: collect it with "
                f"`selfinstruct generate {path}`, or cancel it with `selfinstruct cancel {path}`."
            )


def _derived_files(path: Path) -> Iterator[str]:
    """Yield derived files that are missing, or differ from what the journal gives."""
    for name, content in Run(path).files().items():
        file = path / name
        if not file.exists():
            yield f"{file}: missing. Fix: run `selfinstruct build {path}`."
        elif file.read_bytes() != content:
            yield f"{file}: differs from what the journal gives. Fix: run `selfinstruct build {path}`."


def _some(noun: str, values: Sequence[int | str]) -> str:
    """Return a count with the first few values, such as "2 torn lines (3, 7)"."""
    return f"{counted(len(values), noun)} ({listed(values)})"
