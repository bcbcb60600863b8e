"""Read and write run.json and the inputs beside it, so that a run can be continued, or built elsewhere.

run.json        the recipe ([generate] is fixed), the package's version, digests of the inputs
seeds.jsonl     the seeds as used
prompt.txt      the prompt as used. With several methods: prompt.NAME.txt
source.jsonl, passages.jsonl, topics.jsonl     tasks to evolve, passages of documents, topics, if the run has any
journal.jsonl   every reply and failure
.lock           held by the process that writes, with its number
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from selfinstruct.client.prices import recorded
from selfinstruct.errors import (
    DocumentError,
    PromptError,
    RecipeChanged,
    RunDirectoryError,
    SeedError,
    TopicError,
    UserMistake,
)
from selfinstruct.inputs import snapshot
from selfinstruct.journal.events import Redefined
from selfinstruct.journal.file import Journal
from selfinstruct.layout import DATASET, JOURNAL, LOCK, RUN
from selfinstruct.recipe import loading
from selfinstruct.recipe.schema import Recipe
from selfinstruct.records import digest
from selfinstruct.rundir import derived_files
from selfinstruct.rundir.definition import Definition, check_same

_LATER = ("key_header", "headers", "reasoning_effort", "reasoning")  # settings that came after the format of run.json
_VERSION = 2  # of the format of run.json
_PROMPT = re.compile(r"prompt\.[a-z0-9_-]+\.txt")
_REDEFINED = re.compile(rb'"kind": "redefined"')
_DEPENDENT = re.compile(rb'"kind": "(reply|failure|batch)"')


def exists(path: Path) -> bool:
    """Return True if the directory holds a run, False if a new run may begin there.

    Raises UserMistake for a file, or a directory with other content. Raises RunDirectoryError for replies without run.json.
    """
    if (path / RUN).exists():
        return True
    if path.exists() and not path.is_dir():
        raise UserMistake(f"{path}: is a file. Fix: choose a directory for the run.")
    if path.is_dir():
        foreign = sorted(item.name for item in path.iterdir() if not _may_precede_run_json(item.name))
        if DATASET in foreign:
            raise UserMistake(
                f"{path}: holds a dataset without {RUN} and {JOURNAL}. Fix: choose the directory of the run itself."
            )
        if foreign:
            raise UserMistake(f"{path}: holds other files (got {foreign[0]!r}). Fix: choose a run's directory, or an empty one.")
        if not has_no_replies(path):
            raise RunDirectoryError(f"{path}: has replies but no {RUN}, which they need. Fix: put {RUN} back.")
    return False


def _may_precede_run_json(name: str) -> bool:
    """Return True for a file that a run may leave if it is killed before run.json is written."""
    name = name.removeprefix(".").removesuffix(".new") if name.endswith(".new") else name
    return name in (RUN, JOURNAL, LOCK) or name in snapshot.file_names() or bool(_PROMPT.fullmatch(name))


def has_no_replies(path: Path) -> bool:
    """Return True if the journal has no outcome and no batch, so that the run may still be defined differently.

    Lines before the last definition of the run do not count.
    """
    journal, depends = path / JOURNAL, False
    if not journal.exists():
        return True
    with journal.open("rb") as lines:
        for line in lines:
            if line.strip() and (_DEPENDENT.search(line[:60]) or not line.startswith(b'{"v"')):
                depends = True
            elif _REDEFINED.search(line[:60]):
                depends = False
    return not depends


def make(path: Path) -> None:
    """Make the directory. Raises RunDirectoryError if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(
            f"{path}: cannot be made ({error.strerror}). Fix: choose another place or change its rights."
        ) from None


