"""The command line: one thin function per command."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from selfinstruct.cli import completion
from selfinstruct.cli.catalogue import catalogue
from selfinstruct.cli.commands import Command, CommandGroup
from selfinstruct.cli.dedup import dedup
from selfinstruct.cli.export import export
from selfinstruct.cli.flags import settings_command, spelled
from selfinstruct.cli.help import HelpPage, examples, page
from selfinstruct.cli.inspection import Directory, fsck, show, status
from selfinstruct.cli.seeds import seeds
from selfinstruct.cli.terminal import note
from selfinstruct.errors import SelfInstructError, Shortfall, spelled_by

_MAKE, _LOOK, _TOOLS = "Make a dataset", "Look at a dataset", "Tools"  # the panels of the commands

app = typer.Typer(
    help="Make an instruction-tuning dataset from seed tasks and a teacher model.",
    epilog=examples(
        ("Make 200 rows with a model of OpenAI.", "selfinstruct generate runs/first --num 200 --model gpt-4o-mini"),
        ("Show the flags of a command.", "selfinstruct generate --help"),
    ),
    cls=CommandGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # typer's own help would read `[default: 8]` and `[generate]` as markup
)

RecipeFile = Annotated[
    str | None,
    typer.Option(
        help="Recipe: a TOML file, or a name that `selfinstruct list` shows. Flags take precedence over it.",
        metavar="NAME|FILE",
        rich_help_panel="What to make",
        autocompletion=completion.recipes,
    ),
]
_WITH = re.compile(r"(.+?):(\w+=.*)", re.DOTALL)  # NAME:option=value,..., where NAME may be module:function
_COMMA = re.compile(r",(?=\w+=)")  # between two options, and not inside a value that is a list

Without = Annotated[
    list[str] | None,
    typer.Option(
        help="Switch a filter off. Repeat it for several filters.",
        metavar="FILTER",
        rich_help_panel="Filters",
        autocompletion=completion.filters,
    ),
]
With = Annotated[
    list[str] | None,
    typer.Option(
        "--with",
        help="Switch a filter on, or set its options: NAME or NAME:option=value,option=value. Repeat it for several filters.",
        metavar="FILTER",
        rich_help_panel="Filters",
        autocompletion=completion.filters,
    ),
]


@settings_command(
    app,
    rich_help_panel=_MAKE,
    epilog=examples(
        ("Make 200 rows with a model of OpenAI.", "selfinstruct generate runs/first --num 200 --model gpt-4o-mini"),
        ("Ask a server of your own.", "selfinstruct generate runs/own --base-url http://localhost:8000/v1"),
    ),
)
def generate(
    directory: Directory,
    recipe: RecipeFile = None,
    without: Without = None,
    with_: With = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run", help="Show the first request and an estimate of the cost. Send nothing.", rich_help_panel="Running"
        ),
    ] = False,
    **settings: Any,
) -> None:
    """Make a dataset in DIR, or resume the run that is there.

    The API key is read from the environment: SELFINSTRUCT_API_KEY or OPENAI_API_KEY. If you set no key and no teacher, a small
    model runs on your machine.

    Exit status: 0 done, 1 failed, 2 wrong input, 3 fewer rows than asked for, 4 the teacher is unavailable, 130 interrupted.
    """
    from selfinstruct.cli import costs, output
    from selfinstruct.cli.progress import RunProgress
    from selfinstruct.run import Run

    run = Run(directory, recipe, filters=_filters(without, with_), **settings)
    if dry_run:
        costs.plan(run)
        return
    output.choosing(run)
    progress = RunProgress(run)
    try:
        dataset = run.generate(progress, output.stopping, output.writing, on_start=lambda: output.opening(run))
    except KeyboardInterrupt:
        progress.close()
        output.interrupted(run)
        raise typer.Exit(130) from None
    finally:
        progress.close()
    output.closing(run, dataset)
    if reason := run.shortfall(dataset):
        raise Shortfall(reason)


@settings_command(
    app,
    section="curate",
    default="as in the run",
    rich_help_panel=_MAKE,
    epilog=examples(
        ("Keep fewer similar rows.", "selfinstruct build runs/first --rouge 0.5"),
        ("Try other filters in a new directory.", "selfinstruct build runs/first --without refusal --out runs/other"),
    ),
)
def build(
    directory: Directory,
    recipe: RecipeFile = None,
    without: Without = None,
    with_: With = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the dataset into this new directory, and do not change DIR.",
            metavar="NEW",
            rich_help_panel="What to make",
        ),
    ] = None,
    **settings: Any,
) -> None:
    """Rebuild the dataset of a run from its saved replies.

    You can change the settings and filters below. No request is sent, so it costs nothing.
    """
    from selfinstruct.cli import output
    from selfinstruct.recipe import loading
    from selfinstruct.recipe.resolve import merge
    from selfinstruct.run import Run

    of_recipe = loading.load(recipe) if recipe else {}
    free = {name: value for name, value in of_recipe.items() if loading.section_of(name) in loading.FREE}
    run = Run(directory)
    filters = _filters(without, with_)
    dataset = run.build(**merge({**settings, "filters": filters}, free, str(recipe)))
    changes = output.changes(run, dataset)
    where = run.write(dataset, to=out)
    output.built(run, dataset, where, {"recipe": recipe, **settings, "filters": filters}, changes)


def cancel(directory: Directory) -> None:
    """Cancel the open batches of a run.

    The replies that the batches already have are saved, and the dataset is written with them. The API key is read from the
    environment, as in `generate`.
    """
    from selfinstruct.cli import output
    from selfinstruct.run import Run

    run = Run(directory)
    batches = run.cancel()
    if batches:
        run.write()
    output.cancelled(run, batches)


def _add(function: Callable[..., None], panel: str, *pairs: tuple[str, str], name: str | None = None) -> None:
    """Add a command that another module defines, with its panel and its examples."""
    app.command(name, cls=Command, rich_help_panel=panel, epilog=examples(*pairs))(function)


_add(
    export,
    _MAKE,
    ("Write the rows as chat messages.", "selfinstruct export runs/first --to messages --out chat.jsonl"),
    ("Write one JSON file as Alpaca does.", "selfinstruct export runs/first --to alpaca-json --out alpaca.json"),
)
_add(
    cancel,
    _MAKE,
    ("Cancel the open batches of a run.", "selfinstruct cancel runs/first"),
    ("Then resume the run without batches.", "selfinstruct generate runs/first --no-batch"),
)
_add(
    status,
    _LOOK,
    ("Show rows, costs and the next step.", "selfinstruct status runs/first"),
    ("Print exact numbers for a program.", "selfinstruct status runs/first --json"),
)
_add(
    show,
    _LOOK,
    ("Show the first 5 rows.", "selfinstruct show runs/first"),
    ("Show near-duplicates that were rejected.", "selfinstruct show runs/first --rejected rouge --count 20"),
)
_add(
    fsck,
    _LOOK,
    ("Check the files of a run.", "selfinstruct fsck runs/first"),
    ("Print the findings for a program.", "selfinstruct fsck runs/first --json"),
)
_add(
    catalogue,
    _TOOLS,
    ("List all names.", "selfinstruct list"),
    ("List the filters only.", "selfinstruct list filters"),
    name="list",
)
_add(
    seeds,
    _TOOLS,
    ("Check your seed tasks before a run.", "selfinstruct seeds my-seeds.jsonl"),
    ("Compare them with other seed tasks too.", "selfinstruct seeds my-seeds.jsonl --against other-seeds.jsonl"),
)
_add(
    dedup,
    _TOOLS,
    ("Remove near-duplicates from a file.", "selfinstruct dedup data.jsonl --out clean"),
    ("Remove rows that are near a test set.", "selfinstruct dedup data.jsonl --against test.jsonl --out clean"),
)


@app.callback(invoke_without_command=True, cls=CommandGroup)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Make an instruction-tuning dataset from seed tasks and a teacher model."""
    if version:
        from importlib.metadata import version as version_of

        print(version_of("selfinstruct"))
        raise typer.Exit


