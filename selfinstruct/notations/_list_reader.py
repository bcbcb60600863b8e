"""Read a list of tasks: in the notation itself with little work, in other spellings once the spelling is found."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations._drafts import note_doubts
from selfinstruct.notations._endings import end_list, opens_a_chat
from selfinstruct.notations._marks import mark, separator
from selfinstruct.notations._spellings import Heading, Spelling
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, ParseDefect, ParsedTask

_HEADING = re.compile(
    r"[ \t]*(?:#{1,6}[ \t]+)?[*_]{0,2}(\d{1,4})[ \t]*[.):][ \t]*[*_]{0,2}(Instruction|Input|Output)[*_]{0,2}[ \t]*:[*_]{0,2}"
    r"[ \t]*",
    re.IGNORECASE,
)
_SEPARATOR = "###"
_FENCE = re.compile(r"[ \t]*(```|~~~)")
# A reply in the notation itself needs no search for its spelling.
_AS_ASKED = re.compile(r"^\d{1,4}\. (Instruction|Output):", re.MULTILINE)
_OTHER_WORD = re.compile(r"^\W*(?:output|response|answer)\W*[:：]", re.MULTILINE | re.IGNORECASE)
_RULE = re.compile(r"^[ \t]*([-–—*_=~])[ \t]*(?:\1[ \t]*){2,}$", re.MULTILINE)
_RULES = tuple(sign + gap + sign for sign in "-–—*_=~" for gap in ("", " ", "\t"))
_UNSEEN = "\u200b\ufeff\u2060\u00a0"


def items_in(text: str, finish_reason: str) -> list[ParsedTask]:
    """Return the items of a list in whatever way its headings are spelled. One that cannot be used has a defect."""
    items = _items(text, cut=finish_reason != "stop")
    if items and finish_reason == CONTENT_FILTER:
        items[-1] = replace(items[-1], defect=ParseDefect(finish_reason, "the provider cut the reply in this item"))
    elif items and finish_reason == TOKEN_LIMIT:
        lost = ParseDefect("truncated", "the reply ended at the token limit") if items[-1].defect else None
        items[-1] = replace(items[-1], defect=lost, cut=True)
    return items


def _items(text: str, cut: bool) -> list[ParsedTask]:
    """Return the items of a list in whatever way its headings are spelled. `cut` says that the last one may be incomplete."""
    fenced = "```" in text or "~~~" in text
    lines, doubt, blocks = _unwrapped(text.split("\n")) if fenced else (text.split("\n"), "", 1)
    items = _read(text, lines, cut)
    if doubt and items:
        items[-1] = replace(items[-1], defect=items[-1].defect or ParseDefect("malformed", doubt))
    if blocks > 1 and (blocks != len(items) or blocks == 2):
        unclear = ParseDefect("malformed", "the code blocks around the tasks are not certain")
        items = [replace(item, defect=item.defect or unclear) for item in items]
    return items


def _read(text: str, lines: Sequence[str], cut: bool) -> list[ParsedTask]:
    if _is_as_asked(text):
        return [draft.item() for draft in _Reader(_shielded(lines)).read(lines, cut)]
    spelling = Spelling(lines)
    certain = spelling.certain
    if spelling.output is None:
        items = [draft.item() for draft in _Reader(_shielded(lines)).read(lines, cut)]
        certain = certain and not any(one.field == "output" for one in spelling.hidden)
    elif spelling.numbered:
        lines = spelling.visible()
        reader = _Reader(_shielded(lines), spelling.heading, spelling.separator())
        items = [draft.item() for draft in reader.read(lines, cut)]
    else:
        items = [draft.task() for draft in spelling.read(cut)]
        certain = spelling.certain
    doubt = ParseDefect("malformed", "its headings are spelled in two ways")
    return items if certain else [replace(item, defect=item.defect or doubt) for item in items]


def _is_as_asked(text: str) -> bool:
    """Return True if a reply is in the notation itself: it needs no search for its spelling."""
    asked = [word.lower() for word in _AS_ASKED.findall(text)]
    if "output" not in asked or any(sign in text for sign in _UNSEEN):
        return False
    if any(sign in text for sign in _RULES) and _RULE.search(text):
        return False
    low = text.lower()
    words = low.count("output") > asked.count("output") or "response" in low or "answer" in low
    if words and _OTHER_WORD.search(text):
        return False
    first = _AS_ASKED.search(text)
    return first is not None and not any(map(mark, text[: first.start()].split("\n")))


def _written_heading(line: str) -> Heading | None:
    """Return the number, the field and the rest of a line that is a heading as this notation writes it."""
    found = _HEADING.match(line)
    return (int(found[1]), found[2].lower(), line[found.end() :]) if found else None


def is_grammar(line: str) -> bool:
    return bool(_is_separator(line) or _HEADING.match(line))


def _is_separator(line: str) -> bool:
    return line.strip(" \t") == _SEPARATOR


def _unescape(line: str) -> str:
    return line[1:] if line.startswith("\\") and is_grammar(line.lstrip("\\")) else line


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
        self.held: list[str] = []  # a separator and the lines after it, until it is known whether an item follows them

    def read(self, lines: Sequence[str], cut: bool) -> list[_Draft]:
        """Return the drafts of a reply, in order. `cut` says that the last one may be incomplete."""
        shielded, first = self.shielded, self.separator[0]
        colon = ":" if self.heading is _written_heading else ""  # a quick look that spares most lines a closer one
        for number, line in enumerate(lines):
            if first in line and self._separates(line):
                self.held.append(line)
            elif colon in line and (heading := self.heading(line)):
                if number in shielded and not self.held and self._in("output"):
                    self._hidden(*heading)
                    self.current.append(line)
                else:
                    self._heading(*heading, line)
            elif self.held and not line.strip():
                self.held.append(line)
            elif self.held:
                self.current.extend([*self.held, line])  # a bare separator inside a text after all
                self.held = []
            else:
                self.current.append(line)
        separated = any(draft.separated for draft in self.drafts)
        if self.drafts and not self.held and not cut:
            kind = self.separator if separated or len(self.drafts) == 1 else ""
            self.drafts[-1].problem = end_list(self.current, kind) or self.drafts[-1].problem
        note_doubts(self.drafts, cut, counted=not separated)
        return self.drafts

    def _hidden(self, number: int, name: str, rest: str) -> None:
        """Note a heading inside a code block that may be the next one of the list: then the block has another end."""
        if name == "instruction" and number == self.drafts[-1].number + 1:
            self.drafts[-1].problem = "a code block in its output hides the next heading"

    def _separates(self, line: str) -> bool:
        return _is_separator(line) if self.separator == _SEPARATOR else separator(line) == self.separator

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
            if number == self.drafts[-1].number:
                self.drafts[-1].problem = f"a second {name} heading with its number"
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
            if opens_a_chat("\n".join(self.preface).strip()):
                draft.problem = "the text before the first heading is not only an instruction"
        self.drafts.append(draft)


def _unwrapped(lines: Sequence[str]) -> tuple[Sequence[str], str, int]:
    """Return the lines inside a fence around the whole list, a doubt about its end, and the number of code blocks.

    All lines are returned if there is no such fence. Where each task has a fence of its own, these are taken away too.
    """
    first = next((number for number, line in enumerate(lines) if _begins_list(line)), len(lines))
    before = [number for number in range(first) if _FENCE.match(lines[number])]
    if not len(before) % 2:
        return lines, "", 1
    opening = lines[before[-1]].strip()
    sign = opening[: len(opening) - len(opening.lstrip(opening[0]))]
    ends = [number for number in range(first, len(lines)) if _closes(lines[number], sign)]
    if not ends:
        return lines[before[-1] + 1 :], "", 1
    inside, blocks = list(lines[before[-1] + 1 : ends[-1]]), 1
    closed = -1  # the last line that is not empty, if it closes a code block
    for number, line in enumerate(inside):
        if closed >= 0 and _FENCE.match(line):
            inside[closed], inside[number] = "", ""
            blocks, closed = blocks + 1, -1
        elif line.strip():
            closed = number if _closes(line, sign) else -1
    after = any(mark(line) for line in lines[ends[-1] + 1 :])
    odd = sum(map(_opens, inside)) % 2 and len(ends) > 1
    return inside, "the end of the code block around the list is not certain" if after or odd else "", blocks


def _closes(line: str, sign: str) -> bool:
    stripped = line.strip()
    return stripped.startswith(sign) and not stripped.strip(sign[0])


def _opens(line: str) -> bool:
    """Return True if a code block begins or ends on a line, possibly after a heading."""
    if "```" not in line and "~~~" not in line:
        return False
    found = mark(line)
    return bool(_FENCE.match(line) or (found and _FENCE.match(found.rest)))


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
