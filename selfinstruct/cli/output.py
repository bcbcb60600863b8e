"""What the commands print. Text from teachers and seed files never reaches the terminal as control sequences."""

from __future__ import annotations

import itertools
import json
import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from selfinstruct import plugins
from selfinstruct.cli import costs
from selfinstruct.cli.terminal import clock, dollars, note, safe, short
from selfinstruct.curate.dataset import Dataset
from selfinstruct.errors import RunDirectoryError, UserMistake
from selfinstruct.generate import options
from selfinstruct.inputs import prompts, seed_check
from selfinstruct.journal.file import Journal
from selfinstruct.layout import DATASET, JOURNAL, PROVENANCE, REJECTED
from selfinstruct.recipe import loading
from selfinstruct.run import Run
from selfinstruct.rundir.manifest import exists

_MANY_ROWS = 5_000


def opening(run: Run) -> None:
    """Say in a line what is about to happen."""
    generate = run.recipe.generate
    if run.is_new and generate.teacher == "local" and not {"teacher", "model"} & run.definition.given.keys():
        note("no API key and no teacher named: using the embedded teacher (a small model in this process)")
    had = _count_lines(run.path / DATASET)
    if run.recipe.curate.num < had:
        note(f"the dataset there has {had:,} rows; its replies stay, and a larger --num brings the others back")
    verb = "beginning" if run.is_new else "continuing"
    models = ", ".join(safe(one.model or "its default model") for one in generate.by_name.values())
    where = f"{run.definition.endpoint}, {models}"
    methods = " and ".join(dict.fromkeys(part.method for part in generate.parts.values()))
    teachers = ", ".join(f"{name} ({one.teacher})" if name else one.teacher for name, one in generate.by_name.items())
    note(f"{verb} {run.path}: {run.recipe.curate.num:,} rows by {methods}, teacher {teachers} ({where})")
    if line := costs.terms(run):
        note(line)


def closing(run: Run, dataset: Dataset) -> None:
    """Say what was made, what it took, where it is."""
    tokens = dataset.usage.prompt_tokens + dataset.usage.completion_tokens
    rows, dropped = len(dataset.rows), len(dataset.rejected)
    used = f"{dataset.requests:,} requests and {short(tokens)} tokens used for these"
    note(f"{rows:,} rows, {dropped:,} candidates dropped; {used}")
    if dropped:
        note("dropped: " + ", ".join(f"{count:,} {rule}" for rule, count in dataset.funnel.items()))
    _incomparable(dataset)
    if rows:
        note(f"{tokens / rows:,.0f} tokens a row")
    for line in costs.spending(run, rows):
        note(line)
    _batches_left(run)
    note(f"the dataset is {run.path / DATASET}")


def _incomparable(dataset: Dataset) -> None:
    """Say how many rows the near-duplicate rule could not judge."""
    if dataset.without_tokens:
        note(f"{dataset.without_tokens:,} rows with an instruction without tokens were kept: there is nothing in it to compare")


def stopping(in_flight: int, grace: float) -> None:
    """Say what the first Ctrl-C waits for."""
    waiting = f"waiting up to {grace:g} s for {in_flight} replies in flight, which are paid for" if in_flight else "writing"
    note(f"\nstopping: {waiting} (Ctrl-C again stops at once)")


def writing(rows: int) -> None:
    """Say what takes a while at the end of a large run."""
    if rows >= _MANY_ROWS:
        note(f"writing {rows:,} rows with the nearest neighbours of each; this takes a while")


def interrupted(run: Run) -> None:
    """Say that nothing is lost, and how to go on."""
    if not exists(run.path):
        note("stopped before anything was asked or written; run the same command again")
        return
    for line in costs.spending(run, _count_lines(run.path / DATASET)):
        note(line)
    where = shlex.quote(str(run.path))
    _batches_left(run)
    note(f"stopped; every reply that arrived is saved. To go on: selfinstruct generate {where}")


def _batches_left(run: Run) -> None:
    with Journal.reading(run.path / JOURNAL) as journal:
        if journal.counts.open_batches:
            note(f"batches go on at the provider; to end them: selfinstruct cancel {shlex.quote(str(run.path))}")


