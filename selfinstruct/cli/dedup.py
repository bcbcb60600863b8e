"""The command `dedup`: its flags, the line that moves while it works, and what it says at the end."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from selfinstruct.cli import terminal

if TYPE_CHECKING:
    from selfinstruct.dedup.single_pass import Progress, Summary

_MANY_ROWS = 20_000


def dedup(
    inputs: Annotated[list[str], typer.Argument(help="Files, or names that `datasets` loads.", metavar="INPUT...")],
    out: Annotated[Path, typer.Option(help="A new or empty directory for the results.", metavar="DIR", show_default=False)],
    rouge: Annotated[
        float, typer.Option(help="Drop above this ROUGE-L F-measure (0.999: little but repeats).", metavar="SCORE")
    ] = 0.7,
    against: Annotated[
        list[str] | None,
        typer.Option(help="Also drop what is too near to a row of this, such as an evaluation set (repeatable).", metavar="FILE"),
    ] = None,
    field: Annotated[
        list[str] | None,
        typer.Option(
            help="What is compared: a column, or a path such as messages.0.content (repeatable: several are joined by a "
            "newline). [default: instruction]",
            metavar="NAME",
        ),
    ] = None,
    against_field: Annotated[
        list[str] | None, typer.Option(help="The same for --against (repeatable). [default: that of --field]", metavar="NAME")
    ] = None,
    only_against: Annotated[
        bool, typer.Option("--only-against", help="Hold rows against --against alone, not against each other.")
    ] = False,
    tokens: Annotated[
        str, typer.Option(help="unicode (all scripts), or ascii (as rouge_score, a-z and 0-9 only).", metavar="KIND")
    ] = "unicode",
    stem: Annotated[bool, typer.Option("--stem", help="Compare the stems of English words.")] = False,
    format: Annotated[
        str | None,
        typer.Option(
            help="Write kept rows as jsonl or json. [default: the kind of the inputs]", metavar="KIND", show_default=False
        ),
    ] = None,
) -> None:
    """Take near-duplicates out of anybody's data, and what is too near to an evaluation set; every column is kept.

    Of two rows that are too near to each other the first stays, in the order of the inputs. INPUT and FILE are JSON (one
    array), JSONL or NDJSON, CSV, TSV (all of these also as .gz), Parquet, Arrow, or a data set as NAME, NAME:CONFIG or
    NAME:CONFIG:SPLIT (all of its splits in order, if none is named). DIR gets kept.* of the same kind as the inputs,
    dropped.jsonl with the reason for each row, and summary.json. Exit status: 0 done, 1 failed, 2 a mistake in what was given,
    130 interrupted (Ctrl-C or SIGTERM); unless it is 0, nothing is left in DIR.
    """
    from selfinstruct.dedup.deduplicate import SUMMARY
    from selfinstruct.dedup.deduplicate import dedup as dedup_all
    from selfinstruct.tables.detect import exists, is_dataset_name

    for name in filter(is_dataset_name, [*inputs, *(against or ())]):
        terminal.note(f"{name} no such file, looking for a data set of that name")
    display, before = Display(), exists(out / SUMMARY)
    # What ends a job elsewhere (a scheduler, a container) ends it in order too.
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        summary = dedup_all(
            inputs, out, rouge=rouge, against=against or (), fields=field or ("instruction",), against_fields=against_field,
            only_against=only_against, tokens=tokens, stem=stem, format=format, progress=display,  # type: ignore[arg-type]
        )  # fmt: skip
        display.close()
        for line in closing(summary):
            terminal.note(line)
    except KeyboardInterrupt:
        display.close()
        if exists(out / SUMMARY) and not before:
            terminal.note(f"stopped when all was done: the results are in {out}")
            return
        terminal.note("stopped; nothing was written. To begin again, run the same command")
        raise typer.Exit(130) from None
    finally:
        display.close()


class Display:
    """Shows the share of the bytes that is done, rows, drops and time left; call it with each new state."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream
        self.bar: Any = None
        self._latest: Progress | None = None
        self._warned = False

    def __call__(self, state: Progress) -> None:
        """Show this state."""
        from selfinstruct.cli.progress_bar import Bar

        if self.bar is None:
            shape = "{percentage:3.0f}%{postfix}, {remaining} left"
            self.bar = Bar(state.size, shape.replace("%{", "% |{bar}| {", 1), shape, self.stream)
        self._latest = state
        if state.engine == "portable" and state.rows + state.references > _MANY_ROWS and not self._warned:
            self._warned = True
            self.bar.say(
                "the compiled ROUGE engine was not built, so this takes longer and gives the same; to have it, install this "
                "package again where there is a C compiler (such as gcc)"
            )
        if not self.bar.is_due():
            return
        if self.bar.moving is not None:
            self._show()
        else:
            self.bar.say(f"{100 * state.done // max(1, state.size)}% read, {_details(state)}")

    def close(self) -> None:
        """Leave the line as it is at the end, however soon that came."""
        if self.bar is not None:
            self._show()
            self.bar.close()
            self.bar = None

    def _show(self) -> None:
        if self._latest is not None:
            self.bar.show(self._latest.done, _details(self._latest))


def closing(summary: Summary) -> Sequence[str]:
    """What is said at the end."""
    lines = [f"kept {summary.kept:,} of {summary.rows:,} rows, dropped {summary.dropped:,}"]
    if summary.dropped:
        threshold = summary.settings["threshold"]
        rules = ", ".join(f"{count:,} {rule}" for rule, count in summary.rules.items() if count)
        lines.append(f"dropped (ROUGE-L above {threshold:g}): {rules}")
        lines.append("their scores: " + ", ".join(f"{score} and up {count:,}" for score, count in summary.scores.items()))
    if len(summary.inputs) > 1:
        lines += [f"  {table.name}: kept {table.kept:,} of {table.rows:,}" for table in summary.inputs]
    if summary.references:
        rows = sum(table.rows for table in summary.references)
        lines.append(f"held against {rows:,} rows of {', '.join(table.name for table in summary.references)}")
    if summary.without_tokens:
        lines.append(
            f"kept without tokens: {summary.without_tokens:,} (empty, or only signs such as emoji: there is nothing to compare)"
        )
    lines.append(f"the rows kept are {summary.file}")
    if summary.dropped:
        lines.append(f"each row dropped, with its nearest, is in {summary.file.parent / 'dropped.jsonl'}")
    return lines


def _details(state: Progress) -> str:
    parts = [f"{state.rows:,} rows", f"{state.dropped:,} dropped"]
    return ", ".join([f"{state.references:,} references", *parts] if state.references else parts)
