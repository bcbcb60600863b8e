"""The commands that read a run directory and change nothing: `status`, `fsck`, `show`."""

from __future__ import annotations

import itertools
import json
import shlex
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from selfinstruct.cli import completion
from selfinstruct.cli.terminal import clock, dollars, folded, labelled, note, safe, short, tally
from selfinstruct.errors import RunDirectoryError, UserMistake
from selfinstruct.layout import DATASET, JOURNAL, PROVENANCE, REJECTED
from selfinstruct.names import either, matching, nearest
from selfinstruct.text import counted

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
Directory = Annotated[Path, typer.Argument(help="The run directory.", metavar="DIR", show_default=False)]
_LABEL = 10  # columns of the labels of `status`


def status(directory: Directory, as_json: AsJson = False) -> None:
    """Show the progress of a run, even while it is running.

    It changes nothing and sends no request. With --json, tokens and US dollars are exact numbers.
    """
    from selfinstruct.report.status import status as status_of

    report = status_of(directory)
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for label, text in _status_lines(report):
        print(labelled(label, safe(text), _LABEL))


def fsck(directory: Directory, as_json: AsJson = False) -> None:
    """Check a run directory for damage.

    It finds torn journal lines, repeated keys, calls without an outcome, open batches, files that do not belong to a run, and
    derived files that differ from the journal. It changes nothing.

    Exit status: 0 no findings, 1 findings.
    """
    from selfinstruct.report.integrity import fsck as findings_of

    findings = findings_of(directory)
    if as_json:
        print(json.dumps({"findings": findings}, indent=2))
    else:
        for finding in findings:
            print(folded(safe(finding)))
        print(counted(len(findings), "finding") if findings else "no findings")
    if findings:
        raise typer.Exit(1)


def show(
    directory: Directory,
    rejected: Annotated[
        str | None,
        typer.Option(
            help="Show candidates that this rule rejected, such as rouge. Use any for all rules.",
            metavar="RULE",
            show_default=False,
            autocompletion=completion.rules,
        ),
    ] = None,
    count: Annotated[int, typer.Option("--count", "-n", min=1, help="Maximum number to show.", metavar="NUMBER")] = 5,
    skip: Annotated[int, typer.Option(min=0, help="Number to skip first.", metavar="NUMBER")] = 0,
) -> None:
    """Show rows and where they come from, or rejected candidates.

    For each rejected candidate, it shows the rule, the measured value and the limit.
    """
    from selfinstruct.rundir.manifest import exists

    if not (directory / DATASET).exists() and not exists(directory):
        raise UserMistake(f"{directory}: has no run and no dataset. Fix: check the path.")
    if rejected is not None:
        rejected = matching(rejected, completion.rules()) or rejected
    contents = _without_files(directory, REJECTED if rejected else DATASET)
    entries = _rows(directory, contents) if rejected is None else _rejected(directory, rejected, contents)
    shown = 0
    try:
        for entry in itertools.islice(entries, skip, skip + count):
            print(folded(safe(entry)) + "\n")
            shown += 1
    except (KeyError, TypeError):  # JSON, but not of a row
        raise RunDirectoryError(f"{directory}: derived files are damaged. Fix: run `selfinstruct build {directory}`.") from None
    if shown:
        return
    if skip:
        note(f"nothing to show after the first {skip:,}")
    elif rejected is not None:
        note(_without_rejections(directory, rejected, contents))
    else:
        note("no rows yet")


def _without_files(directory: Path, name: str) -> Mapping[str, bytes]:
    """Return the derived files as the journal gives them if the directory lacks `name`, as during a first run. Else return {}.

    It needs no lock, so it works while another process writes.
    """
    from selfinstruct.run import Run

    if (directory / name).exists() or not (directory / JOURNAL).exists():
        return {}
    note(f"{directory / name}: does not exist yet. This is what the saved replies give")
    return Run(directory).files()


def _without_rejections(directory: Path, rule: str, contents: Mapping[str, bytes]) -> str:
    """Return a note that a rule rejected nothing. Raises UserMistake, with the nearest rule, if no rule has this name."""
    used = sorted({line["rule"] for line in _lines(directory / REJECTED, contents)})
    known = [*completion.rules(), *used]
    if ":" not in rule and rule not in known:
        near = either(nearest(rule, known)) or f"from {', '.join(['any', *used])}"
        raise UserMistake(f"--rejected: no rule is named {rule!r}. Fix: choose {near}.")
    rejections = f". These rules did: {', '.join(used)}" if used else ""
    return f"no candidate was rejected{'' if rule == 'any' else f' by {rule}'}{rejections}"