def cancelled(run: Run, batches: Mapping[str, str]) -> None:
    """Say what became of the batches, and how to go on."""
    for name, state in batches.items():
        print(safe(f"batch {name[:8]}: {state}"))
    if not batches:
        print(f"{run.path} has no batch at the provider")
        return
    print(f"{_count_lines(run.path / DATASET):,} rows are in {run.path / DATASET}")
    print(f"To go on without batches: selfinstruct generate {shlex.quote(str(run.path))} --no-batch")


def findings(found: Sequence[str]) -> None:
    """Print what is wrong with a run directory."""
    for finding in found:
        print(safe(finding))
    print(f"{len(found)} finding(s)" if found else "nothing to mend")


def built(run: Run, dataset: Dataset, where: Path) -> None:
    """Say what a build gave."""
    note(f"{len(dataset.rows):,} rows from {len(dataset.rows) + len(dataset.rejected):,} candidates, without asking anybody")
    if dataset.funnel:
        note("dropped: " + ", ".join(f"{count:,} {rule}" for rule, count in dataset.funnel.items()))
    _incomparable(dataset)
    if reason := run.shortfall(dataset):
        note(reason)
    note(f"the dataset is {where / DATASET}")


def status(found: Mapping[str, Any]) -> None:
    """Print how a run stands."""
    requests, tokens = found["requests"], found["tokens"]
    state = f"running (process {found['running']})" if found["running"] else "complete" if found["complete"] else "not complete"
    acceptance = "" if found["acceptance"] is None else f", {100 * found['acceptance']:.0f} % accepted"
    failed = ", ".join(f"{count} {cause}" for cause, count in requests["failed"].items()) or "none"
    faults = ", ".join(f"{count:,} {cause}" for cause, count in requests["faults"].items()) or "none"
    money, left = found["money"], found["left"]
    cost = "unknown price" if money["usd"] is None else f"{dollars(money['usd_for_replies'])} for replies"
    if money["usd_for_lost_at_most"]:
        cost += f", and at most {dollars(money['usd_for_lost_at_most'])} for calls that brought none"
    if money["usd_per_1000_rows"] is not None:
        cost += f" ({dollars(money['usd_per_1000_rows'])} for 1,000 rows)"
    limits = ", ".join(f"{value:,} {name}" for name, value in found["limits"].items() if value is not None) or "none"
    lines = [
        ("state", state),
        ("rows", f"{found['rows']:,} of {found['target']:,} ({found['candidates']:,} candidates{acceptance})"),
        ("dropped", ", ".join(f"{count:,} {rule}" for rule, count in found["dropped"].items()) or "none"),
        ("requests", f"{requests['answered']:,} answered ({requests['used']:,} used), {requests['in_flight']:,} in flight"),
        ("calls", f"{requests['calls']:,} in all; without a reply: {faults}"),
        ("failed", failed),
        ("replies", ", ".join(f"{count:,} {reason}" for reason, count in requests["finish_reasons"].items()) or "none"),
        ("tokens", f"{short(tokens['prompt'])} in prompts, {short(tokens['completion'])} in replies"),
        ("money", cost),
        ("limits", limits),
        ("time", f"{clock(found['seconds'])} from the first reply to the last"),
        ("teacher", f"{found['teacher']}, {found['model'] or 'its default model'}, method {found['method']}"),
    ]
    for name, one in found["teachers"].items():
        usd = "" if one["usd"] is None else f", {dollars(one['usd'])}"
        wrote = f"{one['instructions']:,} instructions and {one['outputs']:,} outputs of the rows"
        lines.append(("", f"{name}: {one['model']}, {short(one['tokens'])} tokens{usd}, {wrote}"))
    if tokens["lost_at_most"]:
        lines.append(("lost", f"{short(tokens['lost_at_most'])} tokens at most, for {requests['lost']:,} calls without a reply"))
    if found["requests_per_minute"]:
        lines.append(("speed", f"{found['requests_per_minute']:,.0f} requests a minute"))
    if left:
        seconds = "" if left["seconds"] is None else f", {clock(left['seconds'])}"
        usd = "" if left["usd"] is None else f", {dollars(left['usd'])}"
        lines.append(("left", f"about {left['requests']:,} requests, {short(left['tokens'])} tokens{usd}{seconds}"))
    lines += [("batch", f"{one['name'][:8]} {one['id']}: {one['state']}, {one['detail']}") for one in found["batches"]]
    if found["journal"]["torn_lines"]:
        lines.append(("journal", f"{found['journal']['torn_lines']} torn lines, left by a crash and passed over"))
    if found["next"]:
        lines.append(("next", found["next"]))
    for name, text in lines:
        print(f"{name:9} {safe(text)}")


