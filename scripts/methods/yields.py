"""What each way of asking gave in a finished run of the `alternating` method (or of `few_shot` or `magpie` alone).

python scripts/methods/yields.py data/sample
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from selfinstruct.records import root_of


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def way(record: dict[str, Any]) -> str:
    return "few_shot" if record["seeds"] else "magpie"


def main(run: Path) -> None:
    kept, dropped = lines(run / "provenance.jsonl"), lines(run / "rejected.jsonl")
    ways = {int(record["candidate"].partition("#")[0]): way(record) for record in kept + dropped}
    tokens: Counter[str] = Counter()
    for entry in lines(run / "journal.jsonl"):
        if (name := ways.get(root_of(entry["key"]))) and entry["kind"] == "reply":
            tokens[name] += sum(entry["usage"])
    rows = Counter(map(way, kept))
    for name in ("few_shot", "magpie"):
        rules = Counter(record["rule"] for record in dropped if way(record) == name)
        total = rows[name] + sum(rules.values())
        if not total:
            continue
        near = [record["nearest"][0]["score"] for record in kept if way(record) == name]
        print(f"{name}: {rows[name]} rows of {total} candidates ({100 * rows[name] / total:.0f} %)")
        print(f"  {1000 * rows[name] / tokens[name]:.2f} rows per 1,000 tokens ({tokens[name]:,} tokens)")
        print(f"  mean ROUGE-L to the nearest earlier instruction {sum(near) / max(1, len(near)):.2f}")
        print(f"  dropped: {', '.join(f'{count} {rule}' for rule, count in rules.most_common())}")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
