"""Results of `compare_methods.py` as Markdown tables and as plots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import log2
from pathlib import Path
from typing import Any

Found = dict[str, Any]

_COLOUR, _SECOND = "#3b6ea5", "#9bb8d3"
_NAMES = {  # measures at one size, with their titles and digits
    "nearest_mean": ("ROUGE-L to the nearest other, mean", 3),
    "nearest_p90": ("ROUGE-L to the nearest other, 90th percentile", 3),
    "entropy": ("entropy over topics, bits", 2),
    "pairs": ("different verb-object pairs", 1),
    "distinct_2": ("distinct-2 of the instructions", 3),
}


def markdown(found: Found) -> str:
    """Return all tables as Markdown."""
    parts = ["# Comparison of the methods\n"]
    if methods := found.get("methods"):
        parts += [_circumstances(methods["made"], methods["runs"]), *_methods(methods, found["measures"])]
    if spread := found.get("spread"):
        parts += [
            "## Seed sampling: `spread` against `uniform`\n",
            _circumstances(spread["made"], spread["runs"]),
            _spread(spread),
        ]
    return "\n".join([*parts, "## The measures\n", _explained(found["measures"])])


def _circumstances(made: Found, runs: Sequence[Found]) -> str:
    packages = ", ".join(f"{name} {number}" for name, number in made["packages"].items())
    models = ", ".join(sorted({run["model"] for run in runs}))
    return (
        f"Made by `{made['command']}` on {made['date']} with {packages}. The teacher is `{made['teacher']}`, {models}. Each run "
        f"had {made['tokens']:,} tokens of prompts and replies, and the `seed` {made['seed']}.\n"
    )


def _methods(found: Found, measures: Found) -> list[str]:
    runs = found["runs"]
    parts = ["Each method has one run, so small differences mean nothing. Another teacher may reverse them.\n"]
    parts += ["## Yield\n", _yield(runs), "## Rejected candidates, per cent of the judged ones\n", _drops(runs)]
    parts += [
        "## Diversity of the rows\n",
        _varied(runs, found),
        "## Whole runs\n",
        _whole(runs, measures["topics"]),
        _lengths(runs),
    ]
    return parts


def _yield(runs: Sequence[Found]) -> str:
    head = [
        "method",
        "tokens",
        "in prompts",
        "requests",
        "candidates",
        "judged",
        "rows",
        "accepted",
        "rows per 1,000 tokens",
        "apart",
    ]
    body = [
        [
            run["name"],
            f"{run['tokens']:,}",
            _percent(run["prompt_tokens"] / run["tokens"] if run["tokens"] else None),
            f"{run['requests']:,}",
            f"{run['candidates']:,}",
            f"{run['judged']:,}",
            f"{run['rows']:,}",
            _percent(run["acceptance"]),
            _number(run["rows_per_1000_tokens"], 2),
            ", ".join(f"{count:,} {rule}" for rule, count in run["apart"].items()) or "-",
        ]
        for run in runs
    ]
    about = (
        "A candidate is judged when the rules decided on it. *Apart* are candidates without an answer when the tokens ended, and "
        "those after the last row.\n\n"
    )
    return about + _table(head, body) + _unsure(runs)


def _unsure(runs: Sequence[Found]) -> str:
    """Return a sentence on the tokens that were not counted."""
    unsure = [
        f"{run['name']} has {run['replies_without_a_count']:,} replies without a count and at most "
        f"{run['tokens_not_counted']:,} tokens of calls without a reply"
        for run in runs
        if run["replies_without_a_count"] or run["tokens_not_counted"]
    ]
    return f"\nTokens that were not counted: {'. '.join(unsure)}.\n" if unsure else ""


def _drops(runs: Sequence[Found]) -> str:
    rules = sorted({rule for run in runs for rule in run["dropped"]}, key=lambda rule: (-_sum(rule, runs), rule))
    body = [[rule, *(_share(run["dropped"].get(rule, 0), run["judged"]) for run in runs)] for rule in rules]
    body.append(["accepted", *(_share(run["rows"], run["judged"]) for run in runs)])
    return _table(["rule", *(run["name"] for run in runs)], body)


def _sum(rule: str, runs: Sequence[Found]) -> float:
    return float(sum(run["dropped"].get(rule, 0) / run["judged"] for run in runs if run["judged"]))


def _varied(runs: Sequence[Found], found: Found) -> str:
    size, bigrams = found["size"], found["bigrams"]
    about = (
        "These measures depend on the number of instructions, so each method has the same number: "
        f"{size:,} different instructions, drawn at random (mean of {found['draws']} draws), and {bigrams:,} bigrams for "
        "distinct-2. A method with too few of them has no figures.\n\n"
    )
    body = [[run["name"], *_cells(run["sampled"] or {})] for run in runs]
    return about + _table(["method", *(name for name, _ in _NAMES.values())], body)


def _cells(values: Found) -> list[str]:
    return [_number(values.get(measure), digits) for measure, (_, digits) in _NAMES.items()]


def _whole(runs: Sequence[Found], topics: Found | None) -> str:
    head = ["method", "different instructions", *(name for name, _ in _NAMES.values()), "with a pair"]
    head += ["share of the highest entropy", "topics", "without topic"] if topics else []
    body = []
    for run in runs:
        whole = run["whole"]
        cells = [run["name"], f"{whole['instructions']:,}", *_cells({**whole, "pairs": None}), _percent(whole["with_pair"])]
        cells[2 + list(_NAMES).index("pairs")] = f"{whole['pairs']:,}"
        if topics:
            even = None if whole["entropy"] is None else whole["entropy"] / log2(topics["domains"])
            cells += [_percent(even), f"{whole['topics']} of {topics['domains']}", _percent(whole["without_topic"])]
        body.append(cells)
    return _table(head, body)


def _lengths(runs: Sequence[Found]) -> str:
    head = ["method", "words of an instruction", "rows with an input", "words of an input", "words of an output"]
    body = []
    for run in runs:
        found = run["lengths"]
        cells = [_number(found["instruction"], 1), _percent(found["with_input"]), _number(found["input"], 1)]
        body.append([run["name"], *cells, _number(found["output"], 1)])
    return _table(head, body)


def _spread(found: Found) -> str:
    paired = found["paired"]
    repeat = len(next(iter(paired.values()))["differences"]) if paired else 0
    parts = [
        f"The method is `{found['method']}`, with both samplings for each of {repeat} values of `seed`. All measures are of "
        f"{found['size']:,} different instructions of each run, and distinct-2 is of {found['bigrams']:,} bigrams. The interval "
        "is the 95 % interval of the mean difference, by Student's t of the paired differences. *Agree* counts the seeds for "
        "which `spread` gave the more varied rows.\n"
    ]
    body = [[run["name"], f"{run['tokens']:,}", f"{run['rows']:,}", *_cells(run["sampled"] or {})] for run in found["runs"]]
    parts.append(_table(["run", "tokens", "rows", *(name for name, _ in _NAMES.values())], body))
    body = []
    for measure, one in paired.items():
        name, digits = _NAMES[measure]
        ends = [f"{end:+.{digits + 1}f}" for end in one["interval"] or ()]
        cells = [f"{one['mean']:+.{digits + 1}f}", _number(one["deviation"], digits + 1), " to ".join(ends) or "-"]
        body.append([name, *cells, f"{one['agree']} of {len(one['differences'])}"])
    parts.append(_table(["`spread` - `uniform`", "mean difference", "standard deviation", "95 % interval", "agree"], body))
    return "\n".join(parts)


def _explained(measures: Found) -> str:
    verbs, topics = measures["verbs"], measures["topics"]
    text = (
        "- **ROUGE-L to the nearest other**: each instruction against all others of its run, exactly as `rouge_score` measures "
        "it. Nearer candidates than the run's `rouge` allows were rejected before. Rows with one instruction and different "
        "inputs count once, here and in all measures below.\n"
        "- **Verb-object pairs**: the verb of the request and the noun that is its direct object (Wang et al., 2022), by "
        f"HanTa's parts of speech and rules. Of {verbs['labels']} instructions labelled by hand, {verbs['same']} are right. "
        f"Of {verbs['pairs']} pairs, {verbs['pairs_right']} are found, and "
        f"{verbs['pairs_found'] - verbs['pairs_right']} others are found that do not exist.\n"
        "- **distinct-2**: the share of different bigrams (Li et al., 2016). Only equal numbers of bigrams can be compared.\n"
    )
    if not topics:
        return text + "- No topics, because the seeds do not name their domains.\n"
    return text + (
        f"- **Topics**: the nearest of the {topics['domains']} domains of the seeds, by {topics['how']}. The measure does not "
        "use ROUGE-L, which steers the runs, and does not know the method. The domains of the seeds are known. "
        f"{_percent(topics['accuracy'])} of the seeds get their right domain from the other seeds, and for "
        f"{_percent(topics['among_three'])} it is among the nearest three (the most frequent domain has "
        f"{_percent(topics['majority'])}). So the topic of a single row is often wrong, which raises all entropies. "
        "A row has no topic when it is further from all domains than 95 % of the seeds are from their nearest. The entropy is of "
        f"the other rows, and {log2(topics['domains']):.2f} bits is the highest possible.\n"
    )


def _table(head: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table with aligned columns."""
    widths = [max(len(line[column]) for line in [head, *lines]) for column in range(len(head))]
    rows = [head, ["-" * width for width in widths], *lines]
    return "\n".join("| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows) + "\n"


def _share(part: float, whole: float) -> str:
    return f"{100 * part / whole:.1f}" if part and whole else "-"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:,.{digits}f}"


