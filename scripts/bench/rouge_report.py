"""Results of `bench_rouge.py` as Markdown tables and as a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import log
from pathlib import Path
from typing import Any

Found = dict[str, Any]

_PRUNED = {  # counters of the compiled engine, and their columns
    "visited": "candidate pairs by a rare token",
    "length_or_position": "dropped by length or position",
    "sketch": "dropped by sketch",
    "repeated": "candidate again",
    "whole_sketch": "dropped by the whole sketch",
    "stopped": "measured, stopped early",
    "finished": "measured to the end",
}
_COLORS = {  # of the contenders in the plot
    "ours, 1 thread": "#4c9ed9",
    "ours, all threads": "#08519c",
    "ours, portable engine": "#17807e",
    "rouge_score": "#b2182b",
    "Alpaca's loop": "#d6604d",
    "rapidfuzz, all pairs": "#8c6d31",
    "MinHash LSH at 0.7": "#6a51a3",
    "MinHash LSH at 0.5": "#9e9ac8",
}
_TIMES = {
    "1 ms": 1e-3,
    "10 ms": 1e-2,
    "0.1 s": 0.1,
    "1 s": 1,
    "10 s": 10,
    "1 min": 60,
    "10 min": 600,
    "1 h": 3_600,
    "1 day": 86_400,
}
_TIMES |= {"1 month": 2_629_800, "1 year": 31_557_600}
_APART = 2.1  # factor of time between two names at the right end


def markdown(found: Found) -> str:
    """Return all tables as Markdown."""
    made, parts = found["made"], ["# Cost of finding near-duplicates\n"]
    packages = ", ".join(f"{name} {number}" for name, number in made["packages"].items())
    parts.append(
        f"Made by `{made['command']}` on {made['date']}, with {made['cores']} cores of {made['processor']}, {made['system']}, "
        f"Python {made['python']}, {packages}. A machine's speed changes from minute to minute, so compare figures of one run.\n"
    )
    generator = f"{found['generator']['rows']:,} in {duration(found['generator']['seconds'])}"
    parts.append(
        "The task is to keep each text whose ROUGE-L F-measure to all texts kept before is at most 0.7. The time includes "
        "splitting the texts into tokens, except for `rouge_score` and Alpaca's loop. It does not include the first use of a "
        "library, which has a table below. A figure with ~ is extrapolated, as the last column says. Memory is the peak of the "
        "process, without the processes that Alpaca's loop starts. In brackets is its memory at the start, with Python, numpy "
        "and the texts. *Grows as* is the exponent e in rows^e since the size before, where both were measured in full. The "
        f"realistic rows are made by `scripts/bench/realistic.py` ({generator}, not counted below).\n"
    )
    groups = _grouped(found["races"])
    for (name, rows), races in groups.items():
        parts += [f"## {rows:,} rows: {name}\n", _sizes(races), _race_table(races, groups), _ratios(races)]
    parts += ["## How the pairs were decided (compiled engine)\n", _filters(found["races"])]
    parts += ["## MinHash\n", _hashed(found["races"]), "## Single questions\n", _questions(found["cases"])]
    parts += ["## Adversarial rows\n", _hard(found["cases"])]
    return "\n".join(part for part in parts if part)


def duration(seconds: float) -> str:
    """Return seconds as text, with three digits and a suitable unit."""
    for least, size, unit in ((172_800, 86_400, "days"), (7_200, 3_600, "h"), (300, 60, "min"), (1, 1, "s"), (1e-3, 1e-3, "ms")):
        if seconds >= least:
            return f"{_three(seconds / size)} {unit}"
    return f"{_three(seconds * 1e6)} µs"


def _grouped(races: Iterable[Found]) -> dict[tuple[str, int], list[Found]]:
    groups: dict[tuple[str, int], list[Found]] = {}
    for race in races:
        groups.setdefault((race["input"], race["rows"]), []).append(race)
    return groups


def _sizes(races: Sequence[Found]) -> str:
    first = races[0]
    dropped = 100 * (1 - first["right"] / first["rows"])
    return (
        f"{first['right']:,} rows are kept and {dropped:.1f} % are dropped. A growing pool compares {first['pairs']:,} pairs.\n"
    )


def _race_table(races: Sequence[Found], groups: dict[tuple[str, int], list[Found]]) -> str:
    lines = []
    for race in races:
        about = "~ " if "extrapolated" in race else ""
        memory = f"{race['peak_bytes'] / 1e6:,.0f} ({race['before_bytes'] / 1e6:,.0f})"
        counters = race.get("counters", {})
        measured = race.get("measured") or counters.get("stopped", 0) + counters.get("finished", 0)
        cells = [race["contender"], about + duration(race["seconds"]), about + _three(race["rows"] / race["seconds"])]
        cells += [_growth(race, groups), memory, f"{measured:,}" if measured else "-"]
        lines.append([*cells, f"{race['kept']:,}" if race["rows_done"] else "-", _remark(race)])
    return _table(["contender", "time", "rows/s", "grows as", "memory MB", "pairs measured", "kept", "remarks"], lines)


def _growth(race: Found, groups: dict[tuple[str, int], list[Found]]) -> str:
    smaller = [rows for name, rows in groups if name == race["input"] and rows < race["rows"]]
    before = [
        other for other in groups.get((race["input"], max(smaller, default=0)), []) if other["contender"] == race["contender"]
    ]
    if not before or "extrapolated" in race or "extrapolated" in before[0]:
        return "-"
    return f"{log(race['seconds'] / before[0]['seconds']) / log(race['rows'] / before[0]['rows']):.2f}"


def _remark(race: Found) -> str:
    if "differs" in race:
        return f"**DECIDES DIFFERENTLY** from row {race['differs']:,} on"
    if "recall" in race:
        alike = f"finds {_percent(race['recall'])} of the near-duplicates"
    else:
        alike = "same decisions" if race["rows_done"] else ""
    if "extrapolated" not in race:
        return alike
    spent = duration(race["spent"])
    if not race["rows_done"]:
        return f"from {race['measured']:,} pairs drawn at random in {spent}"
    how = "by pairs" if race["extrapolated"] == "pairs" else f"by its growth there ({race['growth']:.2f})"
    return f"from the first {race['rows_done']:,} rows in {spent}, {how}, {alike} there"


def _ratios(races: Sequence[Found]) -> str:
    seconds = {race["contender"]: race["seconds"] for race in races}
    theirs = seconds.get("rouge_score") or seconds["rouge_score in full"]
    about = "about " if "rouge_score" in seconds else ""
    others = [name for name in seconds if name.startswith(("ours", "rapidfuzz"))]
    times = ", ".join(f"{_three(theirs / seconds[name])} times as long as {name}" for name in others)
    return f"`rouge_score` takes {about}{times}.\n"


def _filters(races: Sequence[Found]) -> str:
    counted = [race for race in races if race.get("counters")]
    used = [name for name in counted[0]["counters"] if name != "queries" and any(race["counters"][name] for race in counted)]
    lines = [
        [
            f"{race['rows']:,} {race['input']}, {race['contender']}",
            f"{race['pairs']:,}",
            *(f"{race['counters'][name]:,}" for name in used),
        ]
        for race in counted
    ]
    about = "A pair is a candidate once for each rare token that both texts have. All other pairs are skipped.\n\n"
    return about + _table(["rows", "pairs", *(_PRUNED.get(name, name) for name in used)], lines)


def _hashed(races: Sequence[Found]) -> str:
    about = (
        "Recall is the share of the rows dropped by ROUGE-L that MinHash also drops. ROUGE-L keeps the wrongly dropped rows.\n\n"
    )
    lines = [
        [f"{race['rows_done']:,} {race['input']}", race["contender"], _percent(race["recall"]), f"{race['wrongly_dropped']:,}"]
        for race in races
        if "recall" in race
    ]
    return about + _table(["rows seen", "contender", "recall", "wrongly dropped"], lines)


def _questions(cases: Found) -> str:
    single, nearest, mean, first = (cases[name] for name in ("single", "nearest", "mean", "first_use"))
    fresh, later = first["fresh"], first["later"]
    percentiles = f"p50 {duration(single['p50'])}, p99 {duration(single['p99'])}, maximum {duration(single['max'])}"
    lines = [
        [f"one admission into a pool of {single['pool']:,} ({single['admissions']:,} measured)", percentiles],
        [f"the 10 nearest earlier texts of each of {nearest['rows']:,} texts", f"{duration(nearest['seconds'])}"],
        [f"the mean similarity to all of a pool of {mean['pool']:,}, for one text", duration(mean["seconds"])],
        [
            "a new process, before any Python file is compiled (numpy included)",
            _start(fresh),
        ],
        ["a new process after that", _start(later)],
        ["a new process that does nothing", duration(first["python_alone"])],
    ]
    return _table(["question", "time"], lines)


def _start(race: Found) -> str:
    importing, first, second, process = (duration(race[name]) for name in ("importing", "first", "second", "process"))
    return f"{importing} to import, {first} for the first text, {second} for the second, {process} for the whole process"


def _hard(cases: Found) -> str:
    lines = []
    for name, race in cases.items():
        if "wanted" not in race:
            continue
        counters = race.get("counters", {})
        whole = "" if race["rows"] == race["wanted"] else f" (stopped at the time limit, of {race['wanted']:,})"
        memory = f"{race['peak_bytes'] / 1e6:,.0f} ({race['before_bytes'] / 1e6:,.0f})"
        measured = counters.get("stopped", 0) + counters.get("finished", 0)
        cells = [name, f"{race['rows']:,}{whole}", f"{race['kept']:,}", duration(race["seconds"]), memory]
        lines.append([*cells, f"{measured:,}", f"{counters.get('visited', 0):,}"])
    return _table(["rows", "how many", "kept", "time", "memory MB", "pairs measured", "candidate pairs by a rare token"], lines)


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rows = [head, ["-" * width for width in widths], *lines]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows) + "\n"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"


def _three(number: float) -> str:
    """Return a number with three significant digits."""
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


def plot(found: Found, into: Path) -> None:
    """Plot time against rows on logarithmic axes. Extrapolated points are hollow, with a dashed line to them.

    Each line has its name at its right end, in its colour. The lines of this package are thicker.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9.5, 6), layout="constrained")
    races = [race for race in found["races"] if race["input"] == "realistic"]
    ends = {}
    for name in dict.fromkeys(race["contender"] for race in races):
        points = [(race["rows"], race["seconds"], "extrapolated" in race) for race in races if race["contender"] == name]
        color, width = _COLORS.get(name, "0.4"), 2.6 if name.startswith("ours") else 1.5
        for (rows, seconds, _), (more, longer, guessed) in pairwise(points):
            axes.plot([rows, more], [seconds, longer], "--" if guessed else "-", color=color, linewidth=width)
        for rows, seconds, guessed in points:
            axes.plot(rows, seconds, "o", color=color, markerfacecolor="white" if guessed else color)
        ends[name] = points[-1][:2]
    axes.set(xscale="log", yscale="log")
    lowest = 0.0
    for name, (rows, seconds) in sorted(ends.items(), key=lambda end: end[1][1]):
        lowest = max(seconds, lowest * _APART)
        axes.annotate(
            name.replace("ours", "this package"), (rows, lowest), color=_COLORS.get(name, "0.4"), xytext=(9, 0),
            textcoords="offset points", va="center", fontsize=11, fontweight="bold" if name.startswith("ours") else None,
            annotation_clip=False,
        )  # fmt: skip
    sizes = sorted({race["rows"] for race in races})
    axes.set_xlim(sizes[0] / 1.3, sizes[-1] * 1.2)
    axes.set_xticks(sizes, [f"{rows:,}" for rows in sizes], fontsize=11)
    axes.set_yticks(list(_TIMES.values()), list(_TIMES), fontsize=11)
    axes.minorticks_off()
    axes.set_xlabel("rows (realistic texts, growing pool, rows with ROUGE-L above 0.7 are dropped)", fontsize=11)
    made = found["made"]
    axes.set_title(
        f"Time to find near-duplicates, {made['cores']} cores of {made['processor']}, {made['date']}\n"
        "hollow and dashed: extrapolated", fontsize=12, loc="left",
    )  # fmt: skip
    axes.grid(alpha=0.4)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    figure.savefig(into, dpi=120)
    pyplot.close(figure)