def help_pages() -> dict[str, HelpPage]:
    """Return the help of the command line, by "", and of each command, by its name."""
    group = typer.main.get_command(app)
    top = group.make_context("selfinstruct", [], resilient_parsing=True)
    pages = {"": page(group, top)}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        context = command.make_context(name, [], parent=top, resilient_parsing=True)
        pages[name] = page(context.command, context)
    return pages


def _filters(without: list[str] | None, with_: list[str] | None) -> dict[str, Any]:
    """Return the settings of filters that the flags give as NAME or NAME:option=value,option=value."""
    from selfinstruct import plugins
    from selfinstruct.errors import RecipeError

    chosen: dict[str, Any] = {}
    for text in with_ or ():
        found = _WITH.fullmatch(text)
        name, options = (found[1], found[2]) if found else (text, "")
        place, _, last = text.rpartition(":")
        if not found and (":" in place or plugins.recorded("filter", place) in plugins.names("filter")):
            form = f"{last}=VALUE" if last.isidentifier() else "NAME:option=value,option=value"
            raise RecipeError(f"--with {text}: has no value after {last!r}. Fix: write {form}.")
        name = plugins.recorded("filter", name)
        chosen.setdefault(name, {})
        for pair in _COMMA.split(options) if options else ():
            option, _, value = pair.partition("=")
            chosen[name][option] = plugins.read_option(plugins.find("filter", name), option, value)
    off = [plugins.recorded("filter", name) for name in without or ()]
    for name in off:
        if name in chosen:
            raise RecipeError(f"--with and --without: both name {name!r}. Fix: remove one of them.")
    return {**{name: options or True for name, options in chosen.items()}, **dict.fromkeys(off, False)}


def main() -> None:
    """Run the command line, and turn errors into one sentence and an exit status."""
    try:
        with spelled_by(spelled):
            app(standalone_mode=True, prog_name="selfinstruct")
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
