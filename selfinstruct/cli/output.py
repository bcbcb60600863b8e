"""Messages of `generate`, `build` and `cancel`: what starts, what was made, how to resume."""

from __future__ import annotations

import itertools
import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from selfinstruct.cli import costs
from selfinstruct.cli.flags import typed
from selfinstruct.cli.terminal import columns, command, cut, labelled, note, safe, short, tally, width_of
from selfinstruct.curate.dataset import Dataset
from selfinstruct.journal.file import Journal
from selfinstruct.layout import DATASET, JOURNAL, PROVENANCE
from selfinstruct.records import Decision
from selfinstruct.report.status import writing_process
from selfinstruct.run import Run
from selfinstruct.rundir.manifest import exists
from selfinstruct.text import counted, listed

_RULE, _VALUE = 24, 22  # most columns of a rule and of its value in a line of the busiest rules
_MANY_ROWS = 5_000  # rows from which the search for nearest neighbours takes a while


def choosing(run: Run) -> None:
    """Note that a new run uses the embedded teacher, if the user did not choose one. Opening it takes a while."""
    if run.is_new and run.recipe.generate.teacher == "local" and not {"teacher", "model"} & run.definition.given.keys():
        note("no API key and no --teacher: using the embedded teacher, a small model in this process")


def opening(run: Run) -> None:
    """Note what `generate` is about to do: rows, method, teacher, price, limit and open batches."""
    saved = _count_lines(run.path / DATASET)
    if run.recipe.curate.num < saved:
        note(f"the dataset has {counted(saved, 'row')} now. Their replies stay saved: a larger --num brings the rows back")
    rows = counted(run.recipe.curate.num, "row")
    note(f"{'starting' if run.is_new else 'resuming'} {run.path}: {rows}, method {run.definition.methods}")
    for line in costs.seed_findings(run):
        note(line)
    for line in costs.teachers(run):
        note(line)
    for line in costs.terms(run):
        note(line)
    with Journal.reading(run.path / JOURNAL) as journal:
        for name, batch in journal.counts.open_batches.items():
            note(f"waiting for batch {name[:8]} ({counted(batch.waiting, 'request')}), which is open at the provider")
            command(f"to cancel it: selfinstruct cancel {_quoted(run.path)}")


def closing(run: Run, dataset: Dataset) -> None:
    """Note what `generate` made, the busiest rules, what it cost and where the dataset is."""
    tokens = dataset.usage.tokens
    rows, rejected = len(dataset.rows), len(dataset.rejected)
    note(f"{counted(rows, 'row')} accepted, {counted(rejected, 'candidate')} rejected")
    _note_candidates(dataset)
    _note_busiest(dataset, run.path, run.path, {})
    per_row = f" ({tokens / rows:,.0f} tokens per row)" if rows else ""
    note(f"used: {counted(dataset.requests, 'request')}, {short(tokens)} tokens{per_row}")
    for line in costs.spending(run, rows):
        note(line)
    _note_open_batches(run)
    note(f"dataset: {run.path / DATASET}")


def stopping(in_flight: int, grace: float) -> None:
    """Note what the first Ctrl-C waits for: `in_flight` replies, for at most `grace` seconds."""
    replies = counted(in_flight, "reply", "replies")
    waiting = f"waiting up to {grace:g} s for {replies} in flight, which will be billed" if in_flight else "writing the dataset"
    note(f"\nstopping: {waiting} (press Ctrl-C again to stop at once)")


def writing(rows: int) -> None:
    """Note that writing a large dataset takes a while."""
    if rows >= _MANY_ROWS:
        note(f"writing {rows:,} rows and the nearest neighbours of each, which takes a while")


def interrupted(run: Run) -> None:
    """Note, after Ctrl-C, what was spent and how to resume."""
    if not exists(run.path):
        note("stopped before anything was asked or written. Run the same command again")
        return
    for line in costs.spending(run, _count_lines(run.path / DATASET)):
        note(line)
    _note_open_batches(run)
    note("stopped. All replies that arrived are saved")
    note(f"To resume: selfinstruct generate {_quoted(run.path)}")


def changes(run: Run, dataset: Dataset) -> str:
    """Return how the rows of a dataset differ from those in the run directory, or "" if that has none."""
    try:
        with (run.path / PROVENANCE).open(encoding="utf-8", newline="\n") as lines:
            before = [str(json.loads(line)["candidate"]) for line in lines]
    except (OSError, ValueError, KeyError, TypeError):  # missing or damaged, and `build` is the remedy
        return ""
    after = [row.candidate.id for row in dataset.rows]
    parts = []
    for verb, ids, others in (("added", after, set(before)), ("removed", before, set(after))):
        if different := [id for id in ids if id not in others]:
            parts.append(f"{counted(len(different), 'row')} {verb} ({listed(different)})")
    return f"compared with the dataset in {run.path}: {', '.join(parts) or 'the same rows'}"


