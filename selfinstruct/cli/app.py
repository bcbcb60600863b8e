"""The command line: one function a command, all of them thin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from selfinstruct.cli.catalogue import catalogue
from selfinstruct.cli.dedup import dedup
from selfinstruct.cli.export import export
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

Num = Annotated[int | None, typer.Option(help="Rows to accept. [default: 100]", show_default=False)]
Rouge = Annotated[
    float | None,
    typer.Option(help="Drop above this ROUGE-L to an earlier instruction. [default: 0.7]", show_default=False),
]
RecipeFile = Annotated[
    str | None, typer.Option(help="A recipe's name (see `list`) or a TOML file; flags win over it.", metavar="NAME|FILE")
]
Language = Annotated[str | None, typer.Option(help="Language of the dataset. [default: en]", metavar="CODE")]
Without = Annotated[list[str] | None, typer.Option(help="Switch a filter off (repeatable).", metavar="FILTER")]
With = Annotated[
    list[str] | None,
    typer.Option("--with", help="Switch a filter on, with options if need be: NAME or NAME:option=value.", metavar="FILTER"),
]


@app.command()
def generate(
    directory: Directory,
    num: Num = None,
    teacher: Annotated[str | None, typer.Option(help="openai (any compatible endpoint), local or scripted.")] = None,
    base_url: Annotated[
        list[str] | None,
        typer.Option(
            help="The endpoint, such as http://localhost:8000/v1; repeat it where several serve one model.", metavar="URL"
        ),
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model's name; for the local teacher a GGUF file.")] = None,
    api: Annotated[str | None, typer.Option(help="chat or completions. [default: chat]")] = None,
    method: Annotated[str | None, typer.Option(help="How tasks come to be; see `list`.")] = None,
    seeds: Annotated[str | None, typer.Option(help="A seed file, or a name that `datasets` loads.")] = None,
    prompt: Annotated[str | None, typer.Option(help="A prompt's name or file; see `list`.")] = None,
    source: Annotated[
        str | None, typer.Option(help="Tasks for `evol`: an Alpaca file or a run directory. [default: the seeds]")
    ] = None,
    documents: Annotated[
        str | None, typer.Option(help="For `documents`: a folder or file of text or Markdown, or a table.")
    ] = None,
    column: Annotated[str | None, typer.Option(help="The column of such a table that holds the text. [default: text]")] = None,
    domain: Annotated[str | None, typer.Option(help="What all tasks are to be about, in a sentence.")] = None,
    topics: Annotated[str | None, typer.Option(help="A file of topics with quotas.", metavar="FILE")] = None,
    seed_sampling: Annotated[
        str | None, typer.Option(help="Which seeds prompts show: uniform, or spread (where little was admitted).")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="For the sampling of seed tasks. [default: 0]")] = None,
    rouge: Rouge = None,
    temperature: Annotated[float | None, typer.Option(help="Sampling temperature. [default: 1.0]")] = None,
    reply_tokens: Annotated[
        int | None, typer.Option(help="Tokens of one reply at most; 0 sends no bound. [default: 4096]")
    ] = None,
    language: Language = None,
    without: Without = None,
    with_: With = None,
    concurrency: Annotated[int | None, typer.Option(help="Requests in flight at most. [default: 8]")] = None,
    rpm: Annotated[float | None, typer.Option(help="Requests a minute at most; learned from the endpoint if left out.")] = None,
    tpm: Annotated[float | None, typer.Option(help="Tokens a minute at most; likewise.")] = None,
    max_requests: Annotated[int | None, typer.Option(help="Requests of the whole run at most, each try counted.")] = None,
    max_tokens: Annotated[int | None, typer.Option(help="Tokens of the whole run at most.")] = None,
    max_usd: Annotated[float | None, typer.Option(help="US dollars of the whole run at most.")] = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds for one call. [default: 300]")] = None,
    patience: Annotated[
        float | None, typer.Option(help="Seconds without any answer before the run stops with status 4. [default: 600]")
    ] = None,
    grace: Annotated[float | None, typer.Option(help="Seconds for calls in flight after Ctrl-C. [default: 30]")] = None,
    batch: Annotated[
        bool | None, typer.Option("--batch/--no-batch", help="Ask through the provider's Batch API. [default: no-batch]")
    ] = None,
    recipe: RecipeFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the first request and an estimate; ask nobody.")] = False,
) -> None:
    """Make a dataset in DIR, or go on with the one that was begun there.

    The API key is read from the environment (SELFINSTRUCT_API_KEY or OPENAI_API_KEY). With no key and no teacher named, a
    small model runs inside this process. Exit status: 0 done, 1 failed, 2 a mistake in what was given, 3 fewer rows than
    asked for, 4 the teacher is unavailable, 130 interrupted.
    """
    from selfinstruct.cli import costs, output
    from selfinstruct.cli.progress import Progress
    from selfinstruct.run import Run

    given = {name: value for name, value in locals().items() if name in _GENERATE and value is not None}
    run = Run(directory, recipe, filters=_filters(without, with_), **given)
    if dry_run:
        costs.plan(run)
        return
    output.opening(run)
    progress = Progress(run.recipe.curate.num, run.definition.price)
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


_GENERATE = (
    "num", "teacher", "base_url", "model", "api", "method", "seeds", "prompt", "source", "documents", "column", "domain",
    "topics", "seed_sampling", "seed", "rouge", "temperature", "reply_tokens",
    "language", "concurrency", "rpm", "tpm", "max_requests", "max_tokens", "max_usd", "timeout", "patience", "grace", "batch",
)  # fmt: skip


@app.command()
def build(
    directory: Directory,
    num: Annotated[int | None, typer.Option(help="Rows to keep. [default: the run's own]", show_default=False)] = None,
    rouge: Annotated[
        float | None, typer.Option(help="Drop above this ROUGE-L. [default: the run's own]", show_default=False)
    ] = None,
    language: Annotated[
        str | None, typer.Option(help="Language of the dataset. [default: the run's own]", metavar="CODE")
    ] = None,
    without: Without = None,
    with_: With = None,
    recipe: RecipeFile = None,
    out: Annotated[Path | None, typer.Option(help="Write into this new directory, and leave DIR as it is.")] = None,
) -> None:
    """Make the dataset again from the journal, with other filters if you like. Asks nobody and costs nothing."""
    from selfinstruct.cli import output
    from selfinstruct.recipe import loading
    from selfinstruct.run import Run

    settings: dict[str, Any] = {}
    if recipe:
        settings = {name: value for name, value in loading.load(recipe).items() if loading.section_of(name) == "curate"}
    flags = {"num": num, "rouge": rouge, "language": language}
    settings |= {name: value for name, value in flags.items() if value is not None}
    settings["filters"] = {**settings.get("filters", {}), **_filters(without, with_)}
    run = Run(directory)
    dataset = run.build(**settings)
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
    """The filter settings that the flags say: NAME, or NAME:option=value,option=value."""
    from selfinstruct.errors import RecipeError

    chosen: dict[str, Any] = dict.fromkeys(without or (), False)
    for text in with_ or ():
        name, options = text, ""
        if "=" in text:
            name, _, options = text.rpartition(":")
        values: dict[str, Any] = {}
        for pair in filter(None, options.split(",")):
            option, equals, value = pair.partition("=")
            if not equals or not name:
                raise RecipeError(f"--with {text}: write NAME, or NAME:option=value,option=value")
            try:
                values[option] = json.loads(value)
            except ValueError:
                values[option] = value
        chosen[name] = values or True
    return chosen


def main() -> None:
    """Run the command line, and turn errors into one sentence and an exit status."""
    try:
        app(standalone_mode=True)
    except SelfInstructError as error:
        _exit(str(error), error.exit_status)
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except RecursionError:
        _exit("a file or setting is nested too deeply to be read. Fix: check the files that you named", 2)
    except OSError as error:
        place = error.filename or "system"
        _exit(f"{place}: {error.strerror or error}. Fix: check the path, its permissions and the free space", 1)


def _exit(message: str, status: int) -> NoReturn:
    note(f"selfinstruct: {message}")
    raise SystemExit(status) from None
