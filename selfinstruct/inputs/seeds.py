"""Read seed tasks.

Supported are Self-Instruct JSONL, Alpaca JSON and JSONL, and any table that `datasets` loads: Parquet, Arrow, CSV, TSV, or a
data set by its name. Its columns must follow the schema of Self-Instruct or of Alpaca.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from selfinstruct.errors import SeedError
from selfinstruct.names import nearest
from selfinstruct.packaged import folder
from selfinstruct.records import Seed, clean
from selfinstruct.tables.rows import type_name
from selfinstruct.text import counted, read_text

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
    """A row that cannot be a seed: its place (file and line or row), the field ("" for the whole row), and the reason."""

    place: str
    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.place}: {self.problem}"

    @property
    def problem(self) -> str:
        """The field, if there is one, and the reason."""
        return f"{self.field}: {self.reason}" if self.field else self.reason


def bundled() -> Path:
    """Return the path of the seed tasks that come with this package."""
    return folder("seeds") / "seed_tasks.jsonl"


def load(path: str | Path | None = None) -> tuple[Seed, ...]:
    """Load all seeds of a file, or the bundled ones.

    Raises: SeedError, with a line for each bad row, when the file cannot be read or a row cannot be a seed.
    """
    source = path or bundled()
    seeds, bad = read(source)
    if bad:
        shown = "\n".join(f"  {row}" for row in bad[:20])
        more = f"\n  and {len(bad) - 20} more" if len(bad) > 20 else ""
        raise SeedError(f"{source}: has {counted(len(bad), 'bad row')}. Fix: correct or remove these rows:\n{shown}{more}")
    if not seeds:
        raise SeedError(f"{source}: has no seed tasks. Fix: choose a file with at least one.")
    return tuple(seeds)


def read(path: str | Path, places: dict[str, str] | None = None) -> tuple[list[Seed], list[BadRow]]:
    """Return the seeds and the bad rows of a seed file. `places` receives the file and line of each seed, by its id.

    Raises: SeedError when the file cannot be read at all.
    """
    seeds: list[Seed] = []
    bad: list[BadRow] = []
    first_place: dict[str, str] = {} if places is None else places
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


def to_row(seed: Seed) -> dict[str, Any]:
    """Return a seed as a JSON object in the schema of Self-Instruct, with `domain` only if it has one."""
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
        raise SeedError(f"{path}: is a directory. Fix: choose a file in it.")
    if file.suffix.lower() in (".json", ".jsonl", ".ndjson"):
        yield from _json_rows(file)
    else:
        yield from _dataset_rows(path)


def _json_rows(file: Path) -> Iterator[tuple[str, Any]]:
    text = read_text(file, SeedError)
    if text.lstrip().startswith("["):
        try:
            rows = json.loads(text)
        except ValueError as error:
            raise SeedError(f"{file}: is not valid JSON ({error}). Fix: correct the file.") from None
        yield from ((f"{file}:{line}", row) for line, row in zip(_lines_of_rows(text), rows, strict=True))
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            place = f"{file}:{number}"
            try:
                yield place, json.loads(line)
            except ValueError as error:
                yield place, BadRow(place, "", f"is not valid JSON ({error})")


def _lines_of_rows(text: str) -> Iterator[int]:
    """Yield the line on which each element of a valid JSON array begins."""
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
        raise SeedError(f"{path}: no such file. Fix: check the path.")
    datasets.disable_progress_bars()
    try:
        if suffix in loaders:
            options = _as_text(Path(path), "\t" if suffix == ".tsv" else ",") if loaders[suffix] == "csv" else {}
            rows = datasets.load_dataset(loaders[suffix], data_files=str(path), split="train", **options)
        else:
            rows = datasets.load_dataset(str(path), split="train")
    except Exception as error:  # noqa: BLE001 (datasets raises dozens of types)
        reason = str(error.__cause__ or error).strip().split("\n")[0]
        raise SeedError(
            f"{path}: `datasets` cannot load it ({reason}). Fix: choose a JSON, JSONL, CSV or Parquet file."
        ) from None
    yield from ((f"{path}: row {number}", dict(row)) for number, row in enumerate(rows, 1))


def _as_text(path: Path, separator: str) -> dict[str, Any]:
    """Return the options with which `datasets` reads every cell of a CSV file as text, also "5" and "None"."""
    import csv

    with path.open(encoding="utf-8-sig", newline="") as file:
        columns = next(csv.reader(file, delimiter=separator), [])
    return {"sep": separator, "keep_default_na": False, "converters": dict.fromkeys(columns, str)}


def _seed(place: str, row: Any, number: int) -> Seed | BadRow:
    if not isinstance(row, dict):
        return BadRow(place, "row", f"must be an object with an instruction (got {type_name(row)})")
    if "instances" in row:
        model: type[BaseModel] = _SelfInstructRow
    elif "output" in row:
        model = _AlpacaRow
        row = {key: "" if key == "input" and value is None else value for key, value in row.items()}
    else:
        of_self_instruct = "is_classification" in row or nearest("instances", row)
        return _missing(place, "instances" if of_self_instruct else "output", row)
    row = {
        key: value for key, value in row.items() if value is not None or key not in ("id", "name", "domain", "is_classification")
    }
    try:
        task = model.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "row"
        if first["type"] == "missing" and len(first["loc"]) == 1:
            return _missing(place, where, row)
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


def _missing(place: str, field: str, row: dict[str, Any]) -> BadRow:
    """Return a row without a field that it needs. A field of nearly that name is most likely a misspelling."""
    near = nearest(field, [str(name) for name in row if name not in _SelfInstructRow.model_fields | _AlpacaRow.model_fields])
    return BadRow(place, field, f"is missing. Fix: rename {near[0]!r} to {field!r}." if near else "is missing")
