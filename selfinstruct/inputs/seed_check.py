"""Check a seed file: bad rows, empty outputs, repeated tasks, near-duplicates, and counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from selfinstruct.inputs import seeds as seed_files
from selfinstruct.inputs.seeds import BadRow
from selfinstruct.records import Seed
from selfinstruct.rouge import RougeIndex

Kind = Literal["bad_row", "empty_output", "repeated_task", "near_duplicate", "no_seeds"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a seed file. `row` is the file and line of the row, or the id of a seed whose place is not known."""

    kind: Kind
    row: str
    text: str

    def __str__(self) -> str:
        return f"{self.row}: {self.text}"


@dataclass(frozen=True, slots=True)
class SeedCheck:
    """The result of a check: what the file holds, by name of the count and by domain, and its problems."""

    counts: Mapping[str, int]
    domains: Mapping[str, int]
    findings: tuple[Finding, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the result as a JSON object."""
        return asdict(self)


def check_file(path: str | Path | None = None, near: float = 0.5, against: str | Path | None = None) -> SeedCheck:
    """Check a seed file, or the bundled seeds, and compare it with the seeds of another file, if one is given.

    Raises: SeedError when one of the files cannot be read at all.
    """
    source = path or seed_files.bundled()
    places: dict[str, str] = {}
    seeds, bad_rows = seed_files.read(source, places)
    others = {f"{against} {seed.id}": seed for seed in seed_files.load(against)} if against else {}
    result = check(seeds, bad_rows, near=near, others=others, places=places)
    if seeds or bad_rows:
        return result
    return SeedCheck(result.counts, result.domains, (Finding("no_seeds", str(source), "has no seed tasks"),))


def check(
    seeds: Sequence[Seed],
    bad_rows: Sequence[BadRow] = (),
    *,
    near: float = 0.5,
    others: Mapping[str, Seed] | None = None,
    places: Mapping[str, str] | None = None,
) -> SeedCheck:
    """Check the rows of a seed file.

    `bad_rows` are those that could not become seeds. Two instructions are near-duplicates when their ROUGE-L F-measure (0
    to 1) is above `near`. The seeds are also compared with `others`, which have the names by which findings refer to them.
    `places` has the file and line of each seed by its id.
    """
    named = [(seed, (places or {}).get(seed.id, seed.id)) for seed in seeds]
    findings = (
        *(Finding("bad_row", row.place, row.problem) for row in bad_rows),
        *_unusable(named),
        *_near_duplicates(named, near, others or {}),
    )
    domains = Counter(seed.domain for seed in seeds if seed.domain)
    return SeedCheck(_counts(seeds), dict(domains.most_common()), findings)


def _unusable(named: Sequence[tuple[Seed, str]]) -> Iterator[Finding]:
    """Find seeds with empty outputs, and seeds that repeat the instruction and the input of an earlier one."""
    earlier: dict[tuple[str, str], str] = {}
    for seed, name in named:
        empty = [not output for _, output in seed.instances]
        if any(empty):
            where = "every instance" if all(empty) else "one instance"
            yield Finding("empty_output", name, f"output: is empty in {where}")
        key = (seed.instruction.lower(), seed.instances[0][0].lower())
        if key in earlier:
            yield Finding("repeated_task", name, f"instruction: the same task as {earlier[key]}")
        earlier.setdefault(key, name)


def _near_duplicates(named: Sequence[tuple[Seed, str]], near: float, others: Mapping[str, Seed]) -> Iterator[Finding]:
    """Find seeds whose instruction is near to one of `others` or to that of an earlier seed."""
    index = RougeIndex(near)
    index.add_all([other.instruction for other in others.values()], list(others))
    for seed, name in named:
        if nearest := index.too_near(seed.instruction):
            yield Finding("near_duplicate", name, f"instruction: ROUGE-L {nearest.score:.2f} to {nearest.id}")
        index.add(seed.instruction, name)


def _counts(seeds: Sequence[Seed]) -> dict[str, int]:
    words = sorted(len(seed.instruction.split()) for seed in seeds) or [0]
    return {
        "seed tasks": len(seeds),
        "classification": sum(seed.is_classification for seed in seeds),
        "with an input": sum(bool(seed.instances[0][0]) for seed in seeds),
        "with a question mark": sum("?" in seed.instruction for seed in seeds),
        "shortest instruction (words)": words[0],
        "median instruction (words)": words[len(words) // 2],
        "longest instruction (words)": words[-1],
    }
