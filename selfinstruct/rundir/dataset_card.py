"""The dataset card: how many rows, how they were made, what was rejected, and whose licences and terms apply."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

from selfinstruct.curate.dataset import Dataset
from selfinstruct.recipe.schema import Curate, Generate
from selfinstruct.rundir.definition import Definition
from selfinstruct.text import counted

_LIMITS = """\
A model wrote the instructions and outputs, and no person has checked them. Expect factual errors, invented names and
figures, and the teacher's own biases and habits. Subjects that the teacher seldom covers are rare here too. The filters
check form, not truth, so a wrong answer in good form passes. Read a sample before you train on it, and evaluate on data
that people wrote."""
_TRACING = """\
Line n of `provenance.jsonl` tells where line n of `dataset.jsonl` came from: its request in the run's `journal.jsonl`, the
seed tasks shown, the model, the sampling and the nearest neighbours. `rejected.jsonl` has every rejected candidate with the
rule, the measured value and the limit."""
_UNSTATED_DOCUMENTS = "not stated (`documents_licence` in `[card]` of the recipe). The rows may quote them."
_UNSTATED_SOURCE = "not stated (`source_licence` in `[card]` of the recipe)"
_NAME = r"`[a-z_]+`|`\[[a-z_]+\]`"  # such as `licence` and `[card]`
_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")  # Unicode categories of characters that cannot be seen


def card(dataset: Dataset, definition: Definition) -> str:
    """Return the card as Markdown with a YAML front matter that `datasets` and the Hugging Face hub read."""
    title = _plain(definition.recipe.card.title) or "Instruction dataset"
    about = f"{counted(len(dataset.rows), 'row')} in Alpaca format (instruction, input and output), one JSON object a line in"
    return "\n\n".join(
        [
            _front_matter(definition, title, len(dataset.rows)),
            f"# {title}",
            f"{about} `dataset.jsonl`. `datasets.load_dataset` loads this directory as it is.",
            "## How it was made\n\n" + _table(_making(dataset, definition)),
            "## Rejected candidates\n\n" + _funnel(dataset),
            "## Licences and terms\n\n" + _table(_rights(definition)),
            f"## Known limits\n\n{_LIMITS}",
            f"## Tracing a row\n\n{_TRACING}\n",
        ]
    )


def _front_matter(definition: Definition, title: str, rows: int) -> str:
    """Return the front matter. Each value is written as JSON, which is YAML too."""
    recipe = definition.recipe
    fields = {
        "pretty_name": _visible(definition.recipe.card.title) or title,
        "license": _plain(recipe.card.licence).lower() or "unknown",
        "language": list(recipe.generate.languages) or [recipe.curate.language],
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
    return [
        ("Rows", f"{rows:,} of {dataset.target:,} asked for" + (f" ({dataset.ended})" if dataset.ended else "")),
        ("Seed tasks", f"{len(definition.seeds):,} ({definition.seeds_name})"),
        *_methods(definition),
        *_teachers(dataset, definition),
        *_steering(dataset, definition),
        ("Random seed for drawing seed tasks", generate.seed),
        ("Requests used", f"{dataset.requests:,}"),
        ("Tokens of these requests", f"{usage.prompt_tokens:,} in prompts, {usage.completion_tokens:,} in replies"),
        ("Tokens per row", per_row),
        *_price(dataset, definition),
        (
            "Near-duplicates",
            f"rejected above ROUGE-L {definition.recipe.curate.rouge:g} to a seed or an earlier instruction",
        ),
        ("Filters", _filters(definition.recipe.curate)),
        ("Made with", f"selfinstruct {definition.package}"),
    ]


def _methods(definition: Definition) -> list[tuple[str, object]]:
    """Return a line for each method and its prompt."""
    lines: list[tuple[str, object]] = []
    for name, part in definition.recipe.generate.parts.items():
        prompt = definition.inputs.prompts[name]
        label = f" {name}" if name else ""
        lines.append((f"Method{label}", part.method + (f", weight {part.weight:g}" if name else "")))
        lines.append((f"Prompt{label}", f"{prompt.name} (SHA-256 {prompt.digest[:12]})"))
        if name and part.options:
            lines.append((f"Options{label}", ", ".join(f"{option} {value}" for option, value in part.options.items())))
    return lines


def _teachers(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    """Return a line for each teacher and its sampling. Several teachers get their shares of the rows."""
    generate, lines = definition.recipe.generate, []
    for name, teacher in generate.by_name.items():
        shares = [f"{_share(dataset, texts, name)} of the {texts}" for texts in dataset.writers] if name else []
        label = f" {name}" if name else ""
        lines.append((f"Teacher{label}", ", ".join([f"{teacher.teacher}, model {teacher.model}", *shares])))
    lines.append(("Endpoint", definition.hosts))
    lines += [(f"Sampling {name}".strip(), _settings(teacher)) for name, teacher in generate.by_name.items()]
    return list(lines)


def _share(dataset: Dataset, texts: str, name: str) -> str:
    """Return how many instructions or outputs of the rows a teacher wrote, with their percentage."""
    count, whole = dataset.writers[texts].get(name, 0), sum(dataset.writers[texts].values())
    return f"{count:,} ({100 * count / whole:.0f} %)" if whole else "none"


def _steering(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    """Return lines for documents, evolved tasks, domain, topics, languages and seed sampling, where the recipe has them."""
    generate, inputs = definition.recipe.generate, definition.inputs
    lines: list[tuple[str, object]] = []
    if inputs.source:
        lines.append(("Tasks evolved", f"{len(inputs.source):,} ({Path(generate.source).name})"))
    if inputs.passages:
        count = len({passage.document for passage in inputs.passages})
        lines.append(("Documents", f"{count:,} in {counted(len(inputs.passages), 'passage')} ({Path(generate.documents).name})"))
    if generate.domain:
        lines.append(("Domain", generate.domain))
    if inputs.topics:
        rows = Counter(row.candidate.trace.get("topic") for row in dataset.rows)
        shares = ", ".join(f"{topic.name} {rows[topic.name]:,} (quota {topic.quota:g})" for topic in inputs.topics)
        lines.append(("Rows by topic", shares))
    if generate.languages:
        rows = Counter(row.candidate.trace.get("language") for row in dataset.rows)
        lines.append(("Rows by language asked for", ", ".join(f"{code} {rows[code]:,}" for code in generate.languages)))
    if generate.seed_sampling != "uniform":
        lines.append(("Seeds and generated tasks drawn by", f"{generate.seed_sampling} (lag {generate.lag} root requests)"))
    return lines


def _price(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    """Return a line with the price of the requests used. There is none where the price is 0 or unknown."""
    price = definition.price
    usd = sum(price.of(name).usd(one.usage, one.batched) for name, one in dataset.tallies.items()) if price else 0.0
    if price is None or not usd:
        return []
    each = f", {1000 * usd / len(dataset.rows):.2f} for 1,000 rows" if dataset.rows else ""
    return [("Price of these requests", f"{usd:.4f} US dollars{each} ({price.source})")]


def _settings(generate: Generate) -> str:
    """Return a teacher's sampling in words."""
    values: dict[str, Any] = {"temperature": generate.temperature, "top_p": generate.top_p, "max_tokens": generate.reply_tokens}
    values |= {"reasoning_effort": generate.reasoning_effort or None, **generate.options, **generate.extra}
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None) or "the model's own"


