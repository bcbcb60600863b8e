"""A run directory: what it must hold so that it can be continued, or built again anywhere.

run.json        the recipe ([generate] fixed for good), the package's version, fingerprints of seeds and prompt
seeds.jsonl     the seeds as used
prompt.txt      the prompt as used; prompt.NAME.txt where there are several methods
source.jsonl, passages.jsonl, topics.jsonl     the tasks to evolve, the documents' passages, the topics, where there are any
journal.jsonl   every reply and failure
.lock           held by the process that writes, with its number
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from selfinstruct import layout
from selfinstruct.client.prices import recorded
from selfinstruct.errors import DocumentError, PromptError, RunDirectoryError, SeedError, TopicError, UserMistake
from selfinstruct.inputs import snapshot
from selfinstruct.layout import JOURNAL, LOCK, RUN
from selfinstruct.recipe import loading
from selfinstruct.recipe.schema import Recipe
from selfinstruct.records import digest
from selfinstruct.rundir import derived_files
from selfinstruct.rundir.definition import Definition

_VERSION = 1
_PROMPT = re.compile(r"prompt\.[a-z0-9_-]+\.txt")
_DEPENDENT = re.compile(rb'"kind": "(reply|failure|batch)"')


def exists(path: Path) -> bool:
    """Whether there is a run in this directory; raises when something else is there that a new run would mix with."""
    if (path / RUN).exists():
        return True
    if path.exists() and not path.is_dir():
        raise UserMistake(f"{path}: is a file; name a directory for the run")
    if path.is_dir():
        foreign = sorted(item.name for item in path.iterdir() if not _is_of_a_beginning(item.name))
        if layout.DATASET in foreign:
            raise UserMistake(f"{path}: holds a dataset and no run (no {RUN}, no {JOURNAL}); name the run's own directory")
        if foreign:
            raise UserMistake(f"{path}: holds other things ({foreign[0]!r}) and no run; name a new or empty directory")
        if not has_no_replies(path):
            raise RunDirectoryError(f"{path}: has replies but no {RUN}; put it back, for without it they cannot be used")
    return False


def _is_of_a_beginning(name: str) -> bool:
    """Whether a file may be what is left of a run that was killed before it had its run.json."""
    name = name.removeprefix(".").removesuffix(".new") if name.endswith(".new") else name
    return name in (RUN, JOURNAL, LOCK) or name in snapshot.file_names() or bool(_PROMPT.fullmatch(name))


def has_no_replies(path: Path) -> bool:
    """Whether the journal has no outcome and no batch, so that nothing depends on the definition of the run."""
    journal = path / JOURNAL
    if not journal.exists():
        return True
    with journal.open("rb") as lines:
        return not any(_DEPENDENT.search(line[:60]) or not line.startswith(b'{"v"') for line in lines if line.strip())


def make(path: Path) -> None:
    """Make the directory; raises RunDirectoryError where that is not possible."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirectoryError(f"{path}: cannot be made ({error.strerror}); choose another place or mend its rights") from None


def read(path: Path) -> Definition:
    """The definition of an existing run; raises RunDirectoryError when it is incomplete or was changed."""
    if not exists(path):
        raise UserMistake(f"{path}: there is no run here (no {RUN}); check the path, or begin one with `generate`")
    try:
        stored = json.loads((path / RUN).read_text(encoding="utf-8"))
        if stored["version"] != _VERSION:
            raise RunDirectoryError(f"{path / RUN}: was written by another version of this package; use that one")
        if "max_tokens" in stored["generate"]:  # as it was called at first
            stored["generate"]["reply_tokens"] = stored["generate"].pop("max_tokens")
        stored["curate"].setdefault("tokens", "ascii")  # as all instructions were compared at first: the same rows come out
        recipe = loading.parse({part: stored[part] for part in Recipe.model_fields}, str(path / RUN))
        named = stored["prompts"] if "prompts" in stored else {"": stored["prompt"]}
        held = snapshot.read_copies(path, recipe.generate, {part: prompt["name"] for part, prompt in named.items()})
        listed = stored.get("listed_prices") or {"": stored.get("listed_price")}
        found = Definition(
            recipe,
            held,
            stored["seeds"]["name"],
            stored["package"],
            stored["given"],
            stored.get("admission"),
            stored.get("languages", {}),
            {name: recorded(price) for name, price in listed.items()},
            None if has_no_replies(path) else recorded(stored.get("price")),
        )
        with_address = {**found.frozen, "base_url": recipe.generate.base_url}  # at first it was fixed too
        unchanged = stored["digest"] in (digest(found.frozen), digest(with_address))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(f"{path / RUN}: cannot be used ({error}); put the original back") from None
    except (SeedError, PromptError, DocumentError, TopicError) as error:
        raise RunDirectoryError(f"{path}: was changed since the run began; put the original back ({error})") from None
    if not unchanged:
        raise RunDirectoryError(
            f"{path}: [generate], {', '.join(sorted(snapshot.file_names(recipe.generate)))} or another thing recorded in "
            f"{RUN} is not what the run was begun with; put the original back, for the journal's replies answer exactly that"
        )
    return found


def create(path: Path, definition: Definition) -> None:
    """Put a new run's files in place, run.json last, so that what is there is either no run or a whole one."""
    files = definition.materials.files
    derived_files.replace(path, files)
    for stale in path.iterdir():  # of a run that was defined here before, and never had a reply
        if (stale.name in snapshot.file_names() or _PROMPT.fullmatch(stale.name)) and stale.name not in files:
            stale.unlink()
    derived_files.replace(path, {RUN: _run_json(definition)})


def update(path: Path, definition: Definition) -> None:
    """Record a changed [curate], [runtime] or [card]; the rest of run.json stays what it was."""
    content = _run_json(definition)
    if (path / RUN).read_bytes() != content:
        derived_files.replace(path, {RUN: content})


def _run_json(definition: Definition) -> bytes:
    prompts = {part: {"name": one.name, "digest": one.digest} for part, one in definition.materials.prompts.items()}
    listed = {name: price and price.as_values() for name, price in definition.listed.items()}
    contents = {
        "version": _VERSION,
        "package": definition.package,
        "digest": digest(definition.frozen),
        "seeds": {
            "name": definition.seeds_name,
            "count": len(definition.seeds),
            "digest": definition.materials.digests["seeds"],
            "licence": definition.seeds_licence,
        },
        **({"prompt": prompts[""]} if set(prompts) == {""} else {"prompts": prompts}),
        **({} if definition.admission is None else {"admission": dict(definition.admission)}),
        **({"languages": dict(definition.languages)} if definition.languages else {}),
        "given": dict(definition.given),
        **({"listed_price": listed[""]} if set(listed) == {""} else {"listed_prices": listed}),
        "price": definition.price and definition.price.as_values(),
        **definition.recipe.model_dump(),
    }
    return (json.dumps(contents, indent=2, ensure_ascii=False, default=str) + "\n").encode()
