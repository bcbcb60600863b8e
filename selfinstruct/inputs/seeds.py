"""Seed tasks: reading them from any of the field's formats, and judging a seed file.

Read are Self-Instruct JSONL, Alpaca JSON and JSONL, and whatever `datasets` loads (Parquet, CSV, a data set's name),
as long as its columns are of one of those two schemas.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from selfinstruct.errors import SeedError
from selfinstruct.packaged import folder
from selfinstruct.records import Seed, clean

_Filled = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
BUNDLED_NAME, BUNDLED_LICENCE = "the seed tasks of selfinstruct", "Apache-2.0"


class _Instance(BaseModel):
    model_config = ConfigDict(strict=True)
    input: str
    output: str


class _SelfInstructRow(BaseModel):
    model_config = ConfigDict(strict=True)
    id: str = ""
    name: str = ""
    instruction: _Filled
    instances: Annotated[list[_Instance], Field(min_length=1)]
    is_classification: bool = False
    domain: str = ""


class _AlpacaRow(BaseModel):
    model_config = ConfigDict(strict=True)
    instruction: _Filled
    input: str = ""
    output: str


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be a seed: where it is, which field, why."""

    place: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.field}: {self.reason}"


def bundled() -> Path:
    """The seed tasks that come with this package."""
    return folder("seeds") / "seed_tasks.jsonl"


def load(path: str | Path | None = None) -> tuple[Seed, ...]:
    """All seeds of a file (or the bundled ones); raises SeedError with one line per bad row."""
    source = path or bundled()
    seeds, bad = read(source)
    if bad:
        shown = "\n".join(f"  {row}" for row in bad[:20])
        more = f"\n  and {len(bad) - 20} more" if len(bad) > 20 else ""
        raise SeedError(f"{len(bad)} bad row(s) in the seed file; mend or remove them:\n{shown}{more}")
    if not seeds:
        raise SeedError(f"{source}: no seed tasks in it; give a file with at least one")
    return tuple(seeds)


def read(path: str | Path) -> tuple[list[Seed], list[BadRow]]:
    """The good rows and the bad rows of a seed file; raises SeedError when it cannot be read at all."""
    seeds: list[Seed] = []
    bad: list[BadRow] = []
    first_place: dict[str, str] = {}
    for place, row in _rows(path):
        seed = row if isinstance(row, BadRow) else _seed(place, row, len(seeds))
        if isinstance(seed, BadRow):
            bad.append(seed)
        elif seed.id in first_place:
            bad.append(BadRow(place, "id", f"{seed.id!r} is already the id of {first_place[seed.id]}"))
        else:
            first_place[seed.id] = place
            seeds.append(seed)
    return seeds, bad


def as_row(seed: Seed) -> dict[str, Any]:
    """A seed in the schema of Self-Instruct; `domain` only where there is one."""
    row: dict[str, Any] = {"id": seed.id, "name": seed.name}
    if seed.domain:
        row["domain"] = seed.domain
    instances = [{"input": input, "output": output} for input, output in seed.instances]
    return row | {
        "instruction": seed.instruction,
        "instances": instances,
        "is_classification": seed.is_classification,
    }


def _rows(path: str | Path) -> Iterator[tuple[str, Any]]:
    file = Path(path)
    if file.is_dir():
        raise SeedError(f"{path}: is a directory; name one file in it")
    if file.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        yield from _json_rows(file)
    else:
        yield from _dataset_rows(path)


