"""The command `dedup`: its flags, its progress line and its closing lines."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from selfinstruct.cli import completion
from selfinstruct.cli.terminal import labelled, note, tally
from selfinstruct.text import counted

if TYPE_CHECKING:
    from selfinstruct.dedup.single_pass import DedupProgress, Summary

_MANY_ROWS = 20_000  # rows from which the portable engine is noticeably slower


def dedup(
    inputs: Annotated[
        list[str], typer.Argument(help="Files, or datasets that the package `datasets` loads.", metavar="INPUT...")
    ],
    out: Annotated[Path, typer.Option(help="New or empty directory for the results.", metavar="DIR", show_default=False)],
    rouge: Annotated[
        float,
        typer.Option(
            help="Remove a row if its ROUGE-L to an earlier row is above this limit. 0.999 removes almost only repeated rows.",
            metavar="NUMBER",
        ),
    ] = 0.7,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="Also remove rows that are too near to a row of this file, such as a test set. Repeat it for several files.",
            metavar="FILE",
            show_default=False,
        ),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="Column to compare, or a path such as messages.0.content. Repeat it to compare several columns as one text.",
            metavar="NAME",
            show_default="instruction",
        ),
    ] = None,
    against_field: Annotated[
        list[str] | None,
        typer.Option(help="Column to compare in the files of --against.", metavar="NAME", show_default="as --field"),
    ] = None,
    only_against: Annotated[
        bool, typer.Option("--only-against", help="Compare rows only with the rows of --against, not with each other.")
    ] = False,
    tokens: Annotated[
        str,
        typer.Option(
            help="Tokens to compare: unicode (all scripts), or ascii (a-z and 0-9, as rouge_score).",
            metavar="NAME",
            autocompletion=completion.tokens,
        ),
    ] = "unicode",
    stem: Annotated[bool, typer.Option("--stem", help="Compare the stems of English words.")] = False,
    format: Annotated[
        str | None,
        typer.Option(
            help="Format of the kept rows: jsonl or json.",
            metavar="NAME",
            show_default="as the inputs",
            autocompletion=completion.formats,
        ),
    ] = None,
) -> None:
    """Remove near-duplicates from any dataset.

    The first of two near-duplicates stays. The kept rows have all their columns, in the same order. With --against, rows that
    are too near to a test set are removed too.

    INPUT and FILE can be JSON (one array), JSONL, NDJSON, CSV, TSV, Parquet or Arrow. All except Parquet and Arrow can end in
    .gz. A dataset is NAME, NAME:CONFIG or NAME:CONFIG:SPLIT. Without SPLIT, all splits are read in order.

    DIR gets the kept rows (kept.*), the removed rows with the reasons (dropped.jsonl), and counts (summary.json).

    Exit status: 0 done, 1 failed, 2 wrong files or flags, 130 interrupted (Ctrl-C or SIGTERM). If it is not 0, DIR stays empty.
    """
    from selfinstruct.dedup.deduplicate import SUMMARY
    from selfinstruct.dedup.deduplicate import dedup as dedup_all
    from selfinstruct.tables.detect import exists, is_dataset_name

    for name in filter(is_dataset_name, [*inputs, *(against or ())]):
        note(f"{name}: no such file, looking for a data set of that name")
    display, before = Display(), exists(out / SUMMARY)
    # Schedulers and containers stop a job with SIGTERM. It gets the orderly end of Ctrl-C, which a background job ignores.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        summary = dedup_all(
            inputs, out, rouge=rouge, against=against or (), fields=field or ("instruction",), against_fields=against_field,
            only_against=only_against, tokens=tokens, stem=stem, format=format, progress=display,  # type: ignore[arg-type]
        )  # fmt: skip
        display.close()
        for line in closing(summary):
            note(line)
    except KeyboardInterrupt:
        display.close()
        if exists(out / SUMMARY) and not before:
            note(f"stopped after all was done: the results are in {out}")
            return
        note("stopped, nothing was written. To start again, run the same command")
        raise typer.Exit(130) from None
    finally:
        display.close()


class Display:
    """A progress line with the share of bytes read, rows, dropped rows and time left. Call it with each new state."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.bar: Any = None
        self._latest: DedupProgress | None = None
        self._warned = False

    def __call__(self, state: DedupProgress) -> None:
        """Show `state` if it is time to."""
        from selfinstruct.cli.progress_bar import Bar

        if self.bar is None:
            shape = "{percentage:3.0f}%{postfix}, {remaining} left"
            self.bar = Bar(state.size, shape.replace("%{", "% |{bar}| {", 1), shape, self.stream)
        self._latest = state
        if state.engine == "portable" and state.rows + state.references > _MANY_ROWS and not self._warned:
            self._warned = True
            self.bar.say(
                "the compiled ROUGE engine was not built: this takes longer, with the same result. Fix: install a C compiler "
                "(such as gcc), then install this package again."
            )
        if not self.bar.is_due():
            return
        if self.bar.moving is not None:
            self._show()
        else:
            self.bar.say(f"{100 * state.done // max(1, state.size)}% read, {_details(state)}")

    def close(self) -> None:
        """Show the latest state, even if it came too soon after another one, and end the line."""
        if self.bar is not None:
            self._show()
            self.bar.close()
            self.bar = None

    def _show(self) -> None:
        if self._latest is not None:
            self.bar.show(self._latest.done, _details(self._latest))


def closing(summary: Summary) -> Iterator[str]:
    """Yield the closing lines: rows kept and dropped, by rule, by score and by file, and where the results are."""
    yield f"kept {summary.kept:,} of {counted(summary.rows, 'row')}, dropped {summary.dropped:,}"
    if summary.dropped:
        rules = {rule: count for rule, count in summary.rules.items() if count}
        yield f"dropped (ROUGE-L above {summary.settings['threshold']:g}): {tally(rules)}"
        yield labelled("scores:", ", ".join(f"{count:,} from {score} on" for score, count in summary.scores.items()), 8)
    if len(summary.inputs) > 1:
        yield from (f"  {table.name}: kept {table.kept:,} of {table.rows:,}" for table in summary.inputs)
    if summary.references:
        rows = counted(sum(table.rows for table in summary.references), "row")
        yield f"compared with {rows} of {', '.join(table.name for table in summary.references)}"
    if summary.without_tokens:
        yield f"kept without tokens: {summary.without_tokens:,} (empty, or only signs such as emoji: nothing to compare)"
    yield f"kept rows: {summary.file}"
    if summary.dropped:
        yield f"dropped rows, each with its nearest row: {summary.file.parent / 'dropped.jsonl'}"


def _details(state: DedupProgress) -> str:
    parts = [counted(state.rows, "row"), f"{state.dropped:,} dropped"]
    return ", ".join([counted(state.references, "reference"), *parts] if state.references else parts)
