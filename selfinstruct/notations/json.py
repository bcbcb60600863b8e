"""The notation of structured output: one JSON object with a list of tasks, asked for with a JSON schema.

Reading accepts what is safe to accept: code fences and prose around the object, a bare list, an object that ends too soon.
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping, Sequence
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_MOST_FAILURES = 1_000  # braces without an object before the rest of a reply is skipped: each may cost a scan of all of it
_TASK = {
    "type": "object",
    "properties": {key: {"type": "string"} for key in ("instruction", "input", "output")},
    "required": ["instruction", "input", "output"],
    "additionalProperties": False,
}
_SCHEMA = {
    "type": "object",
    "properties": {"tasks": {"type": "array", "items": _TASK}},
    "required": ["tasks"],
    "additionalProperties": False,
}


def json() -> Notation:
    """Write tasks as `{"tasks": [{"instruction", "input", "output"}, ...]}`."""
    return _Json()


class _Json:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the examples as one JSON object. This notation has no numbers, so `start` does not matter."""
        tasks = [{"instruction": e.instruction, "input": e.input, "output": e.output} for e in examples]
        return _json.dumps({"tasks": tasks}, ensure_ascii=False, indent=1)

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return the tasks that are whole. A last task that was cut has a defect."""
        if not text.strip():
            return [ParsedTask("", defect=ParseDefect("empty_reply"))]
        values, whole, rest = _tasks(text)
        items = [_item(value) for value in values]
        cut = {TOKEN_LIMIT: "truncated", CONTENT_FILTER: "content_filter"}.get(finish_reason)
        if (cut and not whole) or '"instruction"' in rest:  # a task is begun or missing
            items.append(ParsedTask("", defect=ParseDefect(cut or "malformed", clean(rest)[-200:])))
        if not items:
            items.append(ParsedTask("", defect=ParseDefect("no_tasks_found", clean(text)[:500])))
        return items

    def sampling(self) -> Mapping[str, Any]:
        """Return the response format that holds a teacher with structured output to the schema."""
        schema = {"name": "tasks", "strict": True, "schema": _SCHEMA}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _tasks(text: str) -> tuple[list[Any], bool, str]:
    """Return the tasks of a text in order, True if their list was whole, and the text after the last task.

    Text around the tasks is skipped.
    """
    decoder = _json.JSONDecoder(strict=False)
    tasks: list[Any] = []
    whole, at, end, failed = False, 0, 0, 0
    while (at := text.find("{", at)) >= 0:
        try:
            value, after = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            at += 1  # an outer object that was cut off: look for the tasks inside it
            failed += 1
            if failed > _MOST_FAILURES:
                break
            continue
        inside = [value] if "instruction" in value else _list_in(value)
        if inside is not None:
            tasks += inside
            whole = whole or inside != [value]
            end = after
        at = after
    return tasks, whole or (text.lstrip().startswith("[") and text.rstrip().endswith("]")), text[end:]


def _list_in(value: dict[str, Any]) -> list[Any] | None:
    """Return the list of tasks in an object, by whatever name the teacher gave it, or None."""
    if isinstance(value.get("tasks"), list):
        return list(value["tasks"])
    lists = (inside for inside in value.values() if isinstance(inside, list))
    return next((tasks for tasks in lists if any(isinstance(task, dict) and "instruction" in task for task in tasks)), None)


def _item(value: Any) -> ParsedTask:
    if not isinstance(value, dict):
        return ParsedTask("", defect=ParseDefect("malformed", f"a task is {type(value).__name__}, not an object"))
    texts = {key: value.get(key) for key in ("instruction", "input", "output")}
    if texts["input"] is None:
        texts["input"] = ""
    wrong = [key for key, text in texts.items() if not isinstance(text, str)]
    if wrong:
        return ParsedTask(clean(str(texts["instruction"] or "")), defect=ParseDefect("malformed", f"{wrong[0]} is not a text"))
    return ParsedTask(clean(str(texts["instruction"])), clean(str(texts["input"])), clean(str(texts["output"])))
