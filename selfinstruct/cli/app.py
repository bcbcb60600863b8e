"""The command line: one thin function per command."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from selfinstruct.cli.catalogue import catalogue
from selfinstruct.cli.dedup import dedup
from selfinstruct.cli.export import export
from selfinstruct.cli.flags import settings_command
from selfinstruct.cli.inspection import Directory, fsck, show, status
from selfinstruct.cli.seeds import seeds
from selfinstruct.cli.terminal import note
from selfinstruct.errors import SelfInstructError, Shortfall

app = typer.Typer(
    help="Make an instruction-tuning dataset from seed tasks and a teacher model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RecipeFile = Annotated[
    str | None, typer.Option(help="A TOML file, or a name that `list` shows. Flags win over it.", metavar="NAME|FILE")
]
_WITH = re.compile(r"(.+?):(\w+=.*)", re.DOTALL)  # NAME:option=value,..., where NAME may be module:function
_COMMA = re.compile(r",(?=\w+=)")  # between two options, and not inside a value that is a list

Without = Annotated[list[str] | None, typer.Option(help="Switch a filter off. Repeatable.", metavar="FILTER")]
With = Annotated[
    list[str] | None,
    typer.Option("--with", help="Switch a filter on: NAME or NAME:option=value,option=value. Repeatable.", metavar="FILTER"),
]


@settings_command(app)
def generate(
    directory: Directory,
    recipe: RecipeFile = None,
    without: Without = None,
    with_: With = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the first request and an estimate. Send nothing.")] = False,
    **settings: Any,
) -> None:
    """Make a dataset in DIR, or continue the one that is there.

    The API key is read from the environment: SELFINSTRUCT_API_KEY or OPENAI_API_KEY. Without a key and a teacher, a small
    model runs inside this process.

    Exit status: 0 done, 1 failed, 2 wrong input, 3 fewer rows than asked for, 4 the teacher is unavailable, 130 interrupted.
    """
    from selfinstruct.cli import costs, output
    from selfinstruct.cli.progress import RunProgress
    from selfinstruct.run import Run

    run = Run(directory, recipe, filters=_filters(without, with_), **settings)
    if dry_run:
        costs.plan(run)
        return
    output.opening(run)
    progress = RunProgress(run.recipe.curate.num, run.definition.price)
    try:
        dataset = run.generate(progress, on_stop=output.stopping, on_write=output.writing)
    except KeyboardInterrupt:
        progress.close()
        output.interrupted(run)
        raise typer.Exit(130) from None
    finally:
        progress.close()
    output.closing(run, dataset)
    if reason := run.shortfall(dataset):
        raise Shortfall(reason)


@settings_command(app, section="curate", default="as the run has it")
def build(
    directory: Directory,
    recipe: RecipeFile = None,
    without: Without = None,
    with_: With = None,
    out: Annotated[Path | None, typer.Option(help="Write into this new directory, and leave DIR as it is.")] = None,
    **settings: Any,
) -> None:
    """Make the dataset again from the journal, for free.

    Other settings and filters may be given. No request is sent.
    """
    from selfinstruct.cli import output
    from selfinstruct.recipe import loading
    from selfinstruct.recipe.resolve import merge
    from selfinstruct.run import Run

    of_recipe = loading.load(recipe) if recipe else {}
    curate = {name: value for name, value in of_recipe.items() if loading.section_of(name) == "curate"}
    run = Run(directory)
    dataset = run.build(**merge({**settings, "filters": _filters(without, with_)}, curate))
    where = run.write(dataset, to=out)
    output.built(run, dataset, where)


app.command()(status)
app.command()(fsck)


@app.command()
def cancel(directory: Directory) -> None:
    """Cancel the open batches of a run.

    Replies that the batches already have are saved, and the dataset is written with them. Reads the API key from the
    environment, as `generate` does.
    """
    from selfinstruct.cli import output
    from selfinstruct.run import Run

    run = Run(directory)
    batches = run.cancel()
    if batches:
        run.write()
    output.cancelled(run, batches)


app.command()(show)
app.command()(seeds)
app.command()(dedup)
app.command()(export)
app.command("list")(catalogue)


@app.callback(invoke_without_command=True)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Make an instruction-tuning dataset from seed tasks and a teacher model."""
    if version:
        from importlib.metadata import version as version_of

        print(version_of("selfinstruct"))
        raise typer.Exit


def _filters(without: list[str] | None, with_: list[str] | None) -> dict[str, Any]:
    """Return the settings of filters that the flags give as NAME or NAME:option=value,option=value."""
    from selfinstruct import plugins
    from selfinstruct.errors import RecipeError

    chosen: dict[str, Any] = {}
    for text in with_ or ():
        found = _WITH.fullmatch(text)
        name, options = (found[1], found[2]) if found else (text, "")
        if not found and ":" in text and text.partition(":")[0] in plugins.names("filter"):
            raise RecipeError(f"--with {text}: is not understood. Fix: write NAME:option=value,option=value.")
        chosen.setdefault(name, {})
        for pair in _COMMA.split(options) if options else ():
            option, _, value = pair.partition("=")
            try:
                chosen[name][option] = json.loads(value)
            except ValueError:
                chosen[name][option] = value
    for name in without or ():
        if name in chosen:
            raise RecipeError(f"--with and --without: both name {name!r}. Fix: remove one of them.")
    return {**{name: options or True for name, options in chosen.items()}, **dict.fromkeys(without or (), False)}


def main() -> None:
    """Run the command line, and turn errors into one sentence and an exit status."""
    try:
        app(standalone_mode=True)
    except SelfInstructError as error:
        _exit(str(error), error.exit_status)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except RecursionError:
        _exit("a file or setting is nested too deeply to be read. Fix: check the files that you named.", 2)
    except OSError as error:
        place = error.filename or "system"
        _exit(f"{place}: {error.strerror or error}. Fix: check the path, its permissions and the free space.", 1)


def _exit(message: str, status: int) -> NoReturn:
    note(f"selfinstruct: {message}")
    raise SystemExit(status) from None
