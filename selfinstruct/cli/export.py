"""The command `export`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from selfinstruct.cli.terminal import note
from selfinstruct.errors import UserMistake


def export(
    directory: Annotated[Path, typer.Argument(help="The run directory.", metavar="RUN", show_default=False)],
    to: Annotated[str, typer.Option(help="An export's name (see `list`).", metavar="NAME", show_default=False)],
    out: Annotated[
        str,
        typer.Option(
            help="A new file, such as chat.jsonl, or a directory, such as chats. A path without an ending is a directory.",
            metavar="PATH",
            show_default=False,
        ),
    ],
    system: Annotated[str, typer.Option(help="A system text that goes with every row.", metavar="TEXT")] = "",
    option: Annotated[list[str] | None, typer.Option(help="An option of the export (repeatable).", metavar="NAME=VALUE")] = None,
) -> None:
    """Write the rows of a run in another shape, such as chat messages. No request is sent.

    The rows are those that the journal and the run's settings give. RUN stays as it is, and no existing file is overwritten.
    If it fails or is stopped, it leaves no file. Exit status: 0 done, 1 failed, 2 a mistake in the arguments, 130 interrupted.
    """
    from selfinstruct.run import Run

    options = dict(map(_option, option or ()))
    exported = Run(directory).export(to, out, system=system, **options)
    note(f"exported {exported.rows:,} rows to {', '.join(map(str, exported.files)) or out}")


def _option(text: str) -> tuple[str, Any]:
    """Return the name and the value of an option. A value is JSON where it can be read as such, else text."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserMistake(f"--option: must be NAME=VALUE (got {text!r}). Fix: write it so.")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value
