"""The notation of structured output: one JSON object with a list of tasks, asked for with a JSON schema.

Reading accepts what is safe to accept:

- code fences and prose around the object, and other objects around the list
- a bare list, one task a line, tasks under numbers
- an object that ends too soon
- comments, trailing commas, other quotation marks, a lone backslash
- Alpaca's numbered list instead of JSON
"""

from __future__ import annotations

import json as _json
from collections.abc import Mapping, Sequence
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations._json_reader import CUT, tasks_in
from selfinstruct.notations._list_reader import items_in
from selfinstruct.records import Example, ParseDefect, ParsedTask, clean

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
        tasks = [{"instruction": e.instruction, "input": _input(e.input), "output": e.output} for e in examples]
        return _json.dumps({"tasks": tasks}, ensure_ascii=False, indent=1)

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return the tasks of a reply. One that was cut or cannot be read has a defect."""
        if not text.strip():
            return [ParsedTask("", defect=ParseDefect("empty_reply"))]
        tasks = tasks_in(text, CUT.get(finish_reason, ""))
        if not any(task.output for task in tasks):
            listed = items_in(clean(text), finish_reason)
            tasks = listed if any(not task.defect for task in listed) else tasks
        return tasks or [ParsedTask("", defect=ParseDefect("no_tasks_found", clean(text)[:500]))]

    def sampling(self) -> Mapping[str, Any]:
        """Return the response format that holds a teacher with structured output to the schema."""
        schema = {"name": "tasks", "strict": True, "schema": _SCHEMA}
        return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _input(text: str) -> str:
    """Return an input as it is written. One that would be read as "no input" gets a backslash."""
    return "\\" + text if says_no_input(text.lstrip("\\")) else text
