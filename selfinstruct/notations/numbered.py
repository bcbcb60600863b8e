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

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.notations import json as as_json
from selfinstruct.notations._spellings import Heading, Spelling, mark, note_doubts, separator, without_closing_line
from selfinstruct.notations._words import says_no_input
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(\d{1,4})[ \t]*[.):][ \t]*[*_]{0,2}(Instruction|Input|Output)[*_]{0,2}[ \t]*:[*_]{0,2}"
    r"[ \t]*",
    re.IGNORECASE,
)
_SEPARATOR = "###"
_FENCE = re.compile(r"[ \t]*(```|~~~)")
# A reply in the notation itself needs no search for its spelling.
_AS_ASKED = re.compile(r"^\d{1,4}\. (Instruction|Output):", re.MULTILINE)
_OTHERWISE = re.compile(
    r"^\W*(?:output|response|answer)\W*[:：]|^[ \t]*([-–—*_=~])[ \t]*(?:\1[ \t]*){2,}$|[\u200b\ufeff\u2060\u00a0]",
    re.MULTILINE | re.IGNORECASE,
)


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
        items = _items(text, cut=finish_reason != "stop")
        if not items:
            tasks = as_json.json().parse(text, finish_reason)
            return (
                tasks
                if any(not task.defect for task in tasks)
                else [ParsedTask("", defect=ParseDefect("no_tasks_found", text[:500]))]
            )
        last = items[-1]
        if finish_reason == CONTENT_FILTER:
            items[-1] = replace(last, defect=ParseDefect(finish_reason, "the provider cut the reply in this item"))
        elif finish_reason == TOKEN_LIMIT:
            lost = ParseDefect("truncated", "the reply ended at the token limit") if last.defect else None
            items[-1] = replace(last, defect=lost, cut=True)
        elif last.output and not last.defect:
            output, doubt = without_closing_line(last.output)
            items[-1] = replace(last, output=output, defect=ParseDefect("malformed", doubt) if doubt else None)
        return items

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields. A stop sequence is left out on purpose: Alpaca's `20.` cuts an answer that says "in 2020."."""
        return {}


def _item_text(number: int, example: Example) -> str:
    input = "\\" + example.input if says_no_input(example.input.lstrip("\\")) else _escape(example.input)
    fields = (_escape(example.instruction), input or "<noinput>", _escape(example.output))
    return "{0}. Instruction: {1}\n{0}. Input:\n{2}\n{0}. Output:\n{3}\n###\n".format(number, *fields)


def _items(text: str, cut: bool) -> list[ParsedTask]:
    """Return the items of a list in whatever way its headings are spelled. `cut` says that the last one may be incomplete."""
    lines = _unwrapped(text.split("\n")) if "```" in text or "~~~" in text else text.split("\n")
    asked = [word.lower() for word in _AS_ASKED.findall(text)]
    if asked.count("output") and asked.count("instruction") and not _OTHERWISE.search(text):
        return [draft.item() for draft in _Reader(_shielded(lines)).read(lines, cut)]
    spelling = Spelling(lines)
    if spelling.output is None:
        return [draft.item() for draft in _Reader(_shielded(lines)).read(lines, cut)]
    if spelling.numbered:
        lines = spelling.visible()
        reader = _Reader(_shielded(lines), spelling.heading, spelling.separators())
        items = [draft.item() for draft in reader.read(lines, cut)]
    else:
        items = [draft.task() for draft in spelling.read(cut)]
    doubt = ParseDefect("malformed", "its headings are spelled in two ways")
    return items if spelling.certain else [replace(item, defect=item.defect or doubt) for item in items]


def _written_heading(line: str) -> Heading | None:
    """Return the number, the field and the rest of a line that is a heading as this notation writes it."""
    found = _HEADING.match(line)
    return (int(found[1]), found[2].lower(), line[found.end() :]) if found else None


def _is_grammar(line: str) -> bool:
    return bool(_is_separator(line) or _HEADING.match(line))


def _is_separator(line: str) -> bool:
    return line.strip(" \t") == _SEPARATOR


def _escape(text: str) -> str:
    return "\n".join("\\" + line if _is_grammar(line.lstrip("\\")) else line for line in text.split("\n"))


def _unescape(line: str) -> str:
    return line[1:] if line.startswith("\\") and _is_grammar(line.lstrip("\\")) else line


@dataclass
class _Draft:
    """An item that is being read: the lines of each field that has begun."""

    number: int
    separated: bool = False  # a separator stands before it
    fields: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""  # the reason why it cannot be read for certain

    def raw(self, name: str) -> str:
        """Return a field as it was read, "" if it has not begun."""
        return "\n".join(self.fields.get(name, ())).strip()  # the line ends are those of a text that was cleaned

    def text(self, name: str) -> str:
        """Return a field without the backslashes that writing adds."""
        raw = self.raw(name)
        return "\n".join(map(_unescape, self.fields[name])).strip() if "\\" in raw else raw

    def item(self) -> ParsedTask:
        """Return the item, with a defect if a heading is missing."""
        raw = self.raw("input")
        input = "" if says_no_input(raw) else raw[1:] if says_no_input(raw.lstrip("\\")) else self.text("input")
        missing = [f"no {name} heading" for name in ("instruction", "output") if name not in self.fields]
        problem = next(iter(missing), self.problem)
        defect = ParseDefect("malformed", problem) if problem else None
        output = self.text("output") if "output" in self.fields else None
        return ParsedTask(self.text("instruction"), input, output, defect)