def _json_rows(file: Path) -> Iterator[tuple[str, Any]]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise SeedError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except UnicodeDecodeError as error:
        raise SeedError(f"{file}: is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise SeedError(f"{file}: is not valid JSON ({error}); mend the file") from None
        yield from ((f"{file}:{line}", row) for line, row in zip(_lines_of_rows(text), rows, strict=True))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{file}:{number}"
            try:
                yield place, json.loads(line)
            except ValueError as error:
                yield place, BadRow(place, "line", f"is not valid JSON ({error})")


def _lines_of_rows(text: str) -> Iterator[int]:
    """The line on which each element of a JSON array begins; the text is known to be valid."""
    decoder = json.JSONDecoder()
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        while text[at] in " \t\r\n,":
            at += 1
        if text[at] == "]":
            return
        line, counted = line + text.count("\n", counted, at), at
        yield line
        at = decoder.raw_decode(text, at)[1]


def _dataset_rows(path: str | Path) -> Iterator[tuple[str, Any]]:
    import datasets  # heavy, and only needed for files that are not JSON

    loaders = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".arrow": "arrow"}
    suffix = Path(path).suffix.lower()
    if suffix in loaders and not Path(path).exists():
        raise SeedError(f"{path}: no such file; check the path")
    datasets.disable_progress_bars()
    try:
        if suffix in loaders:
            options = _as_text(Path(path), "\t" if suffix == ".tsv" else ",") if loaders[suffix] == "csv" else {}
            rows = datasets.load_dataset(loaders[suffix], data_files=str(path), split="train", **options)
        else:
            rows = datasets.load_dataset(str(path), split="train")
    except Exception as error:  # datasets raises dozens of types; the first line says it
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise SeedError(f"{path}: `datasets` cannot load it ({reason}); give a JSON, JSONL, CSV or Parquet file") from None
    yield from ((f"{path}: row {number}", dict(row)) for number, row in enumerate(rows, 1))


def _as_text(path: Path, separator: str) -> dict[str, Any]:
    """Options by which `datasets` takes every cell of a CSV file as the text that it is, "5" and "None" too."""
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file, delimiter=separator), [])
    return {"sep": separator, "keep_default_na": False, "converters": dict.fromkeys(columns, str)}


def _seed(place: str, row: Any, number: int) -> Seed | BadRow:
    if not isinstance(row, dict):
        return BadRow(place, "row", f"is {type(row).__name__}, not an object with an instruction")
    if "instances" in row:
        model: type[BaseModel] = _SelfInstructRow
    elif "output" in row:
        model = _AlpacaRow
        row = {key: "" if key == "input" and value is None else value for key, value in row.items()}
    else:
        return BadRow(place, "instances", "is missing (Self-Instruct has `instances`, Alpaca has `output`)")
    row = {
        key: value for key, value in row.items() if value is not None or key not in ("id", "name", "domain", "is_classification")
    }
    try:
        task = model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        return BadRow(place, where, first["msg"][0].lower() + first["msg"][1:])
    if isinstance(task, _AlpacaRow):
        pairs = [(task.input, task.output)]
        name, is_classification, domain, id = "", False, "", ""
    else:
        assert isinstance(task, _SelfInstructRow)
        pairs = [(instance.input, instance.output) for instance in task.instances]
        name, is_classification, domain, id = task.name, task.is_classification, task.domain, task.id
    instances = tuple((clean(input), clean(output)) for input, output in pairs)
    id = id or f"seed_{number:04d}"
    return Seed(id, name or id, clean(task.instruction), instances, is_classification, domain)


@dataclass(frozen=True, slots=True)
class Lint:
    """What a seed file holds, and what is wrong with it; every finding names its rows."""

    counts: dict[str, int]
    domains: dict[str, int]
    findings: list[str]


def lint(seeds: Sequence[Seed], bad: Sequence[BadRow] = ()) -> Lint:
    """Counts and the faults that can be seen row by row: bad rows, empty outputs, the same task twice.

    Near-duplicates need the ROUGE index; the command that prints a lint adds them.
    """
    findings = [str(row) for row in bad]
    seen: dict[tuple[str, str], str] = {}
    for seed in seeds:
        if all(not output for _, output in seed.instances):
            findings.append(f"{seed.id}: output: is empty in every instance")
        elif any(not output for _, output in seed.instances):
            findings.append(f"{seed.id}: output: is empty in one instance")
        key = (seed.instruction.lower(), seed.instances[0][0].lower())
        if key in seen:
            findings.append(f"{seed.id}: instruction: the same task as {seen[key]}")
        seen.setdefault(key, seed.id)
    words = sorted(len(seed.instruction.split()) for seed in seeds) or [0]
    counts = {
        "seed tasks": len(seeds),
        "classification": sum(seed.is_classification for seed in seeds),
        "with an input": sum(bool(seed.instances[0][0]) for seed in seeds),
        "with a question mark": sum("?" in seed.instruction for seed in seeds),
        "shortest instruction (words)": words[0],
        "median instruction (words)": words[len(words) // 2],
        "longest instruction (words)": words[-1],
    }
    return Lint(counts, dict(Counter(seed.domain for seed in seeds if seed.domain).most_common()), findings)
