"""Checking a run directory: what is wrong with it, in sentences. Reads only."""

from __future__ import annotations

from pathlib import Path

from selfinstruct import layout
from selfinstruct.errors import RunDirectoryError, SelfInstructError, UserMistake
from selfinstruct.inputs import snapshot
from selfinstruct.journal.file import Journal
from selfinstruct.layout import JOURNAL, LOCK, RUN
from selfinstruct.report.status import writer
from selfinstruct.run import Run
from selfinstruct.rundir.manifest import exists, read

_SHOWN = 5  # line numbers and keys that a finding names


def fsck(path: str | Path) -> list[str]:
    """What is wrong with a run directory, a sentence each; raises UserMistake when there is no run."""
    path = Path(path)
    if not exists(path):
        raise UserMistake(f"{path}: there is no run here (no {RUN}); check the path")
    running = writer(path)
    found = [f"process {running} is writing here; what it has not finished yet may be reported"] if running else []
    found += _strangers(path)
    try:
        found += _journal(path)
        found += _derived(path)
    except SelfInstructError as error:
        found.append(str(error))
    return found


def _strangers(path: Path) -> list[str]:
    """Files that are not of a run, or were left by a process that was killed while it wrote."""
    ours = {RUN, JOURNAL, LOCK, *layout.NAMES, *snapshot.file_names(read(path).recipe.generate)}
    found = []
    for item in sorted(path.iterdir()):
        if item.name.startswith(".") and item.name.endswith(".new"):
            found.append(f"{item}: was left half-written by a process that was killed; it may be deleted")
        elif item.name not in ours:
            found.append(f"{item}: is no file of a run")
    return found


def _journal(path: Path) -> list[str]:
    if not (path / JOURNAL).exists():
        raise RunDirectoryError(f"{path / JOURNAL}: is not there; the replies are lost unless you put it back")
    with Journal.reading(path / JOURNAL) as journal:
        counts = journal.counts
        found = []
        if journal.torn_lines:
            lines = _some(journal.torn_lines)
            found.append(f"{path / JOURNAL}: {counts.torn} torn line(s), left by a crash and passed over: {lines}")
        if journal.unfinished:
            found.append(f"{path / JOURNAL}: its last line is cut off ({journal.unfinished} bytes); `generate` seals it")
        if journal.repeated_keys:
            keys = _some(journal.repeated_keys)
            found.append(
                f"{path / JOURNAL}: {counts.duplicates} more repl(ies) to requests that had one; the first counts: {keys}"
            )
        if counts.unknown:
            found.append(f"{path / JOURNAL}: {counts.unknown} line(s) of a kind that this version does not know")
        if counts.open and writer(path) is None:
            found.append(
                f"{path / JOURNAL}: {len(counts.open)} call(s) were cut off without an outcome, and may have been billed: "
                f"{_some(list(counts.open))}"
            )
        for name, batch in counts.open_batches.items():
            found.append(f"batch {name[:8]} ({batch.id or 'not known to be submitted'}) is open; run `generate`, or `cancel`")
    return found


def _derived(path: Path) -> list[str]:
    """The derived files that are not what the journal gives."""
    expected = Run(path).files()
    found = []
    for name, content in expected.items():
        file = path / name
        if not file.exists():
            found.append(f"{file}: is not there; make it with `selfinstruct build {path}`")
        elif file.read_bytes() != content:
            found.append(f"{file}: is not what the journal gives; make it again with `selfinstruct build {path}`")
    return found


def _some(values: list[int] | list[str]) -> str:
    return ", ".join(str(value) for value in values[:_SHOWN]) + (", ..." if len(values) > _SHOWN else "")