def read(path: Path) -> Definition:
    """Return the definition of an existing run.

    Raises UserMistake if there is no run. Raises RunDirectoryError if the run is incomplete, or was changed from outside.
    """
    if not exists(path):
        raise UserMistake(f"{path}: has no run ({RUN} is missing). Fix: check the path, or begin a run with `generate`.")
    try:
        found = _definition(path, json.loads((path / RUN).read_text(encoding="utf-8")))
    except json.JSONDecodeError as error:
        raise RunDirectoryError(f"{path / RUN}:{error.lineno}: is not valid JSON. Fix: put the original back.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunDirectoryError(f"{path / RUN}: cannot be used ({error}). Fix: put the original back.") from None
    except (SeedError, PromptError, DocumentError, TopicError) as error:
        problem = str(error).partition(". Fix: ")[0]  # the fix of this message is the one that helps
        raise RunDirectoryError(f"{path}: was changed since the run began ({problem}). Fix: put the original back.") from None
    return found


def _definition(path: Path, stored: dict[str, Any]) -> Definition:
    if stored["version"] != _VERSION:
        raise RunDirectoryError(
            f"{path / RUN}: was written by another version of selfinstruct (got format {stored['version']!r}, this version reads "
            f"{_VERSION}). Fix: install the version that wrote it, or begin a new run."
        )
    recipe = loading.parse({section: stored[section] for section in Recipe.model_fields}, str(path / RUN))
    names = {part: prompt["name"] for part, prompt in stored["prompts"].items()}
    found = Definition(
        recipe,
        snapshot.read_copies(path, recipe.generate, names),
        stored["seeds"]["name"],
        stored["package"],
        stored["given"],
        stored["admission"],
        stored["languages"],
        {name: recorded(price) for name, price in stored["listed_prices"].items()},
        None if has_no_replies(path) else recorded(stored["price"]),
    )
    if stored["digest"] != digest(found.frozen):
        inputs = ", ".join(sorted(snapshot.file_names(recipe.generate)))
        raise RunDirectoryError(
            f"{path}: {RUN} or one of {inputs} was changed since the run began, and the journal's replies answer the original. "
            "Fix: put the original back."
        )
    return found


def create(path: Path, definition: Definition) -> None:
    """Write the files of a new run, run.json last, so that the directory holds either no run or a complete one."""
    files = definition.inputs.files
    derived_files.replace(path, files)
    for stale in path.iterdir():  # left by a run that was defined here before and never had a reply
        if (stale.name in snapshot.file_names() or _PROMPT.fullmatch(stale.name)) and stale.name not in files:
            stale.unlink()
    derived_files.replace(path, {RUN: _run_json(definition)})


def update(path: Path, definition: Definition) -> None:
    """Record a changed [curate], [runtime] or [card]. The rest of run.json stays as it was."""
    content = _run_json(definition)
    if (path / RUN).read_bytes() != content:
        derived_files.replace(path, {RUN: content})


def record(
    path: Path, definition: Definition, journal: Journal, nothing_usable: Callable[[Definition], bool] | None = None
) -> None:
    """Write the definition of a run whose `journal` is open for writing.

    `nothing_usable` tells whether the replies of the stored definition are of no use. Then the run may be defined again.
    Raises RecipeChanged if the journal's replies answer another definition.
    """
    if not exists(path) or has_no_replies(path):
        create(path, definition)
        return
    stored = read(path)
    try:
        check_same(stored, definition)
    except RecipeChanged:
        if nothing_usable is None or not nothing_usable(stored):
            raise
        journal.append(Redefined(time.time()))  # first of all, because the replies do not fit the new definition
        create(path, definition)
    else:
        update(path, definition)


def _recipe(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values. Settings that earlier versions did not have are left out where nothing is set."""
    sections: dict[str, Any] = recipe.model_dump()
    for one in (sections["curate"], sections["generate"], *sections["generate"]["teachers"].values()):
        for name in _LATER:
            if name in one and not one[name]:
                del one[name]
    return sections


def _run_json(definition: Definition) -> bytes:
    contents = {
        "version": _VERSION,
        "package": definition.package,
        "digest": digest(definition.frozen),
        "seeds": {
            "name": definition.seeds_name,
            "count": len(definition.seeds),
            "digest": definition.inputs.digests["seeds"],
            "licence": definition.seeds_licence,
        },
        "prompts": {part: {"name": one.name, "digest": one.digest} for part, one in definition.inputs.prompts.items()},
        "admission": dict(definition.admission),
        "languages": dict(definition.languages),
        "given": dict(definition.given),
        "listed_prices": {name: price and price.as_values() for name, price in definition.listed.items()},
        "price": definition.price and definition.price.as_values(),
        **_recipe(definition.recipe),
    }
    return (json.dumps(contents, indent=2, ensure_ascii=False, default=str) + "\n").encode()
