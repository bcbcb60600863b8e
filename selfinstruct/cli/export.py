"""The command `export`."""

from __future__ import annotations

from typing import Annotated

import typer

from selfinstruct.cli import completion
from selfinstruct.cli.inspection import Directory
from selfinstruct.cli.terminal import note
from selfinstruct.errors import UserMistake
from selfinstruct.text import counted


def export(
    directory: Directory,
    to: Annotated[
        str,
        typer.Option(
            help="Name of an export. Run `selfinstruct list exports` for all exports.",
            metavar="NAME",
            show_default=False,
            autocompletion=completion.exports,
        ),
    ],
    out: Annotated[
        str,
        typer.Option(
            help="New file, such as chat.jsonl, or new directory, such as chats. A path without an ending is a directory.",
            metavar="PATH",
            show_default=False,
        ),
    ],
    system: Annotated[str, typer.Option(help="System text to add to every row.", metavar="TEXT")] = "",
    option: Annotated[
        list[str] | None, typer.Option(help="Option of the export. Repeat it for several options.", metavar="NAME=VALUE")
    ] = None,
) -> None:
    """Write the rows of a run in another format, such as chat messages.

    DIR is a run, or a directory that `build --out` wrote. The rows of a run are rebuilt from its journal with its settings. No
    request is sent, and DIR stays as it is. No file is overwritten. If the command fails or is stopped, it leaves no file.

    Exit status: 0 done, 1 failed, 2 wrong arguments, 130 interrupted.
    """
    from selfinstruct import plugins
    from selfinstruct.run import Run
    from selfinstruct.rundir import exporting

    texts = dict(map(_option, option or ()))
    function = plugins.find("export", to)
    options = {name: plugins.read_option(function, name, text) for name, text in texts.items()}
    if exporting.is_built(directory):
        write, target = exporting.writer(to, options), exporting.Target.of(out)
        target.refuse_inside(directory)
        exported = exporting.export(write, exporting.built_rows(directory, system), target)
    else:
        exported = Run(directory).export(to, out, system=system, **options)
    note(f"exported {counted(exported.rows, 'row')} to {', '.join(map(str, exported.files)) or out}")


def _option(text: str) -> tuple[str, str]:
    """Return the name and the value of an option, as texts."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UserMistake(f"--option: must be NAME=VALUE (got {text!r}). Fix: add = and a value.")
    return name, value
