"""The command line: one function a command, all of them thin."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from selfinstruct.cli.dedup import dedup
from selfinstruct.cli.export import export
from selfinstruct.errors import SelfInstructError, Shortfall

app = typer.Typer(
    help="From a few seed tasks and a teacher model to an instruction-tuning dataset that can be trusted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Directory = Annotated[Path, typer.Argument(help="The run directory.", metavar="DIR", show_default=False)]
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
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


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
        settings = {name: value for name, value in loading.load(recipe).items() if loading.part_of(name) == "curate"}
    flags = {"num": num, "rouge": rouge, "language": language}
    settings |= {name: value for name, value in flags.items() if value is not None}
    settings["filters"] = {**settings.get("filters", {}), **_filters(without, with_)}
    run = Run(directory)
    dataset = run.build(**settings)
    where = run.write(dataset, to=out)
    output.built(run, dataset, where)


@app.command()
def status(directory: Directory, as_json: AsJson = False) -> None:
    """Say how a run stands; also while it goes on. Reads only."""
    from selfinstruct.cli import output
    from selfinstruct.report.status import status as status_of

    found = status_of(directory)
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        output.status(found)


@app.command()
def fsck(directory: Directory, as_json: AsJson = False) -> None:
    """Check a run directory: torn lines, repeated keys, files that are not what the journal gives. Changes nothing.

    Exit status 1 if anything is found.
    """
    from selfinstruct.cli import output
    from selfinstruct.report.integrity import fsck as findings_of

    findings = findings_of(directory)
    if as_json:
        print(json.dumps({"findings": findings}, indent=2))
    else:
        output.findings(findings)
    if findings:
        raise typer.Exit(1)


@app.command()
def cancel(directory: Directory) -> None:
    """Cancel the run's batches at the provider, and keep what they have done."""
    from selfinstruct.cli import output
    from selfinstruct.run import Run

    run = Run(directory)
    batches = run.cancel()
    if batches:
        run.write()
    output.cancelled(run, batches)


@app.command()
def show(
    directory: Directory,
    rejected: Annotated[str | None, typer.Option(help="Show what this rule dropped ('any' for all).", metavar="RULE")] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="How many.")] = 5,
    skip: Annotated[int, typer.Option(min=0, help="How many to pass over first.")] = 0,
) -> None:
    """Show rows of the dataset with where they came from, or what a rule dropped and why."""
    from selfinstruct.cli import output

    output.show(directory, rejected, count, skip)


@app.command()
def seeds(
    path: Annotated[str | None, typer.Argument(help="A seed file; the bundled one if left out.", metavar="PATH")] = None,
    near: Annotated[float, typer.Option(min=0, max=1, help="Report two instructions above this ROUGE-L.")] = 0.5,
    against: Annotated[str | None, typer.Option(help="Also report what is near to another file's.", metavar="FILE")] = None,
    as_json: AsJson = False,
) -> None:
    """Check a seed file: bad rows, empty outputs, duplicates, near-duplicates, counts. Exit status 1 if anything is found."""
    from selfinstruct.cli import output

    if output.seeds(path, near, against, as_json):
        raise typer.Exit(1)


app.command()(dedup)
app.command()(export)


@app.command("list")
def list_() -> None:
    """List the recipes, methods, prompts, filters, teachers, notations and exports, a line each."""
    from selfinstruct.cli import output

    output.catalogue()


@app.callback(invoke_without_command=True)
def version(
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """From a few seed tasks and a teacher model to an instruction-tuning dataset that can be trusted."""
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
    """The entry point: errors made on purpose become one sentence and their exit status."""
    try:
        app(standalone_mode=True)
    except SelfInstructError as error:
        from selfinstruct.cli.terminal import safe

        print(f"selfinstruct: {safe(str(error))}", file=sys.stderr)
        raise SystemExit(error.exit_status) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except RecursionError:
        print("selfinstruct: a file that was given is nested too deeply to be read; mend it", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        print(
            f"selfinstruct: {error.filename or 'the system'}: {error.strerror or error}; check the path and its rights",
            file=sys.stderr,
        )
        raise SystemExit(1) from None