def _status_lines(report: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the lines of `status` as label and text."""
    from selfinstruct.cli.costs import limits_text, unmeasured

    requests, tokens, remaining = report["requests"], report["tokens"], report["left"]
    ended = "complete" if report["complete"] else "not complete"
    yield "state", f"running (process {report['running']})" if report["running"] else ended
    yield "rows", f"{report['rows']:,} of {report['target']:,} ({_candidates(report)})"
    yield "rejected", tally(report["dropped"])
    yield "requests", f"{requests['answered']:,} answered ({requests['used']:,} used), {requests['in_flight']:,} in flight"
    yield "calls", f"{requests['calls']:,} in total, without a reply: {tally(requests['without_reply'])}"
    yield "failed", tally(requests["failed"])
    yield "replies", f"finish reasons: {tally(requests['finish_reasons'])}"
    yield "tokens", f"{short(tokens['prompt'])} in prompts, {short(tokens['completion'])} in replies"
    if tokens["lost_at_most"]:
        yield "", f"at most {short(tokens['lost_at_most'])} for {unmeasured(requests['lost'], tokens['replies_without_a_count'])}"
    yield "cost", _cost(report["money"])
    yield "limits", limits_text(report["limits"])
    yield "time", f"{clock(report['seconds'])} from the first reply to the last"
    yield "teacher", f"{report['teacher']}, model {report['model'] or '(default)'}, method {report['method']}"
    for name, teacher in report["teachers"].items():
        usd = "" if teacher["usd"] is None else f", {dollars(teacher['usd'])}"
        wrote = f"wrote {counted(teacher['instructions'], 'instruction')} and {counted(teacher['outputs'], 'output')} of the rows"
        yield "", f"{name}: {teacher['model']}, {short(teacher['tokens'])} tokens{usd}, {wrote}"
    if report["requests_per_minute"]:
        yield "speed", f"{counted(round(report['requests_per_minute']), 'request')} per minute"
    if remaining:
        usd = "" if remaining["usd"] is None else f", {dollars(remaining['usd'])}"
        seconds = "" if remaining["seconds"] is None else f", {clock(remaining['seconds'])}"
        yield "remaining", f"about {counted(remaining['requests'], 'request')}, {short(remaining['tokens'])} tokens{usd}{seconds}"
    for batch in report["batches"]:
        yield "batch", f"{batch['name'][:8]} {batch['id']}: {batch['state']}, {batch['detail']}"
    if torn := report["journal"]["torn_lines"]:
        yield "journal", f"{counted(torn, 'torn line')}, left by a crash and ignored"
    if report["next"]:
        yield "next", report["next"]


def _candidates(report: Mapping[str, Any]) -> str:
    """Return the number of candidates, and the share of rows among those that were judged."""
    text = counted(report["candidates"], "candidate")
    if report["acceptance"] is None:
        return text
    judged = "" if report["judged"] == report["candidates"] else f"{report['judged']:,} judged, "
    return f"{text}, {judged}{100 * report['acceptance']:.0f} % {'of these ' if judged else ''}accepted"


def _cost(money: Mapping[str, Any]) -> str:
    if money["usd"] is None:
        return "unknown price"
    cost = f"{dollars(money['usd_for_replies'])} for replies"
    if money["usd_for_lost_at_most"]:
        cost += f", and at most {dollars(money['usd_for_lost_at_most'])} for calls without one"
    if money["usd_per_1000_rows"] is not None:
        cost += f" ({dollars(money['usd_per_1000_rows'])} per 1,000 rows)"
    return cost


def _rows(directory: Path, contents: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the rows of a dataset with their origin, each as a text of several lines."""
    rows, origins = (_lines(directory / name, contents) for name in (DATASET, PROVENANCE))
    for row, origin in zip(rows, origins, strict=False):
        near = "".join(f", ROUGE-L {one['score']:.2f} to {one['id']}" for one in origin["nearest"][:1])
        yield f"{_texts(row)}\n  ({origin['id']}, candidate {origin['candidate']}, model {origin['model']}{near})"


def _rejected(directory: Path, rule: str, contents: Mapping[str, bytes]) -> Iterator[str]:
    """Yield the candidates that a rule (or "any") rejected, each as a text of several lines."""
    for line in _lines(directory / REJECTED, contents):
        if rule in ("any", line["rule"]):
            limit = "" if line["limit"] is None else f" (limit {json.dumps(line['limit'])})"
            reason = f"{line['candidate']} rejected by {line['rule']}: {json.dumps(line['value'], ensure_ascii=False)}{limit}"
            near = f"nearest {line['nearest']['id']}: {line['nearest']['instruction']}" if line["nearest"] else ""
            yield "\n".join(filter(None, (reason, near, _texts(line))))


def _texts(row: Mapping[str, Any]) -> str:
    """Return the texts of a row that are not empty, each after its name."""
    texts = (f"{name}: {row[name]}" for name in ("instruction", "input", "output") if row[name])
    return "\n".join(textwrap.indent(text, "  ").strip() for text in texts)


def _lines(path: Path, contents: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    """Yield the objects of a derived file, from `contents` if they have it. Raises RunDirectoryError when it cannot be read."""
    again = f"Fix: run `selfinstruct build {shlex.quote(str(path.parent))}`."
    try:
        if contents:
            yield from map(json.loads, contents[path.name].splitlines())
            return
        with path.open(encoding="utf-8", newline="\n") as file:
            for line in file:
                yield json.loads(line)
    except FileNotFoundError:
        raise RunDirectoryError(f"{path}: does not exist yet. {again}") from None
    except OSError as error:
        raise RunDirectoryError(f"{path}: cannot be read ({error.strerror}). Fix: check the path and its permissions.") from None
    except ValueError:
        raise RunDirectoryError(f"{path}: is damaged. {again}") from None
