"""The dataset card: what, how many, how made, what was dropped, whose words they are. Filled from the run alone."""

from __future__ import annotations

import json
import re

from selfinstruct.definition import Definition
from selfinstruct.pipeline import Dataset

_LIMITS = """\
The instructions and outputs were written by a model, not by people, and nobody has checked each row. Expect factual
errors, invented names and figures, and the teacher's own biases, manners and blind spots; subjects that the teacher
seldom speaks of are rare here too. The filters look at form, not at truth: a wrong answer in good form passes them.
Read a sample before you train on it, and evaluate on data that people wrote."""


def card(dataset: Dataset, definition: Definition) -> str:
    """The card as Markdown with a YAML front matter that `datasets` and the hub read."""
    title = _plain(definition.recipe.card.title) or "Instruction dataset"
    about = f"{len(dataset.rows):,} rows of instruction, input and output, in Alpaca format, one JSON object a line in"
    return "\n\n".join(
        [
            _front_matter(definition, title, len(dataset.rows)),
            f"# {title}",
            f"{about} `dataset.jsonl`.",
            "## How it was made\n\n" + _table(_making(dataset, definition)),
            "## What was dropped\n\n" + _funnel(dataset),
            "## Whose work it is\n\n" + _table(_rights(definition)),
            f"## Known limits\n\n{_LIMITS}",
            "## Tracing a row\n\nLine n of `provenance.jsonl` says where line n of `dataset.jsonl` came from: its request in\n"
            "`journal.jsonl`, the seed tasks shown, the model, the sampling, the nearest neighbours. `rejected.jsonl` has "
            "every\ncandidate that was dropped, with the rule, the measured value and the limit.\n",
        ]
    )


def _front_matter(definition: Definition, title: str, rows: int) -> str:
    """YAML as `datasets` and the hub read it; each value is written as JSON, which is YAML too."""
    recipe = definition.recipe
    fields = {
        "pretty_name": definition.recipe.card.title or title,
        "license": _plain(recipe.card.licence).lower() or "unknown",
        "language": [recipe.curate.language],
        "annotations_creators": ["machine-generated"],
        "language_creators": ["machine-generated"],
        "size_categories": [_size(rows)],
        "task_categories": ["text-generation"],
        "tags": ["instruction-tuning", "synthetic", "self-instruct"],
        "configs": [{"config_name": "default", "data_files": [{"split": "train", "path": "dataset.jsonl"}]}],
    }
    lines = [f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in fields.items()]
    return "\n".join(["---", *lines, "---"])


def _size(rows: int) -> str:
    bounds = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
    return next((name for bound, name in bounds if rows < bound), "1M<n<10M")


def _making(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    generate, usage, rows = definition.recipe.generate, dataset.usage, len(dataset.rows)
    per_row = f"{(usage.prompt_tokens + usage.completion_tokens) / rows:,.0f}" if rows else "no rows"
    prompt = definition.prompt
    return [
        ("Rows", f"{rows:,} of {dataset.target:,} asked for" + (f" ({dataset.ended})" if dataset.ended else "")),
        ("Seed tasks", f"{len(definition.seeds):,} ({definition.seeds_name})"),
        ("Method", generate.method),
        ("Prompt", f"{prompt.name} (SHA-256 {prompt.digest[:12]})"),
        ("Teacher", f"{generate.teacher}, model {generate.model or 'by default'}"),
        ("Endpoint", definition.endpoint),
        ("Sampling", f"temperature {generate.temperature:g}, top-p {generate.top_p:g}, seed {generate.seed}"),
        ("Requests answered", f"{dataset.requests:,}"),
        ("Tokens", f"{usage.prompt_tokens:,} in prompts, {usage.completion_tokens:,} in replies"),
        ("Tokens per row", per_row),
        (
            "Near-duplicates",
            f"dropped above ROUGE-L {definition.recipe.curate.rouge:g} to a seed or an earlier instruction",
        ),
        ("Made with", f"selfinstruct {definition.package}"),
    ]


def _funnel(dataset: Dataset) -> str:
    total = len(dataset.rows) + len(dataset.rejected)
    share = 100 / total if total else 0
    rows: list[tuple[str, object]] = [("candidates", f"{total:,}")]
    rows += [(f"dropped by `{rule}`", f"{n:,} ({n * share:.1f} %)") for rule, n in dataset.funnel.items()]
    return _table([*rows, ("rows", f"{len(dataset.rows):,} ({len(dataset.rows) * share:.1f} %)")])


def _rights(definition: Definition) -> list[tuple[str, object]]:
    card = definition.recipe.card
    unconfirmed = "NOT CONFIRMED: whoever publishes this must check that the teacher's terms permit it (`teacher_terms`)"
    return [
        ("Licence of this dataset", card.licence or "not stated (`licence` in the recipe's [card])"),
        ("Licence of the seed tasks", definition.seeds_licence),
        ("Teacher's terms", card.teacher_terms or unconfirmed),
    ]


def _table(rows: list[tuple[str, object]]) -> str:
    lines = [f"| {name} | {_plain(str(value))} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _plain(text: str) -> str:
    """Text for a cell of a Markdown table: one line, no cell border, no HTML."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").replace(">", "&gt;").strip()