def show(path: Path, rejected: str | None, count: int, skip: int) -> None:
    """Print rows with their provenance, or what was dropped with the evidence."""
    if not (path / DATASET).exists() and not exists(path):
        raise UserMistake(f"{path}: there is no run here, and no dataset; check the path")
    if rejected is None:
        pairs = zip(_lines(path / DATASET), _lines(path / PROVENANCE), strict=False)
        for row, origin in itertools.islice(pairs, skip, skip + count):
            _print_texts(row)
            near = origin["nearest"][:1]
            likeness = f"; nearest {near[0]['id']} at ROUGE-L {near[0]['score']:.2f}" if near else ""
            print(safe(f"  ({origin['id']}, candidate {origin['candidate']}, {origin['model']}{likeness})\n"))
        return
    matching = (line for line in _lines(path / REJECTED) if rejected in ("any", line["rule"]))
    dropped = [line for number, line in enumerate(matching) if skip <= number < skip + count]
    if not dropped:
        rules = sorted({line["rule"] for line in _lines(path / REJECTED)})
        raise UserMistake(f"{rejected!r} dropped nothing here; rules that did: {', '.join(rules) or 'none'}")
    for line in dropped:
        limit = "" if line["limit"] is None else f" (limit {json.dumps(line['limit'])})"
        print(safe(f"{line['candidate']} dropped by {line['rule']}: {json.dumps(line['value'], ensure_ascii=False)}{limit}"))
        if line["nearest"]:
            print(safe(f"  near to {line['nearest']['id']}: {line['nearest']['instruction']}"))
        _print_texts(line)
        print()


def seeds(path: str | None, near: float, against: str | None, as_json: bool) -> bool:
    """Print what a seed file holds and what is wrong with it, and return whether anything is."""
    result = seed_check.check_file(path, near, against)
    if as_json:
        print(json.dumps(result.to_json(), indent=2))
        return bool(result.findings)
    for name, number in result.counts.items():
        print(f"{name:29} {number:6,}")
    if result.domains:
        print(f"{'domains':29} {len(result.domains):6,}")
    for finding in result.findings:
        print(safe(str(finding)))
    print(f"{len(result.findings)} finding(s)" if result.findings else "no findings")
    return bool(result.findings)


def catalogue() -> None:
    """Print what can be named in a recipe, a line each."""
    width = _columns()
    print("recipes")
    for name, about in loading.available().items():
        _entry(name, about, width)
    print()
    for kind in plugins.FOLDERS:
        print(f"{kind}s")
        for name in plugins.names(kind):
            _entry(name.replace("_", "-") if kind == "export" else name, plugins.about(kind, name), width)
            for option, meaning in options.described(name) if kind == "method" else ():
                _entry(f"  {option}", meaning, width, 32)
        print()
        if kind == "method":
            print("prompts")
            for name, prompt in prompts.available().items():
                _entry(name, prompt.about, width)
            print()


def _columns() -> int:
    """The width to print at: the terminal's, at most 120."""
    import shutil

    return min(120, shutil.get_terminal_size().columns)


def _entry(name: str, about: str, width: int, indent: int = 22) -> None:
    """Print a name and its description, the description from column `indent` on, on the next line after a long name."""
    lines = textwrap.wrap(about, max(40, width - indent)) or [""]
    start = f"  {name:{indent - 4}}  "
    print(start + lines.pop(0) if len(start) == indent else start.rstrip())
    for line in lines:
        print(f"{'':{indent}}{line}")


def _print_texts(row: Mapping[str, Any]) -> None:
    for name in ("instruction", "input", "output"):
        if row[name]:
            print(safe(textwrap.indent(str(row[name]), "  ").replace("  ", f"{name}: ", 1)))


def _count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield json.loads(line)
    except FileNotFoundError:
        raise RunDirectoryError(f"{path}: is not there yet; make it with `selfinstruct build {path.parent}`") from None
    except OSError as error:
        raise RunDirectoryError(f"{path}: cannot be read ({error.strerror}); mend its rights") from None
    except ValueError:
        raise RunDirectoryError(f"{path}: is damaged; make it again with `selfinstruct build {path.parent}`") from None
