"""Load the inputs that the requests of a run are made from, and copy them into its run directory.

The inputs are seed tasks, prompts, tasks to evolve, passages of documents, and topics. The copies let the run be built
again anywhere. The first reply freezes what the inputs contain. The names of the files that they came from may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from selfinstruct import layout
from selfinstruct.errors import UserMistake, setting
from selfinstruct.inputs import documents, prompts, seeds, topics
from selfinstruct.inputs.prompts import PromptFile
from selfinstruct.layout import PASSAGES, PROMPT, SEEDS, SOURCE, TOPICS
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Passage, Seed, Topic, digest, json_line

# Settings of [generate] that a run compares by what their files contain (see `Inputs.digests`), not by name.
BY_CONTENT = frozenset({"seeds", "prompt", "source", "documents", "column", "passage_words", "topics"})


@dataclass(frozen=True)
class Inputs:
    """The inputs of a run.

    `prompts` has the prompt of each method by the name of its part ("" for the only method). `source` (tasks to evolve),
    `passages` and `topics` are empty unless the recipe names them.
    """

    seeds: tuple[Seed, ...]
    prompts: Mapping[str, PromptFile]
    source: tuple[Seed, ...] = ()
    passages: tuple[Passage, ...] = ()
    topics: tuple[Topic, ...] = ()

    @property
    def digests(self) -> dict[str, Any]:
        """The SHA-256 (hex) of each input by the setting that names it, and of the prompts of a mix by part.

        Empty inputs have no entry.
        """
        result: dict[str, Any] = {"seeds": digest([seeds.to_row(seed) for seed in self.seeds])}
        by_part = {part: prompt.digest for part, prompt in self.prompts.items()}
        result["prompt"] = by_part[""] if set(by_part) == {""} else by_part
        for name, rows in self._optional_rows().items():
            result[name] = digest(rows)
        return result

    @property
    def files(self) -> dict[str, bytes]:
        """The contents of the files that hold the inputs in a run directory, by file name."""
        contents = {SEEDS: _lines(seeds.to_row(seed) for seed in self.seeds)}
        for part, prompt in self.prompts.items():
            contents[prompt_file(part)] = prompt.text.encode()
        for name, rows in self._optional_rows().items():
            contents[_OPTIONAL_FILES[name]] = _lines(rows)
        return contents

    def _optional_rows(self) -> dict[str, list[dict[str, Any]]]:
        rows = {
            "source": [seeds.to_row(task) for task in self.source],
            "documents": [documents.to_row(passage) for passage in self.passages],
            "topics": [topics.to_row(topic) for topic in self.topics],
        }
        return {setting: some for setting, some in rows.items() if some}


_OPTIONAL_FILES = {"source": SOURCE, "documents": PASSAGES, "topics": TOPICS}


def prompt_file(part: str) -> str:
    """Return the name of the file in a run directory that holds the prompt of a part ("" for the only method)."""
    return f"prompt.{part}.txt" if part else PROMPT


def file_names(generate: Generate | None = None) -> set[str]:
    """Return the names of the input files in the directory of a run with these settings.

    Without settings, return all names that any run with one method can have.
    """
    if generate is None:
        return {SEEDS, PROMPT, *_OPTIONAL_FILES.values()}
    named = {setting for setting in _OPTIONAL_FILES if getattr(generate, setting)}
    return {SEEDS, *map(prompt_file, generate.parts), *(_OPTIONAL_FILES[setting] for setting in named)}


def load(generate: Generate) -> Inputs:
    """Load the inputs that a recipe names.

    Raises: SeedError, PromptError, DocumentError, TopicError or UserMistake when one of them cannot be used.
    """
    return Inputs(
        seeds.load(generate.seeds or None),
        {name: prompts.load(part.prompt) for name, part in generate.parts.items()},
        _load_source(generate.source),
        documents.load(generate.documents, generate.column, generate.passage_words) if generate.documents else (),
        topics.load(generate.topics) if generate.topics else (),
    )


def reload(old: Inputs, generate: Generate, settings: set[str], parts: Iterable[str]) -> Inputs:
    """Return the inputs of a resumed run, loading again only what was named again.

    `settings` are the names of the settings that were given again, `parts` those of the methods whose prompt was.
    Raises the errors of `load`.
    """
    new = old
    if "seeds" in settings:
        new = replace(new, seeds=seeds.load(generate.seeds or None))
    for part in parts:
        new = replace(new, prompts={**new.prompts, part: prompts.load(generate.parts[part].prompt)})
    if "source" in settings:
        new = replace(new, source=_load_source(generate.source))
    if settings & {"documents", "column", "passage_words"} and generate.documents:
        new = replace(new, passages=documents.load(generate.documents, generate.column, generate.passage_words))
    if "topics" in settings:
        new = replace(new, topics=topics.load(generate.topics) if generate.topics else ())
    return new


def read_copies(directory: Path, generate: Generate, names: Mapping[str, str]) -> Inputs:
    """Return the inputs from their copies in a run directory.

    `names` has the recorded name of the prompt of each part. Raises the errors of `load` when a copy was changed so
    that it cannot be used.
    """
    copies = {part: prompts.load(directory / prompt_file(part)) for part in generate.parts}
    return Inputs(
        seeds.load(directory / SEEDS),
        {part: replace(prompt, name=names[part]) for part, prompt in copies.items()},
        seeds.load(directory / SOURCE) if generate.source else (),
        documents.read_copy(directory / PASSAGES) if generate.documents else (),
        topics.read_copy(directory / TOPICS) if generate.topics else (),
    )


def _load_source(name: str) -> tuple[Seed, ...]:
    """Load the tasks to evolve from a file of Alpaca rows or seed tasks, or from the dataset of a run directory."""
    if not name:
        return ()
    path = Path(name)
    if path.is_dir():
        path = path / layout.DATASET
        if not path.exists():
            raise UserMistake(
                f"{name}: has no {layout.DATASET} to evolve. "
                f"Fix: set {setting('source')} to a finished run, or to a file of tasks."
            )
        if not path.stat().st_size:
            raise UserMistake(f"{path}: has no rows to evolve. Fix: set {setting('source')} to a run that has some.")
    return seeds.load(path)


def _lines(rows: Iterable[dict[str, Any]]) -> bytes:
    return b"".join(map(json_line, rows))
