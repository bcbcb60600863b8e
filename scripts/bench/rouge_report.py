"""The results of `bench_rouge.py` as a table and as a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

Found = dict[str, Any]

_PRUNED = {  # a counter of the compiled engine, and what it counts
    "visited": "met through a rare token",
    "length_or_position": "dropped by length or position",
    "sketch": "dropped by sketch",
    "repeated": "met again",
    "whole_sketch": "dropped by the whole sketch",
    "stopped": "measured, stopped early",
    "finished": "measured to the end",
}


def markdown(found: Found) -> str:
    """All tables."""
    made, parts = found["made"], ["# Finding near-duplicates: what it costs\n"]
    packages = ", ".join(f"{name} {number}" for name, number in made["packages"].items())
    parts.append(
        f"Made by `{made['command']}` on {made['date']}, {made['cores']} cores of {made['processor']}, {made['system']}, "
        f"Python {made['python']}; {packages}. A machine's speed changes from minute to minute: compare figures of one run.\n"
    )
    generator = f"{found['generator']['rows']:,} in {duration(found['generator']['seconds'])}"
    parts.append(
        "Task: keep each text whose ROUGE-L F-measure to all texts kept before is 0.7 or less. The time includes making the "
        "tokens, except for `rouge_score` and Alpaca's loop, and not the first use of a library, which is shown further below. A "
        "figure with ~ is extrapolated from what the last column says. Memory is the most that the process held (without "
        "the processes that Alpaca's loop starts); in brackets what it held before it began, Python, numpy and the texts. "
        "*Grows as* is the exponent e in rows^e since the size before, where both were measured in full. The realistic rows are "
        f"those of `scripts/bench/realistic.py` ({generator}, not counted below).\n"
    )
    groups = _grouped(found["races"])
    for (name, rows), races in groups.items():
        parts += [f"## {rows:,} rows: {name}\n", _sizes(races), _race_table(races, groups), _ratios(races)]
    parts += ["## What became of the pairs (compiled engine)\n", _filters(found["races"])]
    parts += ["## MinHash\n", _hashed(found["races"]), "## Single questions\n", _questions(found["cases"])]
    parts += ["## Rows made to be hard\n", _hard(found["cases"])]
    return "\n".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Seconds in a unit that suits them."""
    for least, size, unit in ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (300, 60, "min"), (1, 1, "s"), (1e-3, 1e-3, "ms")):
        if seconds >= least:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds * 1e6)} µs"


def _grouped(races: Iterable[Found]) -> dict[tuple[str, int], list[Found]]:
    groups: dict[tuple[str, int], list[Found]] = {}
    for one in races:
        groups.setdefault((one["input"], one["rows"]), []).append(one)
    return groups


def _sizes(races: Sequence[Found]) -> str:
    first = races[0]
    dropped = 100 * (1 - first["right"] / first["rows"])
    return f"{first['right']:,} rows are kept ({dropped:.1f} % are dropped); a growing pool compares {first['pairs']:,} pairs.\n"


def _race_table(races: Sequence[Found], groups: dict[tuple[str, int], list[Found]]) -> str:
    lines = []
    for one in races:
        about = "~ " if "extrapolated" in one else ""
        memory = f"{one['peak_bytes'] / 1e6:,.0f} ({one['before_bytes'] / 1e6:,.0f})"
        counters = one.get("counters", {})
        measured = one.get("measured") or counters.get("stopped", 0) + counters.get("finished", 0)
        cells = [one["contender"], about + duration(one["seconds"]), about + _three(one["rows"] / one["seconds"])]
        cells += [_growth(one, groups), memory, f"{measured:,}" if measured else "-"]
        lines.append([*cells, f"{one['kept']:,}" if one["rows_done"] else "-", _remark(one)])
    return _table(["contender", "time", "rows/s", "grows as", "memory MB", "pairs measured", "kept", "remarks"], lines)


def _growth(one: Found, groups: dict[tuple[str, int], list[Found]]) -> str:
    smaller = [rows for name, rows in groups if name == one["input"] and rows < one["rows"]]
    before = [
        other for other in groups.get((one["input"], max(smaller, default=0)), []) if other["contender"] == one["contender"]
    ]
    if not before or "extrapolated" in one or "extrapolated" in before[0]:
        return "-"
    return f"{log(one['seconds'] / before[0]['seconds']) / log(one['rows'] / before[0]['rows']):.2f}"


def _remark(one: Found) -> str:
    if "differs" in one:
        return f"**DECIDES OTHERWISE** from row {one['differs']:,} on"
    if "recall" in one:
        alike = f"finds {_percent(one['recall'])} of the near-duplicates"
    else:
        alike = "decides alike" if one["rows_done"] else ""
    if "extrapolated" not in one:
        return alike
    spent = duration(one["spent"])
    if not one["rows_done"]:
        return f"from {one['measured']:,} pairs drawn at random in {spent}"
    how = "by pairs" if one["extrapolated"] == "pairs" else f"by its growth there, {one['growth']:.2f}"
    return f"from the first {one['rows_done']:,} rows in {spent}, {how}; {alike} there"


def _ratios(races: Sequence[Found]) -> str:
    seconds = {one["contender"]: one["seconds"] for one in races}
    theirs = seconds.get("rouge_score") or seconds["rouge_score in full"]
    about = "about " if "rouge_score" in seconds else ""
    others = [name for name in seconds if name.startswith(("ours", "rapidfuzz"))]
    times = ", ".join(f"{_three(theirs / seconds[name])} times as long as {name}" for name in others)
    return f"`rouge_score` takes {about}{times}.\n"


