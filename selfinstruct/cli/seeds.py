"""The command `seeds`: check a seed file."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from selfinstruct.cli.terminal import folded, safe
from selfinstruct.text import counted

_LABEL = 29  # columns of the names of counts


def seeds(
    path: Annotated[
        str | None,
        typer.Argument(help="File of seed tasks. Without it, the bundled seed tasks.", metavar="FILE", show_default=False),
    ] = None,
    near: Annotated[
        float,
        typer.Option(min=0, max=1, help="Report an instruction if its ROUGE-L to another is above this.", metavar="NUMBER"),
    ] = 0.5,
    against: Annotated[
        str | None,
        typer.Option(
            help="Also report instructions that are too near to a task of this seed file.", metavar="FILE", show_default=False
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON for programs.")] = False,
) -> None:
    """Check a seed file for errors and near-duplicates.

    It finds bad rows, empty outputs, repeated tasks and near-duplicate instructions, and prints counts.

    Exit status: 0 no findings, 1 findings, 2 the file cannot be read.
    """
    from selfinstruct.inputs import seed_check

    result = seed_check.check_file(path, near, against)
    if as_json:
        print(json.dumps(result.to_json(), indent=2))
    else:
        counts = {**result.counts, **({"domains": len(result.domains)} if result.domains else {})}
        for name, number in counts.items():
            print(f"{name:{_LABEL}} {number:6,}")
        for finding in result.findings:
            print(folded(safe(str(finding))))
        print(counted(len(result.findings), "finding") if result.findings else "no findings")
    if result.findings:
        raise typer.Exit(1)
