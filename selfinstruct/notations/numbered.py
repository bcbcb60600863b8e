"""Alpaca's reply grammar: a numbered list of tasks, each after a line `###`.

    ###
    4. Instruction: ...
    4. Input:
    <noinput>
    4. Output:
    ...

Replies that broke the original are read here:

- a Markdown `###` inside an output
- numbers that do not line up
- a heading repeated or missing
- a first item with or without its heading
- code blocks
- prose around the list
- a last item that was cut off
- another spelling of the headings, see `_spellings.py`

Reading undoes writing for any text. A line of a field that looks like a part of the grammar gets a backslash in front when
it is written, and loses it when it is read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations._json_reader import CUT, tasks_in
from selfinstruct.notations._list_reader import is_grammar, items_in
from selfinstruct.records import Example, ParseDefect, ParsedTask, clean


def numbered() -> Notation:
    """Write tasks as Alpaca's numbered list."""
    return _Numbered()


class _Numbered:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the examples as list items numbered from `start`, each followed by the line that begins the next."""
        return "###\n" + "".join(_item_text(number, example) for number, example in enumerate(examples, start))[:-1]

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return the items of a reply in order. An item that cannot be used has a defect."""
        text = clean(text)
        if not text:
            return [ParsedTask("", defect=ParseDefect("empty_reply"))]
        items = items_in(text, finish_reason)
        if not any(item.output for item in items):
            tasks = tasks_in(text, CUT.get(finish_reason, ""))
            items = tasks if any(not task.defect for task in tasks) else items
        return items or [ParsedTask("", defect=ParseDefect("no_tasks_found", text[:500]))]

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields. A stop sequence is left out on purpose: Alpaca's `20.` cuts an answer that says "in 2020."."""
        return {}


def _item_text(number: int, example: Example) -> str:
    input = "\\" + example.input if says_no_input(example.input.lstrip("\\")) else _escape(example.input)
    fields = (_escape(example.instruction), input or "<noinput>", _escape(example.output))
    return "{0}. Instruction: {1}\n{0}. Input:\n{2}\n{0}. Output:\n{3}\n###\n".format(number, *fields)


def _escape(text: str) -> str:
    return "\n".join("\\" + line if is_grammar(line.lstrip("\\")) else line for line in text.split("\n"))