def _filters(curate: Curate) -> str:
    """Return the filters that are switched on, with their options, and those that are switched off."""
    on = [f"{name} {setting}" if isinstance(setting, dict) else name for name, setting in curate.filters.items() if setting]
    off = [name for name, setting in curate.filters.items() if setting is False]
    return ", ".join(on) + (f" (switched off: {', '.join(off)})" if off else "")


def _funnel(dataset: Dataset) -> str:
    """Return a table with the number of candidates that each rule rejected."""
    funnel = dict(dataset.funnel)
    spare, beyond, open = (funnel.pop(rule, 0) for rule in ("over_target", "over_quota", "unanswered"))
    share = 100 / dataset.judged if dataset.judged else 0
    rows: list[tuple[str, object]] = [("candidates", f"{dataset.candidates:,}"), ("judged", f"{dataset.judged:,} (100 %)")]
    rows += [(f"rejected by `{rule}`", f"{n:,} ({n * share:.1f} %)") for rule, n in funnel.items()]
    rows.append(("rows", f"{len(dataset.rows):,} ({len(dataset.rows) * share:.1f} %)"))
    if spare:
        rows.append(("not needed after the last row", f"{spare:,}"))
    if beyond:
        rows.append(("not needed because their topic had its share", f"{beyond:,}"))
    if open:
        rows.append(("without an output yet", f"{open:,}"))
    return _table(rows)


def _rights(definition: Definition) -> list[tuple[str, object]]:
    """Return the licences of the dataset and of what it was made from, and the teacher's terms."""
    card = definition.recipe.card
    unconfirmed = "NOT CONFIRMED: before you publish this, check that the teacher's terms permit it (`teacher_terms`)"
    return [
        ("Licence of this dataset", card.licence or "not stated (`licence` in `[card]` of the recipe)"),
        ("Licence of the seed tasks", definition.seeds_licence),
        *([("Licence of the documents", card.documents_licence or _UNSTATED_DOCUMENTS)] if definition.inputs.passages else []),
        *([("Licence of the tasks evolved", card.source_licence or _UNSTATED_SOURCE)] if definition.inputs.source else []),
        ("Teacher's terms", card.teacher_terms or unconfirmed),
    ]


def _table(rows: list[tuple[str, object]]) -> str:
    """Return a Markdown table of two columns without a header."""
    lines = [f"| {name} | {_plain(str(value))} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _visible(text: str) -> str:
    """Return a text on one line, without invisible characters."""
    return "".join(sign for sign in re.sub(r"\s+", " ", text) if unicodedata.category(sign) not in _INVISIBLE).strip()


def _plain(text: str) -> str:
    """Return a text for a cell of a Markdown table, on one line.

    Borders, HTML, links, images and code are escaped, but for the name of a setting or of a section between two backticks.
    """
    escaped = re.sub(_NAME + r"|([\\`\[\]|])", lambda found: f"\\{found[1]}" if found[1] else found[0], _visible(text))
    return escaped.replace("<", "&lt;").replace(">", "&gt;").strip()
