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

Reading undoes writing for any text. A line of a field that looks like a part of the grammar gets a backslash in front when
it is written, and loses it when it is read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(\d{1,4})[ \t]*[.):][ \t]*[*_]{0,2}(Instruction|Input|Output)[*_]{0,2}[ \t]*:[*_]{0,2}"
    r"[ \t]*",
    re.IGNORECASE,
)
_SEPARATOR = "###"
_NO_INPUT = re.compile(r"[<(\[]?\s*no[ _-]?input\s*[>)\]]?\.?|n/?a\.?|none\.?|<empty>|<none>", re.IGNORECASE)
_FENCE = re.compile(r"[ \t]*(```|~~~)")


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
        lines: Sequence[str] = text.split("\n")
        shielded: set[int] = set()
        if "```" in text or "~~~" in text:
            lines = _unwrapped(lines)
            shielded = _shielded(lines)
        items = [draft.item() for draft in _Reader(shielded).read(lines)]
        if not items:
            return [ParsedTask("", defect=ParseDefect("no_tasks_found", text[:500]))]
        if finish_reason == CONTENT_FILTER:
            items[-1] = replace(items[-1], defect=ParseDefect(finish_reason, "the provider cut the reply in this item"))
        elif finish_reason == TOKEN_LIMIT:
            lost = ParseDefect("truncated", "the reply ended at the token limit") if items[-1].defect else None
            items[-1] = replace(items[-1], defect=lost, cut=True)
        return items

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields. A stop sequence is left out on purpose: Alpaca's `20.` cuts an answer that says "in 2020."."""
        return {}


def _item_text(number: int, example: Example) -> str:
    fields = (_escape(example.instruction), _escape(example.input) or "<noinput>", _escape(example.output))
    return "{0}. Instruction: {1}\n{0}. Input:\n{2}\n{0}. Output:\n{3}\n###\n".format(number, *fields)


def _is_grammar(line: str) -> bool:
    return bool(_is_separator(line) or _HEADING.match(line) or _NO_INPUT.fullmatch(line.strip()))


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
    fields: dict[str, list[str]] = field(default_factory=dict)

    def raw(self, name: str) -> str:
        """Return a field as it was read, "" if it has not begun."""
        return "\n".join(self.fields.get(name, ())).strip()  # the line ends are those of a text that was cleaned

    def text(self, name: str) -> str:
        """Return a field without the backslashes that writing adds."""
        raw = self.raw(name)
        return "\n".join(map(_unescape, self.fields[name])).strip() if "\\" in raw else raw

    def item(self) -> ParsedTask:
        """Return the item, with a defect if a heading is missing."""
        input = "" if _NO_INPUT.fullmatch(self.raw("input")) else self.text("input")
        missing = [name for name in ("instruction", "output") if name not in self.fields]
        defect = ParseDefect("malformed", f"no {missing[0]} heading") if missing else None
        output = self.text("output") if "output" in self.fields else None
        return ParsedTask(self.text("instruction"), input, output, defect)


class _Reader:
    """A single pass over the lines of a reply that sorts them into drafts."""

    def __init__(self, shielded: set[int]) -> None:
        self.shielded = shielded  # numbers of lines inside code blocks
        self.drafts: list[_Draft] = []
        self.preface: list[str] = []
        self.current: list[str] = self.preface
        self.doubt: tuple[list[str], int] | None = None  # the last bare `###` inside a text, outside code blocks
        self.separators = 0  # `###` lines held back until it is known whether an item follows them

    def read(self, lines: Sequence[str]) -> list[_Draft]:
        """Return the drafts of a reply, in order."""
        shielded = self.shielded
        for number, line in enumerate(lines):
            if _SEPARATOR in line and _is_separator(line):
                self.separators += 1
            elif (heading := _HEADING.match(line)) and not (number in shielded and not self.separators and self._in("output")):
                self._heading(int(heading[1]), heading[2].lower(), line[heading.end() :])
            elif not self.separators:
                self.current.append(line)
            elif line.strip():
                if number not in shielded:
                    self.doubt = (self.current, len(self.current))
                self._content(line)
        if self.drafts and self.doubt and self.doubt[0] is self.current:
            del self.current[self.doubt[1] :]  # what follows the list's last `###` is not a task
        return self.drafts

    def _in(self, name: str) -> bool:
        return bool(self.drafts) and self.current is self.drafts[-1].fields.get(name)

    def _content(self, line: str) -> None:
        self.current.extend([_SEPARATOR] * self.separators)  # a bare `###` inside a text after all
        self.separators = 0
        self.current.append(line)

    def _heading(self, number: int, name: str, rest: str) -> None:
        separated, self.separators = self.separators > 0, 0
        if name == "instruction":
            if not (self._in("instruction") and not self._written() and not separated):
                self._begin(number)
        elif not self.drafts:
            self._first_without_heading(number)
        elif self._belongs_to_next(number, name, separated):
            self._begin(number, with_instruction=False)
        elif (self._in(name) and self._written()) or (name == "input" and "output" in self.drafts[-1].fields):
            self.current.append(f"{number}. {name.capitalize()}: {rest}")  # repeated: part of the text
            return
        if name != "instruction":
            self.current = self.drafts[-1].fields.setdefault(name, [])
        if not self._written():
            self.current.clear()  # a heading repeated before its text
        again = _HEADING.match(rest)
        self.current.append(rest[again.end() :] if again and again[2].lower() == name else rest)

    def _belongs_to_next(self, number: int, name: str, separated: bool) -> bool:
        """Return True if an Input or Output heading begins an item whose Instruction heading is missing."""
        last = self.drafts[-1]
        if name not in last.fields and number == last.number:
            return False
        return separated or (name in last.fields and number == last.number + 1)

    def _written(self) -> bool:
        return any(map(str.strip, self.current))

    def _begin(self, number: int, with_instruction: bool = True) -> None:
        draft = _Draft(number)
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
    first = next((number for number, line in enumerate(lines) if _HEADING.match(line)), len(lines))
    before = sum(number < first for number in fences)
    if not before % 2:
        return lines
    return lines[fences[before - 1] + 1 : fences[-1] if len(fences) % 2 == 0 else len(lines)]


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
