"""The dataset card: what, how many, how made, what was dropped, whose words they are. Filled from the run alone."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

from selfinstruct.curate.dataset import Dataset
from selfinstruct.recipe.schema import Curate, Generate
from selfinstruct.rundir.definition import Definition

_LIMITS = """\
The instructions and outputs were written by a model, not by people, and nobody has checked the rows. Expect factual
errors, invented names and figures, and the teacher's own biases, manners and blind spots; subjects that the teacher
seldom speaks of are rare here too. The filters look at form, not at truth: a wrong answer in good form passes them.
Read a sample before you train on it, and evaluate on data that people wrote."""


_INVISIBLE = ("Cc", "Cf", "Cs", "Co", "Cn")
_UNSTATED_DOCUMENTS = "not stated (`documents_licence` in the recipe's [card]); the rows may quote them"
_UNSTATED_SOURCE = "not stated (`source_licence` in the recipe's [card])"
_TRACING = """\
Line n of `provenance.jsonl` says where line n of `dataset.jsonl` came from: its request in the run's `journal.jsonl`, the
seed tasks shown, the model, the sampling, the nearest neighbours. `rejected.jsonl` has every candidate that was dropped,
with the rule, the measured value and the limit."""


def card(dataset: Dataset, definition: Definition) -> str:
    """The card as Markdown with a YAML front matter that `datasets` and the hub read."""
    title = _plain(definition.recipe.card.title) or "Instruction dataset"
    about = f"{len(dataset.rows):,} rows of instruction, input and output, in Alpaca format, one JSON object a line in"
    return "\n\n".join(
        [
            _front_matter(definition, title, len(dataset.rows)),
            f"# {title}",
            f"{about} `dataset.jsonl`: `datasets.load_dataset` reads this directory as it is.",
            "## How it was made\n\n" + _table(_making(dataset, definition)),
            "## What was dropped\n\n" + _funnel(dataset),
            "## Whose work it is\n\n" + _table(_rights(definition)),
            f"## Known limits\n\n{_LIMITS}",
            f"## Tracing a row\n\n{_TRACING}\n",
        ]
    )


def _front_matter(definition: Definition, title: str, rows: int) -> str:
    """YAML as `datasets` and the hub read it; each value is written as JSON, which is YAML too."""
    recipe = definition.recipe
    fields = {
        "pretty_name": _seen(definition.recipe.card.title) or title,
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
        ("Seed for drawing seed tasks", generate.seed),
        ("Requests used", f"{dataset.requests:,}"),
        ("Tokens of these", f"{usage.prompt_tokens:,} in prompts, {usage.completion_tokens:,} in replies"),
        ("Tokens per row", per_row),
        *_price(dataset, definition),
        (
            "Near-duplicates",
            f"dropped above ROUGE-L {definition.recipe.curate.rouge:g} to a seed or an earlier instruction",
        ),
        ("Filters", _filters(definition.recipe.curate)),
        ("Made with", f"selfinstruct {definition.package}"),
    ]


def _methods(definition: Definition) -> list[tuple[str, object]]:
    """How tasks were asked for, in words: by one method or by several."""
    found: list[tuple[str, object]] = []
    for name, part in definition.recipe.generate.parts.items():
        prompt = definition.materials.prompts[name]
        which = f" {name}" if name else ""
        found.append((f"Method{which}", part.method + (f", weight {part.weight:g}" if name else "")))
        found.append((f"Prompt{which}", f"{prompt.name} (SHA-256 {prompt.digest[:12]})"))
        if name and part.options:
            found.append((f"Options{which}", ", ".join(f"{option} {value}" for option, value in part.options.items())))
    return found


def _teachers(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    """Who was asked and how; of several, how much each wrote of the rows."""
    generate, found = definition.recipe.generate, []
    for name, one in generate.by_name.items():
        shares = [f"{_share(dataset, what, name)} of the {what}" for what in dataset.writers] if name else []
        which = f" {name}" if name else ""
        found.append((f"Teacher{which}", ", ".join([f"{one.teacher}, model {one.model}", *shares])))
    found.append(("Endpoint", definition.endpoint))
    found += [(f"Sampling {name}".strip(), _settings(one)) for name, one in generate.by_name.items()]
    return list(found)


def _share(dataset: Dataset, what: str, name: str) -> str:
    count, whole = dataset.writers[what].get(name, 0), sum(dataset.writers[what].values())
    return f"{count:,} ({100 * count / whole:.0f} %)" if whole else "none"


def _steering(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    """What the run was made from besides seeds, and where it was steered to."""
    generate, held = definition.recipe.generate, definition.materials
    found: list[tuple[str, object]] = []
    if held.source:
        found.append(("Tasks evolved", f"{len(held.source):,} ({Path(generate.source).name})"))
    if held.passages:
        count = len({passage.document for passage in held.passages})
        found.append(("Documents", f"{count:,} in {len(held.passages):,} passages ({Path(generate.documents).name})"))
    if generate.domain:
        found.append(("Domain", generate.domain))
    if held.topics:
        rows = Counter(row.candidate.trace.get("topic") for row in dataset.rows)
        shares = ", ".join(f"{topic.name} {rows[topic.name]:,} (quota {topic.quota:g})" for topic in held.topics)
        found.append(("Rows by topic", shares))
    if generate.languages:
        rows = Counter(row.candidate.trace.get("language") for row in dataset.rows)
        found.append(("Rows by language asked for", ", ".join(f"{code} {rows[code]:,}" for code in generate.languages)))
    if generate.seed_sampling != "uniform":
        found.append(("Seeds and generated tasks drawn by", f"{generate.seed_sampling} (lag {generate.lag} root requests)"))
    return found


def _price(dataset: Dataset, definition: Definition) -> list[tuple[str, object]]:
    """What the requests used cost, where that is known and is anything at all."""
    price = definition.price
    usd = sum(price.of(name).usd(one.usage, one.batched) for name, one in dataset.tallies.items()) if price else 0.0
    if price is None or not usd:
        return []
    each = f", {1000 * usd / len(dataset.rows):.2f} for 1,000 rows" if dataset.rows else ""
    return [("Price of these", f"{usd:.4f} US dollars{each} ({price.source})")]


def _settings(generate: Generate) -> str:
    values = {"temperature": generate.temperature, "top_p": generate.top_p, "max_tokens": generate.reply_tokens}
    return ", ".join(f"{name} {value}" for name, value in {**values, **generate.options, **generate.extra}.items())


def _filters(curate: Curate) -> str:
    """The filters in force with their own options, and those switched off."""
    on = [f"{name} {setting}" if isinstance(setting, dict) else name for name, setting in curate.filters.items() if setting]
    off = [name for name, setting in curate.filters.items() if setting is False]
    return ", ".join(on) + (f"; switched off: {', '.join(off)}" if off else "")


def _funnel(dataset: Dataset) -> str:
    funnel = dict(dataset.funnel)
    spare, beyond = funnel.pop("over_target", 0), funnel.pop("over_quota", 0)
    judged = len(dataset.rows) + sum(funnel.values())
    share = 100 / judged if judged else 0
    rows: list[tuple[str, object]] = [("candidates", f"{judged:,}")]
    rows += [(f"dropped by `{rule}`", f"{n:,} ({n * share:.1f} %)") for rule, n in funnel.items()]
    rows.append(("rows", f"{len(dataset.rows):,} ({len(dataset.rows) * share:.1f} %)"))
    if spare:
        rows.append(("not needed, for they came after the last row", f"{spare:,}"))
    if beyond:
        rows.append(("not needed, for their topic had its share", f"{beyond:,}"))
    return _table(rows)


def _rights(definition: Definition) -> list[tuple[str, object]]:
    card = definition.recipe.card
    unconfirmed = "NOT CONFIRMED: whoever publishes this must check that the teacher's terms permit it (`teacher_terms`)"
    return [
        ("Licence of this dataset", card.licence or "not stated (`licence` in the recipe's [card])"),
        ("Licence of the seed tasks", definition.seeds_licence),
        *([("Licence of the documents", card.documents_licence or _UNSTATED_DOCUMENTS)] if definition.materials.passages else []),
        *([("Licence of the tasks evolved", card.source_licence or _UNSTATED_SOURCE)] if definition.materials.source else []),
        ("Teacher's terms", card.teacher_terms or unconfirmed),
    ]


def _table(rows: list[tuple[str, object]]) -> str:
    lines = [f"| {name} | {_plain(str(value))} |" for name, value in rows]
    return "\n".join(["| | |", "|---|---|", *lines])


def _seen(text: str) -> str:
    """Text on one line, without what cannot be seen."""
    return "".join(sign for sign in re.sub(r"\s+", " ", text) if unicodedata.category(sign) not in _INVISIBLE).strip()


def _plain(text: str) -> str:
    """Text for a cell of a Markdown table: one line, no cell border, no HTML, no links or images, nothing invisible."""
    return re.sub(r"([\\`\[\]|])", r"\\\1", _seen(text)).replace("<", "&lt;").replace(">", "&gt;").strip()