def _filters(races: Sequence[Found]) -> str:
    counted = [one for one in races if one.get("counters")]
    used = [name for name in counted[0]["counters"] if name != "queries" and any(one["counters"][name] for one in counted)]
    lines = [
        [
            f"{one['rows']:,} {one['input']}, {one['contender']}",
            f"{one['pairs']:,}",
            *(f"{one['counters'][name]:,}" for name in used),
        ]
        for one in counted
    ]
    about = "A pair can be met several times, once for each rare token that both have; all other pairs were never looked at.\n\n"
    return about + _table(["rows", "pairs", *(_PRUNED.get(name, name) for name in used)], lines)


def _hashed(races: Sequence[Found]) -> str:
    about = (
        "Of the rows that ROUGE-L drops, the share that it drops too; and the rows that it drops though ROUGE-L keeps them.\n\n"
    )
    lines = [
        [f"{one['rows_done']:,} {one['input']}", one["contender"], _percent(one["recall"]), f"{one['wrongly_dropped']:,}"]
        for one in races
        if "recall" in one
    ]
    return about + _table(["rows seen", "contender", "recall", "wrongly dropped"], lines)


def _questions(cases: Found) -> str:
    single, nearest, mean, first = (cases[name] for name in ("single", "nearest", "mean", "first_use"))
    fresh, later = first["fresh"], first["later"]
    percentiles = f"p50 {duration(single['p50'])}, p99 {duration(single['p99'])}, most {duration(single['max'])}"
    lines = [
        [f"one admission into a pool of {single['pool']:,} ({single['admissions']:,} of them)", percentiles],
        [f"the 10 nearest earlier of each of {nearest['rows']:,} texts", f"{duration(nearest['seconds'])}"],
        [f"the mean similarity to all of a pool of {mean['pool']:,}, for one text", duration(mean["seconds"])],
        [
            "a new process, no Python file compiled yet (also none of numpy)",
            _start(fresh),
        ],
        ["a new process after that", _start(later)],
        ["a new process that does nothing", duration(first["python_alone"])],
    ]
    return _table(["question", "time"], lines)


def _start(one: Found) -> str:
    importing, first, second, process = (duration(one[name]) for name in ("importing", "first", "second", "process"))
    return f"{importing} to import, {first} for the first text, {second} for the second; whole process {process}"


def _hard(cases: Found) -> str:
    lines = []
    for name, one in cases.items():
        if "wanted" not in one:
            continue
        counters = one.get("counters", {})
        whole = "" if one["rows"] == one["wanted"] else f" (stopped at the limit; {one['wanted']:,} were wanted)"
        memory = f"{one['peak_bytes'] / 1e6:,.0f} ({one['before_bytes'] / 1e6:,.0f})"
        measured = counters.get("stopped", 0) + counters.get("finished", 0)
        cells = [name, f"{one['rows']:,}{whole}", f"{one['kept']:,}", duration(one["seconds"]), memory]
        lines.append([*cells, f"{measured:,}", f"{counters.get('visited', 0):,}"])
    return _table(["rows", "how many", "kept", "time", "memory MB", "pairs measured", "met through a token"], lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table that can also be read as it is."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rows = [head, ["-" * width for width in widths], *lines]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows) + "\n"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _three(number: float) -> str:
    """Three digits that count."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def plot(found: Found, into: Path) -> None:
    """Seconds against rows, both logarithmic; what is extrapolated has a hollow mark and a dashed line to it."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(10, 6.5), layout="constrained")
    races = [one for one in found["races"] if one["input"] == "realistic"]
    for number, name in enumerate(dict.fromkeys(one["contender"] for one in races)):
        color = f"C{number}"
        points = [(one["rows"], one["seconds"], "extrapolated" in one) for one in races if one["contender"] == name]
        for (rows, seconds, _), (more, longer, guessed) in pairwise(points):
            axes.plot([rows, more], [seconds, longer], "--" if guessed else "-", color=color, linewidth=1.5)
        for rows, seconds, guessed in points:
            axes.plot(rows, seconds, "o", color=color, markerfacecolor="white" if guessed else color)
        axes.plot([], [], "o-", color=color, label=name)
    for seconds, unit in (
        (1e-3, "a millisecond"),
        (1, "a second"),
        (60, "a minute"),
        (3_600, "an hour"),
        (86_400, "a day"),
        (31_557_600, "a year"),
    ):
        axes.axhline(seconds, color="0.85", linewidth=0.8, zorder=0)
        axes.annotate(
            unit, (1.0, seconds), xycoords=("axes fraction", "data"), xytext=(4, 0), textcoords="offset points", va="center"
        )
    made = found["made"]
    axes.set(
        xscale="log", yscale="log", xlabel="rows (realistic texts, growing pool, ROUGE-L above 0.7 is dropped)", ylabel="seconds"
    )
    sizes = sorted({one["rows"] for one in races})
    axes.set_xticks(sizes, [f"{rows:,}" for rows in sizes])
    axes.set_title(
        f"Near-duplicates on {made['cores']} cores of {made['processor']}, {made['date']}\nhollow, dashed: extrapolated"
    )
    axes.grid(alpha=0.3)
    axes.legend(fontsize=9)
    figure.savefig(into, dpi=120)