# --- plots --------------------------------------------------------------------------------------------------------------

_PANELS: list[tuple[str, Callable[[Found], float | None], str]] = [
    ("rows per 1,000 tokens", lambda run: run["rows_per_1000_tokens"], ".2f"),
    ("candidates accepted, %", lambda run: None if run["acceptance"] is None else 100 * run["acceptance"], ".0f"),
    ("verb-object pairs *", lambda run: (run["sampled"] or {}).get("pairs"), ".0f"),
    ("distinct-2 *", lambda run: (run["sampled"] or {}).get("distinct_2"), ".2f"),
    ("ROUGE-L to the nearest *", lambda run: (run["sampled"] or {}).get("nearest_mean"), ".2f"),
    ("entropy over topics, bits *", lambda run: (run["sampled"] or {}).get("entropy"), ".2f"),
]


def plot(found: Found, into: Path) -> None:
    """Plot a small chart for each measure, with a bar for each method."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    methods = found["methods"]
    runs = methods["runs"]
    figure, grid = pyplot.subplots(2, 3, figsize=(10, 1.9 + 0.5 * len(runs)), layout="constrained", sharey=True)
    for axes, (title, value, form) in zip(grid.flat, _PANELS, strict=True):
        values = [value(run) for run in runs]
        axes.barh(range(len(runs)), [value or 0 for value in values], color=_COLOUR, height=0.7)
        for place, (one, run) in enumerate(zip(values, runs, strict=True)):
            text = "-" if one is None else format(one, form)
            if title.startswith("ROUGE-L") and one is not None:
                ninety = run["sampled"]["nearest_p90"]
                axes.plot([one, ninety], [place, place], color=_SECOND, linewidth=4, solid_capstyle="butt", zorder=0)
                axes.annotate(text, (ninety, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=10)
            else:
                axes.annotate(text, (one or 0, place), xytext=(4, 0), textcoords="offset points", va="center", fontsize=10)
        axes.set_title(title, fontsize=11, loc="left")
        axes.set_xlim(right=1.22 * axes.get_xlim()[1])
        axes.set_yticks(range(len(runs)), [run["name"] for run in runs], fontsize=11)
        axes.set_xticks([])
        axes.tick_params(left=False)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
    grid[0, 0].invert_yaxis()
    made = methods["made"]
    figure.supxlabel(
        f"{', '.join(sorted({run['model'] for run in runs}))}, {made['tokens']:,} tokens a method, {made['date']}\n* of "
        f"{methods['size']:,} instructions of each. Bar and number: mean, line: up to the 90th percentile",
        fontsize=10,
    )
    figure.savefig(into, dpi=120)
    pyplot.close(figure)


def plot_spread(found: Found, into: Path) -> None:
    """Plot a line from `uniform` to `spread` for each seed, in a chart for each measure."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    spread = found["spread"]
    shown = [name for name in ("nearest_mean", "entropy", "pairs") if name in spread["paired"]]
    if not shown:
        return
    figure, grid = pyplot.subplots(1, len(shown), figsize=(3.3 * len(shown), 3.4), layout="constrained", squeeze=False)
    for axes, measure in zip(grid.flat, shown, strict=True):
        one = spread["paired"][measure]
        for old, new in zip(one["uniform"], one["spread"], strict=True):
            axes.plot([0, 1], [old, new], "o-", color=_SECOND, markersize=5)
        means = [sum(one[way]) / len(one[way]) for way in ("uniform", "spread")]
        axes.plot([0, 1], means, "o-", color=_COLOUR, linewidth=2.5, markersize=7)
        axes.set_xticks([0, 1], ["uniform", "spread"], fontsize=11)
        axes.set_xlim(-0.3, 1.3)
        axes.set_title(_NAMES[measure][0], fontsize=10, loc="left")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    made = spread["made"]
    figure.supxlabel(
        f"{spread['method']}, {made['tokens']:,} tokens a run, {spread['size']:,} instructions of each. Dark: mean",
        fontsize=10,
    )
    figure.savefig(into, dpi=120)
    pyplot.close(figure)
