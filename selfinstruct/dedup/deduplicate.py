"""Remove near-duplicates from tables: a row is kept unless it is too near to an earlier kept row or to a reference."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from selfinstruct import atomic_write
from selfinstruct.dedup.single_pass import DedupProgress, SinglePass, Summary
from selfinstruct.errors import UserMistake, setting
from selfinstruct.rouge import RougeIndex
from selfinstruct.rouge.tokens import Kind, tokenizer
from selfinstruct.tables import columns, writers
from selfinstruct.tables.detect import exists, open_tables
from selfinstruct.tables.rows import Table

DROPPED, SUMMARY = "dropped.jsonl", "summary.json"


def dedup(
    inputs: Sequence[str | Path],
    out: str | Path,
    *,
    rouge: float = 0.7,
    against: Sequence[str | Path] = (),
    fields: Sequence[str] = ("instruction",),
    against_fields: Sequence[str] | None = None,
    only_against: bool = False,
    tokens: Kind = "unicode",
    stem: bool = False,
    format: str | None = None,
    progress: Callable[[DedupProgress], None] | None = None,
) -> Summary:
    """Write the rows of `inputs` that are not near-duplicates into the new or empty directory `out`.

    Rows are taken in order, one input after the other. A row is dropped when the ROUGE-L F-measure of its text to an earlier
    kept row, or to any row of `against`, is above `rouge`. The kept rows keep all their columns. `dropped.jsonl` has every
    other row with the rule, the score and the nearest text. `summary.json` has the settings and the counts.

    Args:
        inputs: Files (JSON, JSONL, CSV, TSV, Parquet, Arrow), or names that `datasets` loads.
        out: A new or empty directory for the results.
        rouge: The highest F-measure (0 to 1) of two texts that are not near-duplicates.
        against: References, as files or names. A row that is near to one of their rows is dropped.
        fields: The text of a row: names of columns, or paths such as `messages.0.content`. They are joined by a newline.
        against_fields: The text of a reference's row. By default, `fields`.
        only_against: Compare rows with `against` alone.
        tokens: The tokens that `RougeIndex` compares: "unicode" or "ascii".
        stem: Stem the tokens, as `rouge_score` does.
        format: The format of the kept rows, "jsonl" or "json". By default, that of the inputs.
        progress: Called after each batch of rows.

    Returns:
        The contents of `summary.json`, and the path of the kept rows.

    Raises:
        UserMistake: The caller can correct a setting or, as a TableError, the data. Nothing is written.
        OutputError: `out` cannot be written. Nothing is left there.
    """
    inputs, against = ([files] if isinstance(files, str | Path) else files for files in (inputs, against))
    fields = (fields,) if isinstance(fields, str) else tuple(fields)
    need_references = {"only_against": only_against, "against_fields": against_fields is not None}
    _check_settings(rouge, bool(inputs and fields), [] if against else [name for name, given in need_references.items() if given])
    against_fields = (against_fields,) if isinstance(against_fields, str) else tuple(against_fields or fields)
    _check_paths(inputs, against, Path(out))
    index = RougeIndex(rouge, tokens=tokens, stem=stem)
    tables, references = _open(inputs, fields), _open(against, against_fields)
    kind = writers.output_kind(tables, format)
    settings = {
        "threshold": index.threshold,
        "fields": list(fields),
        "against_fields": list(against_fields),
        "only_against": only_against,
        "tokens": tokens,
        "stem": stem,
        "kept_as": kind,
    }
    size = sum(table.size for table in [*tables, *references])
    with atomic_write.in_new_directory(Path(out), (*writers.NAMES, DROPPED, SUMMARY)) as files:
        with writers.open_writer(kind, tables, files.open(f"kept.{kind}")) as writer:
            work = SinglePass(index, writer, files.open(DROPPED), progress, DedupProgress(index.engine, size))
            for table in references:
                work.add_reference(table, against_fields)
            find_near = partial(work.near_references, tokenizer(tokens)) if only_against else index.admit_all
            for table in tables:
                work.filter_input(table, fields, find_near)
        summary = work.summary(Path(out) / f"kept.{kind}", settings)
        text = json.dumps(summary.to_json(), indent=2, ensure_ascii=False)
        files.open(SUMMARY).write(f"{text}\n".encode(errors="backslashreplace"))
        files.commit()
    return summary


def _check_settings(rouge: float, named: bool, unused: Sequence[str]) -> None:
    """Raise UserMistake for settings that cannot be used. `unused` are settings that would have no effect."""
    if not named:
        raise UserMistake("inputs and fields must not be empty. Fix: set at least one input and one field.")
    if not 0 <= rouge <= 1:
        raise UserMistake(f"{setting('rouge')}: must be a number from 0 to 1 (got {rouge!r}). Fix: give a number such as 0.7.")
    if unused:
        raise UserMistake(f"{setting(unused[0])}: needs references. Fix: set {setting('against')} to a file, or remove it.")


def _open(names: Sequence[str | Path], fields: Sequence[str]) -> list[Table]:
    """Open the tables of these names. Raises TableError, before any row is read, where one lacks a field."""
    tables = [table for name in names for table in open_tables(str(name))]
    for table in tables:
        columns.check(table, fields)
    return tables


def _check_paths(inputs: Sequence[str | Path], against: Sequence[str | Path], out: Path) -> None:
    """Raise UserMistake for a file that is given twice, or that is in the directory for the results."""
    for name in (*inputs, *against):
        if exists(Path(name)) and _real_path(name).parent == _real_path(out):
            raise UserMistake(
                f"{name}: is in {out}, the directory for the results. Fix: set {setting('out')} to a new or empty directory."
            )
    if twice := [name for name, count in Counter(map(_real_path, inputs)).items() if count > 1]:
        raise UserMistake(f"{twice[0]}: is given twice, so all rows would be dropped the second time. Fix: remove one.")
    if both := sorted({_real_path(name) for name in inputs} & {_real_path(name) for name in against}):
        raise UserMistake(f"{both[0]}: is an input and a reference, so all of its rows would be dropped. Fix: remove one.")


def _real_path(name: str | Path) -> Path:
    return Path(os.path.realpath(name))  # unlike Path.resolve, it does not raise for a loop of symbolic links
