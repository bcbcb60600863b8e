"""A teacher that reads its answers from a script, for tests, for documentation and for replaying a journal."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from selfinstruct.contracts import Teacher
from selfinstruct.errors import RecipeError, TeacherStop, setting
from selfinstruct.records import Reply, Request, Usage
from selfinstruct.text import read_text

if TYPE_CHECKING:
    from selfinstruct.recipe.schema import Generate

Answer = Callable[[str, Request], str]


def scripted(generate: Generate, timeout: float = 120.0) -> Teacher:
    """Answer from a script: --model FILE, JSONL lines with `key` and `text`, such as a run's journal.jsonl."""
    if not generate.model:
        raise RecipeError(
            f"{setting('model')}: the teacher 'scripted' needs a script. "
            f"Fix: set it to a JSONL file with `key` and `text` in each line."
        )
    return Scripted(read(Path(generate.model)), model=Path(generate.model).name)


def read(path: Path) -> dict[str, tuple[str, str]]:
    """Return text and finish reason by request key. Raises RecipeError that names a wrong line."""
    script: dict[str, tuple[str, str]] = {}
    for number, line in enumerate(read_text(path, RecipeError).split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            if fields.get("kind", "reply") == "reply":
                script[str(fields["key"])] = (str(fields["text"]), str(fields.get("finish_reason", "stop")))
        except (ValueError, KeyError, AttributeError):
            raise RecipeError(
                f"{path}:{number}: a line of a script must be an object with `key` and `text` (got {line[:40]!r}). Fix: add them."
            ) from None
    return script


class Scripted:
    """A teacher that answers from a script. It costs nothing and needs no network.

    Args:
        script: A function of request key and `Request` that returns the text of the answer. Or a mapping from request keys to
            text and finish reason.
        model: The model's name, for the provenance.

    Examples:
        >>> teacher = Scripted(lambda key, request: f"Explain number {key} to a child.")
        >>> run = Run("runs/trial", teacher=teacher, method="few_shot", num=1)
    """

    name = "scripted"
    host = "none"

    def __init__(self, script: Mapping[str, tuple[str, str]] | Answer, model: str = "script") -> None:
        self.script = script
        self.model = model

    async def reply(self, key: str, request: Request) -> Reply:
        """Return the scripted answer. Raises TeacherStop if the script has none."""
        if callable(self.script):
            text, finish_reason = self.script(key, request), "stop"
        elif key in self.script:
            text, finish_reason = self.script[key]
        else:
            raise TeacherStop(f"the script has no reply for request {key!r}. Fix: add a line with that key.")
        asked = request.prompt or " ".join(message["content"] for message in request.messages)
        usage = Usage(len(asked.split()), len(text.split()))  # words stand in for tokens
        return Reply(text, finish_reason, self.model, usage, self.host, 0)

    async def close(self) -> None:
        """Do nothing, because nothing is open."""
