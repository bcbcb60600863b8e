"""Print what few_shot and magpie requests yielded in a finished run of `alternating`, `few_shot` or `magpie`.

.venv/bin/python scripts/methods/yields.py data/sample
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from selfinstruct.records import root_of


def lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def method_of(record: dict[str, Any]) -> str:
    """Return the method of a row or rejected candidate. Only few_shot shows seeds."""
    return "few_shot" if record["seeds"] else "magpie"


def main(run: Path) -> None:
    """Print the figures of a run directory."""
    kept, rejected = lines(run / "provenance.jsonl"), lines(run / "rejected.jsonl")
    methods = {int(record["candidate"].partition("#")[0]): method_of(record) for record in kept + rejected}
    tokens: Counter[str] = Counter()
    for entry in lines(run / "journal.jsonl"):
        if (name := methods.get(root_of(entry["key"]))) and entry["kind"] == "reply":
            tokens[name] += sum(entry["usage"])
    rows = Counter(map(method_of, kept))
    for name in ("few_shot", "magpie"):
        rules = Counter(record["rule"] for record in rejected if method_of(record) == name)
        total = rows[name] + sum(rules.values())
        if not total:
            continue
        near = [record["nearest"][0]["score"] for record in kept if method_of(record) == name]
        print(f"{name}: {rows[name]} rows of {total} candidates ({100 * rows[name] / total:.0f} %)")
        print(f"  {1000 * rows[name] / tokens[name]:.2f} rows per 1,000 tokens ({tokens[name]:,} tokens)")
        print(f"  mean ROUGE-L to the nearest earlier instruction {sum(near) / max(1, len(near)):.2f}")
        print(f"  rejected: {', '.join(f'{count} {rule}' for rule, count in rules.most_common())}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
