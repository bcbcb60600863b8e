"""A run directory: what it must hold so that it can be continued, or built again anywhere.

run.json        the recipe ([generate] fixed for good), the package's version, fingerprints of seeds and prompt
seeds.jsonl     the seeds as used
prompt.txt      the prompt as used
journal.jsonl   every reply and failure
.lock           held by the process that writes, with its number
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

from selfinstruct import config, prompts, seeds, writing
from selfinstruct.config import Recipe
from selfinstruct.definition import Definition
from selfinstruct.errors import PromptError, RunDirectoryError, SeedError, UserMistake
from selfinstruct.prices import Price
from selfinstruct.records import digest, json_line

RUN, SEEDS, PROMPT, JOURNAL, LOCK = "run.json", "seeds.jsonl", "prompt.txt", "journal.jsonl", ".lock"
_VERSION = 1
_DEPENDENT = re.compile(rb'"kind": "(reply|failure|batch)"')


def exists(path: Path) -> bool:
    """Whether there is a run in this directory; raises when something else is there that a new run would mix with."""
    if (path / RUN).exists():
        return True
    if path.exists() and not path.is_dir():
        raise UserMistake(f"{path}: is a file; name a directory for the run")
    if path.is_dir():
        ours = {SEEDS, PROMPT, JOURNAL, LOCK, f".{RUN}.new", f".{SEEDS}.new", f".{PROMPT}.new"}
        foreign = sorted(item.name for item in path.iterdir() if item.name not in ours)
        if writing.DATASET in foreign:
            raise UserMistake(f"{path}: holds a dataset and no run (no {RUN}, no {JOURNAL}); name the run's own directory")
        if foreign:
            raise UserMistake(f"{path}: holds other things ({foreign[0]!r}) and no run; name a new or empty directory")
        if not has_no_replies(path):
            raise RunDirectoryError(f"{path}: has replies but no {RUN}; put it back, for without it they cannot be used")
    return False


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
        recipe = config.parse({part: stored[part] for part in Recipe.model_fields}, str(path / RUN))
        tasks = seeds.load(path / SEEDS)
        prompt = replace(prompts.load(path / PROMPT), name=stored["prompt"]["name"])
        listed, earlier = (Price(**stored[name]) if stored.get(name) else None for name in ("listed_price", "price"))
        earlier = None if has_no_replies(path) else earlier
        known = stored["seeds"]["name"], stored["package"], stored["given"]
        found = Definition(recipe, tasks, prompt, *known, listed, earlier)
        with_address = {**found.frozen, "base_url": recipe.generate.base_url}  # at first it was fixed too
        unchanged = stored["digest"] in (digest(found.frozen), digest(with_address))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunDirectoryError(f"{path / RUN}: cannot be used ({error}); put the original back") from None
    except (SeedError, PromptError) as error:
        raise RunDirectoryError(f"{path}: was changed since the run began; put the original back ({error})") from None
    if not unchanged:
        raise RunDirectoryError(
            f"{path}: [generate], {SEEDS} or {PROMPT} is not what the run was begun with; put the original back, for the "
            "journal's replies answer exactly that"
        )
    return found


def create(path: Path, definition: Definition) -> None:
    """Put a new run's files in place, run.json last, so that what is there is either no run or a whole one."""
    rows = b"".join(json_line(seeds.as_row(seed)) for seed in definition.seeds)
    writing.replace(path, {SEEDS: rows, PROMPT: definition.prompt.text.encode()})
    writing.replace(path, {RUN: _run_json(definition)})


def update(path: Path, definition: Definition) -> None:
    """Record a changed [curate], [runtime] or [card]; the rest of run.json stays what it was."""
    content = _run_json(definition)
    if (path / RUN).read_bytes() != content:
        writing.replace(path, {RUN: content})


def _run_json(definition: Definition) -> bytes:
    contents = {
        "version": _VERSION,
        "package": definition.package,
        "digest": digest(definition.frozen),
        "seeds": {
            "name": definition.seeds_name,
            "count": len(definition.seeds),
            "digest": definition.seeds_digest,
            "licence": definition.seeds_licence,
        },
        "prompt": {"name": definition.prompt.name, "digest": definition.prompt.digest},
        "given": dict(definition.given),
        "listed_price": definition.listed_price and definition.listed_price.as_values(),
        "price": definition.price and definition.price.as_values(),
        **definition.recipe.model_dump(),
    }
    return (json.dumps(contents, indent=2, ensure_ascii=False, default=str) + "\n").encode()
