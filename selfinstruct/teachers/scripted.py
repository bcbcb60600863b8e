"""A teacher that reads its answers from a script: for tests, for documentation, and for playing a journal again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.contracts import Teacher
from selfinstruct.errors import RecipeError, TeacherStop
from selfinstruct.records import Reply, Request, Usage

if TYPE_CHECKING:
    from selfinstruct.recipe.schema import Generate

Answer = Callable[[str, Request], str]


def scripted(generate: Generate, timeout: float = 120.0) -> Teacher:
    """A script instead of a model: --model FILE, JSONL lines with `key` and `text` (a run's journal.jsonl will do)."""
    if not generate.model:
        raise RecipeError("the scripted teacher needs a script: --model FILE, with JSONL lines of `key` and `text`")
    return Scripted(read(Path(generate.model)), model=Path(generate.model).name)


def read(path: Path) -> dict[str, tuple[str, str]]:
    """Text and finish reason by request key; raises RecipeError with the line that is wrong."""
    script: dict[str, tuple[str, str]] = {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: the script cannot be read ({error}); check the path") from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            if fields.get("kind", "reply") == "reply":
                script[str(fields["key"])] = (str(fields["text"]), str(fields.get("finish_reason", "stop")))
        except (ValueError, KeyError, AttributeError):
            raise RecipeError(f"{path}:{number}: a line of a script is an object with `key` and `text`; mend it") from None
    return script


class Scripted:
    """Answers from a mapping of request keys, or from a function of key and request; costs nothing, never fails."""

    name = "scripted"
    host = "none"

    def __init__(self, script: Mapping[str, tuple[str, str]] | Answer, model: str = "script") -> None:
        self.script = script
        self.model = model

    async def reply(self, key: str, request: Request) -> Reply:
        """The scripted answer; raises TeacherStop where the script has none."""
        if callable(self.script):
            text, finish_reason = self.script(key, request), "stop"
        elif key in self.script:
            text, finish_reason = self.script[key]
        else:
            raise TeacherStop(f"the script has no reply for request {key!r}; add a line with that key")
        asked = request.prompt or " ".join(message["content"] for message in request.messages)
        usage = Usage(len(asked.split()), len(text.split()))  # words stand in for tokens
        return Reply(text, finish_reason, self.model, usage, self.host, 0)

    async def close(self) -> None:
        """Nothing to give back."""
