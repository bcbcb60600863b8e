"""What a run's requests are made from: seeds, prompts, tasks to evolve, passages of documents, topics.

A run directory has a copy of all of them, so that it can be built again anywhere; which of them they are is fixed with the
first reply, by what they hold and not by what they are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selfinstruct import layout
from selfinstruct.errors import UserMistake
from selfinstruct.inputs import documents, prompts, seeds, topics
from selfinstruct.inputs.prompts import PromptFile
from selfinstruct.layout import PASSAGES, PROMPT, SEEDS, SOURCE, TOPICS
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Passage, Seed, Topic, digest, json_line

BY_CONTENT = frozenset({"seeds", "prompt", "source", "documents", "column", "passage_words", "topics"})  # see `Inputs.digests`


@dataclass(frozen=True)
class Inputs:
    """Seeds, and the prompt of each method by the name of its part; the rest only where the recipe names it."""

    seeds: tuple[Seed, ...]
    prompts: Mapping[str, PromptFile]
    source: tuple[Seed, ...] = ()
    passages: tuple[Passage, ...] = ()
    topics: tuple[Topic, ...] = ()

    @property
    def digests(self) -> dict[str, Any]:
        """A fingerprint of each, by the setting that names it; of those that are not there, none."""
        found: dict[str, Any] = {"seeds": digest([seeds.as_row(seed) for seed in self.seeds])}
        each = {name: prompt.digest for name, prompt in self.prompts.items()}
        found["prompt"] = each[""] if set(each) == {""} else each
        for name, rows in self._rows().items():
            found[name] = digest(list(rows))
        return found

    @property
    def files(self) -> dict[str, bytes]:
        """The files of a run directory that hold them, by name."""
        found = {SEEDS: _lines(seeds.as_row(seed) for seed in self.seeds)}
        for name, prompt in self.prompts.items():
            found[prompt_file(name)] = prompt.text.encode()
        for setting, rows in self._rows().items():
            found[_FILES[setting]] = _lines(rows)
        return found

    def _rows(self) -> dict[str, Iterable[dict[str, Any]]]:
        rows: dict[str, Iterable[dict[str, Any]]] = {}
        if self.source:
            rows["source"] = [seeds.as_row(task) for task in self.source]
        if self.passages:
            rows["documents"] = [documents.as_row(passage) for passage in self.passages]
        if self.topics:
            rows["topics"] = [topics.as_row(topic) for topic in self.topics]
        return rows


_FILES = {"source": SOURCE, "documents": PASSAGES, "topics": TOPICS}


def prompt_file(part: str) -> str:
    """The file that holds the prompt of a part."""
    return f"prompt.{part}.txt" if part else PROMPT


def file_names(generate: Generate | None = None) -> set[str]:
    """The files of materials that a run with these settings has; all that there may be, without settings."""
    if generate is None:
        return {SEEDS, PROMPT, *_FILES.values()}
    named = {setting for setting in _FILES if getattr(generate, setting)}
    return {SEEDS, *map(prompt_file, generate.parts), *(_FILES[setting] for setting in named)}


def gathered(generate: Generate) -> Inputs:
    """The materials that a recipe names; raises SeedError, PromptError, DocumentError, TopicError or UserMistake."""
    return Inputs(
        seeds.load(generate.seeds or None),
        {name: prompts.load(part.prompt) for name, part in generate.parts.items()},
        _source(generate.source) if generate.source else (),
        documents.load(generate.documents, generate.column, generate.passage_words) if generate.documents else (),
        topics.load(generate.topics) if generate.topics else (),
    )


def gathered_again(old: Inputs, generate: Generate, named: set[str], prompted: Iterable[str]) -> Inputs:
    """The materials of a run that goes on; read again are those `named` by settings, and `prompted` parts."""
    new = old
    if "seeds" in named:
        new = replace(new, seeds=seeds.load(generate.seeds or None))
    for name in prompted:
        new = replace(new, prompts={**new.prompts, name: prompts.load(generate.parts[name].prompt)})
    if "source" in named:
        new = replace(new, source=_source(generate.source) if generate.source else ())
    if named & {"documents", "column", "passage_words"} and generate.documents:
        new = replace(new, passages=documents.load(generate.documents, generate.column, generate.passage_words))
    if "topics" in named:
        new = replace(new, topics=topics.load(generate.topics) if generate.topics else ())
    return new


def read(directory: Path, generate: Generate, names: Mapping[str, str]) -> Inputs:
    """The materials that a run directory holds; `names` are those of its prompts by part."""
    found = {part: prompts.load(directory / prompt_file(part)) for part in generate.parts}
    return Inputs(
        seeds.load(directory / SEEDS),
        {part: replace(prompt, name=names[part]) for part, prompt in found.items()},
        _held(directory / SOURCE, generate.source, seeds.load),
        _held(directory / PASSAGES, generate.documents, documents.read),
        _held(directory / TOPICS, generate.topics, topics.read),
    )


def _held(path: Path, named: str, load: Callable[[Path], tuple[Any, ...]]) -> tuple[Any, ...]:
    return load(path) if named else ()


def _source(name: str) -> tuple[Seed, ...]:
    """The tasks to evolve: an Alpaca or seed file, or the dataset of a run directory."""
    path = Path(name)
    if path.is_dir():
        path = path / layout.DATASET
        if not path.exists():
            raise UserMistake(f"{name}: holds no {layout.DATASET} to evolve; name a finished run, or a file of tasks")
        if not path.stat().st_size:
            raise UserMistake(f"{path}: has no rows to evolve; name a run that has some")
    return seeds.load(path)


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(map(json_line, rows))
