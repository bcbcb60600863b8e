"""Near-duplicates out of anybody's data: each row is kept unless it is too near to an earlier row or to a reference."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from selfinstruct import atomic_write
from selfinstruct.dedup.single_pass import Sifting, State
from selfinstruct.dedup.single_pass import Summary as Summary
from selfinstruct.errors import UserMistake
from selfinstruct.rouge import RougeIndex
from selfinstruct.rouge.tokens import Kind, tokenizer
from selfinstruct.tables import columns as table_fields
from selfinstruct.tables import writers
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
    progress: Callable[[State], None] | None = None,
) -> Summary:
    """Write the rows of `inputs` that are not near-duplicates into the new or empty directory `out`.

    Rows are taken in order, one input after the other. A row is dropped when the ROUGE-L F-measure (0 to 1) of its text to a
    row kept before, or to any row of `against`, is above `rouge`; with `only_against`, rows are held against references alone.
    Its text is its `fields` with a newline between them: names of columns, or paths such as "messages.0.content".

    Inputs and references are files (JSON, JSONL, CSV, TSV, Parquet, Arrow) or names that `datasets` loads. The kept rows keep
    all their columns, as the kind of file that they came in or as `format` ("jsonl" or "json"); `dropped.jsonl` has every other
    row with the rule, the score and the nearest text, `summary.json` what was done. `progress` is called after each batch.

    Raises UserMistake (a TableError where it is the data) for what the caller can correct, and OutputError when `out` cannot
    be written; nothing is left there then.
    """
    inputs, against = ([files] if isinstance(files, str | Path) else files for files in (inputs, against))
    fields = (fields,) if isinstance(fields, str) else tuple(fields)
    only = {"--only-against": only_against, "--against-field": against_fields is not None}
    _refuse_settings(rouge, bool(inputs and fields), [] if against else [flag for flag, given in only.items() if given])
    against_fields = (against_fields,) if isinstance(against_fields, str) else tuple(against_fields or fields)
    _refuse_the_same(inputs, against, Path(out))
    index = RougeIndex(rouge, tokens=tokens, stem=stem)
    tables, references = _opened(inputs, fields), _opened(against, against_fields)
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
    with atomic_write.fresh(Path(out), (*writers.NAMES, DROPPED, SUMMARY)) as files:
        with writers.open_writer(kind, tables, files.open(f"kept.{kind}")) as into:
            work = Sifting(index, into, files.open(DROPPED), progress, State(index.engine, size))
            for table in references:
                work.refer(table, against_fields)
            near = partial(work.near_reference, tokenizer(tokens)) if only_against else index.admit_all
            for table in tables:
                work.sift(table, fields, near)
        summary = work.summary(Path(out) / f"kept.{kind}", settings)
        text = json.dumps(summary.as_values(), indent=2, ensure_ascii=False)
        files.open(SUMMARY).write(f"{text}\n".encode(errors="backslashreplace"))
        files.commit()
    return summary


def _refuse_settings(rouge: float, named: bool, idle: Sequence[str]) -> None:
    """Settings that make no sense; `idle` are flags that would do nothing."""
    if not named:
        raise UserMistake("name at least one input and one field")
    if not 0 <= rouge <= 1:
        raise UserMistake(f"--rouge is a number from 0 to 1 (it is {rouge!r})")
    if idle:
        raise UserMistake(f"{idle[0]} needs something to hold the rows against; give --against FILE too")


def _opened(names: Sequence[str | Path], fields: Sequence[str]) -> list[Table]:
    """The tables of these names, whose mistakes are found before anything is done."""
    tables = [table for name in names for table in open_tables(str(name))]
    for table in tables:
        table_fields.check(table, fields)
    return tables


def _refuse_the_same(inputs: Sequence[str | Path], against: Sequence[str | Path], out: Path) -> None:
    """No file may be an input and a reference, nor lie where the results are to go."""
    for name in (*inputs, *against):
        if exists(Path(name)) and _real(name).parent == _real(out):
            raise UserMistake(f"{name}: is in {out}, where the results are to go; name another directory, new or empty")
    if twice := [name for name, count in Counter(map(_real, inputs)).items() if count > 1]:
        raise UserMistake(f"{twice[0]}: is named twice, so that all of it would go the second time; name it once")
    if again := sorted({_real(name) for name in inputs} & {_real(name) for name in against}):
        raise UserMistake(f"{again[0]}: is an input and a reference, so that all of it would go; name it once")


def _real(name: str | Path) -> Path:
    return Path(os.path.realpath(name))  # which, other than Path.resolve, does not raise for links that go in a circle