class _Reader:
    """A single pass over the lines of a reply that sorts them into drafts."""

    def __init__(
        self, shielded: set[int], heading: Callable[[str], Heading | None] = _written_heading, separator: str = _SEPARATOR
    ) -> None:
        self.shielded = shielded  # numbers of lines inside code blocks
        self.heading, self.separator = heading, separator
        self.drafts: list[_Draft] = []
        self.preface: list[str] = []
        self.current: list[str] = self.preface
        self.doubt: tuple[list[str], int] | None = None  # the last bare separator inside a text, outside code blocks
        self.held: list[str] = []  # a separator and the lines after it, until it is known whether an item follows them

    def read(self, lines: Sequence[str], cut: bool) -> list[_Draft]:
        """Return the drafts of a reply, in order. `cut` says that the last one may be incomplete."""
        shielded = self.shielded
        for number, line in enumerate(lines):
            if self._separates(line):
                self.held.append(line)
            elif (heading := self.heading(line)) and not (number in shielded and not self.held and self._in("output")):
                self._heading(*heading, line)
            elif not self.held:
                self.current.append(line)
            elif not line.strip():
                self.held.append(line)
            else:
                if number not in shielded:
                    self.doubt = (self.current, len(self.current))
                self._content(line)
        if self.drafts and self.doubt and self.doubt[0] is self.current:
            del self.current[self.doubt[1] :]  # what follows the list's last separator is not a task
        note_doubts(self.drafts, cut)
        return self.drafts

    def _separates(self, line: str) -> bool:
        return self.separator[0] in line and (
            _is_separator(line) if self.separator == _SEPARATOR else separator(line) == self.separator
        )

    def _in(self, name: str) -> bool:
        return bool(self.drafts) and self.current is self.drafts[-1].fields.get(name)

    def _content(self, line: str) -> None:
        self.current.extend([*self.held, line])  # a bare separator inside a text after all
        self.held = []

    def _heading(self, number: int, name: str, rest: str, line: str) -> None:
        separated, self.held = bool(self.held), []
        if name == "instruction":
            if not (self._in("instruction") and not self._written() and not separated):
                self._begin(number, separated)
        elif not self.drafts:
            self._first_without_heading(number)
        elif self._belongs_to_next(number, name, separated):
            self._begin(number, separated, with_instruction=False)
        elif (self._in(name) and self._written()) or (name == "input" and "output" in self.drafts[-1].fields):
            self.current.append(line)  # repeated: part of the text
            return
        if name != "instruction":
            self.current = self.drafts[-1].fields.setdefault(name, [])
        if not self._written():
            if self.current and number != self.drafts[-1].number:
                self.drafts[-1].problem = f"a heading with the number {number} in task {self.drafts[-1].number}"
            self.current.clear()  # a heading repeated before its text
        again = self.heading(rest)
        self.current.append(again[2] if again and again[:2] == (number, name) else rest)

    def _belongs_to_next(self, number: int, name: str, separated: bool) -> bool:
        """Return True if an Input or Output heading begins an item whose Instruction heading is missing."""
        last = self.drafts[-1]
        if name not in last.fields and number == last.number:
            return False
        return separated or (name in last.fields and number == last.number + 1)

    def _written(self) -> bool:
        return any(map(str.strip, self.current))

    def _begin(self, number: int, separated: bool, with_instruction: bool = True) -> None:
        draft = _Draft(number, separated)
        if with_instruction:
            self.current = draft.fields.setdefault("instruction", [])
        self.drafts.append(draft)

    def _first_without_heading(self, number: int) -> None:
        """Begin the first item without its heading: a completion goes on where the prompt ended (`4. Instruction:`)."""
        draft = _Draft(number)
        if any(line.strip() for line in self.preface):
            draft.fields["instruction"] = self.preface
        self.drafts.append(draft)


def _unwrapped(lines: Sequence[str]) -> Sequence[str]:
    """Return the lines inside a fence around the whole list, or all lines if there is no such fence."""
    fences = [number for number, line in enumerate(lines) if _FENCE.match(line)]
    first = next((number for number, line in enumerate(lines) if _begins_list(line)), len(lines))
    before = sum(number < first for number in fences)
    if not before % 2:
        return lines
    return lines[fences[before - 1] + 1 : fences[-1] if len(fences) % 2 == 0 else len(lines)]


def _begins_list(line: str) -> bool:
    """Return True if a line is a heading, in whatever spelling."""
    found = mark(line)
    return found is not None and (found.field != "item" or found.labelled)


def _shielded(lines: Sequence[str]) -> set[int]:
    """Return the numbers of lines inside closed code blocks. A block without an end shields nothing."""
    inside: set[int] = set()
    opened: int | None = None
    for number, line in enumerate(lines):
        if _FENCE.match(line):
            if opened is not None:
                inside.update(range(opened + 1, number))
            opened = number if opened is None else None
    return inside