def built(run: Run, dataset: Dataset, where: Path, given: Mapping[str, Any], changes: str) -> None:
    """Note what `build` made, what changed, what is missing and where the dataset is.

    Args:
        run: The run.
        dataset: The dataset that was built.
        where: The directory of the derived files.
        given: The settings that the user gave.
        changes: The text of `changes`, from before the files were written.
    """
    note(f"{counted(len(dataset.rows), 'row')} from {counted(dataset.candidates, 'candidate')}, without asking a teacher")
    if changes:
        note(changes)
    if spare := dataset.funnel.get("over_target"):
        more = counted(spare, "more candidate is accepted", "more candidates are accepted")
        note(f"at least {more}: raise --num to keep {'it' if spare == 1 else 'them'}")
    _note_candidates(dataset)
    _note_busiest(dataset, run.path, where, given)
    if not dataset.complete:
        _note_lack(run, dataset, where, given)
    note(f"dataset: {where / DATASET}")


def _note_lack(run: Run, dataset: Dataset, where: Path, given: Mapping[str, Any]) -> None:
    """Note why a built dataset is not complete, and what to do. Requests are paid, and a run has one dataset."""
    if process := writing_process(run.path):
        note(f"{dataset.lack} so far. Process {process} is still requesting replies. Repeat this command when it ends.")
    elif where == run.path:
        note(run.shortfall(dataset))
    elif dataset.ended:
        note(dataset.shortfall(str(where)))
    else:
        path = _quoted(run.path)
        note(dataset.lack)
        if dataset.unanswered:
            command(f"read them:  selfinstruct show {_quoted(where)} --rejected unanswered")
        paid = " (paid)" if run.definition.paid else ""
        note(f"To request more replies{paid}, first replace the dataset in {run.path} by this one, then resume the run:")
        command(f"  selfinstruct build {path}{typed(given)}")  # the run has other settings, by which these rows are not made
        command(f"  selfinstruct generate {path}")


def cancelled(run: Run, batches: Mapping[str, str]) -> None:
    """Print how each batch ended, and how to resume without batches."""
    for name, state in batches.items():
        print(safe(f"batch {name[:8]}: {state}"))
    if not batches:
        print(safe(f"{run.path}: no open batch at the provider"))
        return
    print(safe(f"{counted(_count_lines(run.path / DATASET), 'row')} in {run.path / DATASET}"))
    print(safe(f"To resume without batches: selfinstruct generate {_quoted(run.path)} --no-batch"))


def _note_candidates(dataset: Dataset) -> None:
    """Note the rejections by rule, and the rows that the near-duplicate rule could not compare."""
    if dataset.funnel:
        note(labelled("rejected:", tally(dataset.funnel), 10))
    if dataset.without_tokens:
        rows = counted(dataset.without_tokens, "row")
        note(f"{rows} kept without a ROUGE-L comparison: the instruction has no tokens, only signs such as emoji")


def _note_busiest(dataset: Dataset, run: Path, where: Path, given: Mapping[str, Any]) -> None:
    """Note the rules that rejected the most candidates, a line each with an example, and what to do about them.

    `run` is the run directory, and `where` has the derived files. `given` are the settings that the user gave.
    """
    busiest = dataset.busiest()
    if not busiest:
        return
    note("busiest rules, each with an example:")
    names = max(len(busy.rule[:_RULE]) for busy in busiest)
    numbers = max(len(f"{busy.count:,}") for busy in busiest)
    for busy in busiest:
        head = f"  {safe(busy.rule[:_RULE]):{names}}  {busy.count:{numbers},}  "
        reason = _reason(busy.example)
        instruction = cut(busy.example.candidate.task.instruction, columns() - len(head) - width_of(reason) - 3)
        note(f'{head}"{instruction}" {reason}')
    first = busiest[0].rule
    command(f"read more:  selfinstruct show {_quoted(where)} --rejected {shlex.quote(first)}")
    if off := next((busy.rule for busy in busiest if busy.is_filter), ""):
        flags = typed({**given, "filters": {**given.get("filters", {}), off: False}})
        note(f"try without {off}, in a new directory and without requests:")
        command(f"  selfinstruct build {_quoted(run)}{flags} --out {_quoted(_new_directory(where))}")


def _reason(decision: Decision) -> str:
    """Return the value and the limit of a rejection, such as "(got 2, limit 4 to 150)" or "(got 'draw')"."""
    value, limit = decision.value, decision.limit
    if isinstance(value, float):
        value = f"{value:.2f}"
    elif isinstance(value, str):
        value = f"'{cut(value, _VALUE)}'"
    if limit is None:
        return f"(got {value})"
    return f"(got {value}, limit {' to '.join(map(str, limit)) if isinstance(limit, list | tuple) else limit})"


def _note_open_batches(run: Run) -> None:
    with Journal.reading(run.path / JOURNAL) as journal:
        if journal.counts.open_batches:
            note(f"open batches continue at the provider. To cancel them: selfinstruct cancel {_quoted(run.path)}")


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _new_directory(path: Path) -> Path:
    """Return a path beside another one that does not exist yet, such as `runs/kenya-2`."""
    beside = path if path.name not in ("", "..") else path.resolve()
    numbered = (beside.with_name(f"{beside.name}-{number}") for number in itertools.count(2))
    return next(path for path in numbered if not path.exists())


def _quoted(path: Path) -> str:
    """Return a path as a word of a shell command."""
    return shlex.quote(str(path))
