"""Find out how a reply spells its list of tasks, and read it.

Teachers are asked for `4. Instruction:`, and answer with `### Task 4`, `**Instruction:**`, `4) 指令：` and more. The spelling of
a reply is found by counting its headings. Then only lines in this spelling are headings, so that an output may hold other ones.
What could be read in two ways gets a defect: no guess puts the text of a task into another field.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from selfinstruct.notations._words import CHAT, CHAT_ABOUT_THE_LIST, FIELDS, ITEMS, field_of, pattern, says_no_input
from selfinstruct.records import ParseDefect, ParsedTask

Key = tuple[str, bool, str]  # a heading's word, whether it has a number, and its look where it has none
Heading = tuple[int, str, str]  # the number of the item, the field, and the rest of the line
INVISIBLE = "\u200b\u2060\ufeff"
_PAD = rf"[ \t\u00a0\u3000{INVISIBLE}]*"
_MARK = re.compile(
    rf"(?P<indent>{_PAD})(?P<quote>(?:>{_PAD})*)(?P<bullet>(?:[-+*•‣◦▪][ \t\u00a0]+)?)(?P<hashes>(?:\#{{1,6}}{_PAD})?)(?P<emphasis>[*_]{{0,3}}){_PAD}"
    rf"(?:(?P<item>{pattern(ITEMS)}){_PAD}[.:：#№]?{_PAD}(?=\d)|[#№](?=\d))?"
    rf"(?:[\[(（【]?(?P<number>\d{{1,4}})(?!\d)(?P<dot>{_PAD}[.):：、．）\]】]?(?![\d])){_PAD}(?P<inner>[*_]{{0,3}}){_PAD}[-–—:：]?{_PAD}[*_]{{0,3}}{_PAD})?"
    rf"(?:[\[【]?(?P<word>{pattern(' '.join(FIELDS.values()))})[\]】]?"
    rf"(?:{_PAD}[#№(]?{_PAD}(?P<after>\d{{1,4}})[)]?)?"
    rf"(?P<close>{_PAD}[*_]{{0,3}}{_PAD}[:：﹕]|{_PAD}[*_]{{0,3}}{_PAD}$))?",
    re.IGNORECASE,
)
_WHITE = " \t\u00a0\u3000" + INVISIBLE
_SEPARATOR = re.compile(
    r"###|(?:[-—–⸺⸻][ \t]*){3,}|(?:\*[ \t]*){3,}|(?:_[ \t]*){3,}|(?:=[ \t]*){3,}|(?:~[ \t]*){4,}|<hr ?/?>", re.IGNORECASE
)
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})")


@dataclass(frozen=True)
class Mark:
    """A line that may be a heading.

    Attributes:
        line: Its number in the reply.
        field: The field that its word names, or "item" if it only has a number.
        word: Its word in lower case, or "".
        number: The number of the item, or None.
        look: Its signs: `#`, `*` for emphasis, `-` for a bullet, `>` for a quotation.
        rest: The text after it.
        indent: The number of characters before it.
        alone: True if nothing but the number is on the line, or only a title after a word such as Task.
    """

    line: int
    field: str
    word: str
    number: int | None
    look: str
    rest: str
    indent: int
    labelled: bool = False


def separator(line: str) -> str:
    """Return the kind of separator that a line is, or ""."""
    stripped = line.strip(f" \t\u00a0{INVISIBLE}")
    return "".join(stripped.split()) if _SEPARATOR.fullmatch(stripped) else ""


def mark(line: str, number: int = 0) -> Mark | None:
    """Return the heading that a line may be, or None."""
    found = _MARK.match(line)
    if not found or found.end() == 0:
        return None
    look = (
        found["hashes"].strip()[:1]
        + found["emphasis"][:1].replace("_", "*")
        + found["bullet"][:1].replace("*", "-")
        + found["quote"][:1]
    )
    count = found["number"] or found["after"]
    value, rest, indent = int(count) if count else None, line[found.end() :], len(found["indent"])
    if found["word"]:
        colon = bool(found["close"].strip(f"*_ \t\u00a0{INVISIBLE}"))
        if not colon and not (found["hashes"] or found["emphasis"]):
            return None  # a line that is only this word
        opened = (found["emphasis"] or "") + (found["inner"] or "")
        if opened and not re.search(r"[*_]", found["close"]):
            rest = rest.removeprefix(found["inner"] or found["emphasis"])
        emphasis = "*" if found["inner"] and not look else ""
        return Mark(
            number, field_of(found["word"]), found["word"].casefold(), value, look + emphasis, rest.lstrip(_WHITE), indent
        )
    if found["number"] is None:
        return None
    labelled = bool(found["item"] or found["hashes"] or found["emphasis"]) and not found["bullet"]
    if not (labelled or found["dot"].strip()):
        return None
    return Mark(number, "item", "", value, look, rest.rstrip("*_ \t"), indent, labelled)


def fences(lines: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield the first and last line of each closed code block. A block may begin after a heading on its line."""
    opened: tuple[int, str] | None = None
    number = 0
    while number < len(lines):
        line = lines[number]
        if opened is None:
            found = _FENCE.match(line)
            if not found and ("```" in line or "~~~" in line) and (heading := mark(line)):
                found = _FENCE.match(heading.rest)
            if found:
                opened = (number, found[1])
        elif (found := _FENCE.match(line)) and found[1].startswith(opened[1]) and not line.strip().strip(found[1][0]):
            yield opened[0], number
            opened = None
        number += 1
        if number == len(lines) and opened is not None:  # without an end it is not a block
            number, opened = opened[0] + 1, None


@dataclass
class Draft:
    """A task that is being read.

    Attributes:
        fields: The lines of each field that has begun.
        problem: The reason why it cannot be read for certain, or "".
        separated: True if a separator stands before it.
    """

    fields: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""
    separated: bool = False
    number: int | None = None

    def text(self, name: str) -> str:
        """Return a field without white space and invisible characters around it."""
        return strip("\n".join(self.fields.get(name, ())))

    def task(self) -> ParsedTask:
        """Return the task. It has a defect if a field is missing or could be read in two ways."""
        instruction, input = self.text("instruction"), self.text("input")
        output = self.text("output") if "output" in self.fields else None
        problem = self.problem or ("" if output is not None else "no output heading")
        if not instruction:
            problem = problem or "no instruction heading"
        return ParsedTask(
            instruction, "" if says_no_input(input) else input, output, ParseDefect("malformed", problem) if problem else None
        )


def strip(text: str) -> str:
    """Return a text without white space and invisible characters around it."""
    return text.strip().strip(INVISIBLE + " \t\n\u00a0\u3000")


class Spelling:
    """The spelling of one reply: which of its lines are headings."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = unquoted(lines)
        blocks = list(fences(self.lines))
        inside = {number for first, last in blocks for number in range(first + 1, last + 1)}
        found = (mark(line, number) for number, line in enumerate(self.lines) if number not in inside)
        self.marks = [one for one in found if one]
        self.inside = inside
        self.certain = True  # no other way to read the headings is as likely
        self.output = self._most_frequent("output")
        self.numbered = self.output is not None and self.output[1]
        self.input = self._most_frequent("input")
        self.instruction = self._most_frequent("instruction")

    def _most_frequent(self, name: str) -> Key | None:
        """Return the spelling of a field. In a list with numbers, it has one too."""
        groups = Counter(_key(one) for one in self.marks if one.field == name)
        if name != "output":
            numbered = self.numbered if name == "input" or self.numbered else None
            groups = Counter({key: count for key, count in groups.items() if numbered is None or key[1] == numbered})
        best, certain = _best(groups)
        self.certain = self.certain and certain
        return best

    def visible(self) -> list[str]:
        """Return the lines, without the invisible characters that stand before each of them if they stand before a heading."""
        marked = any(self.lines[one.line][:1] in INVISIBLE for one in self.marks if self.chosen(one))
        return [line.lstrip(INVISIBLE) for line in self.lines] if marked else self.lines

    def separators(self) -> str:
        """Return the kind of separator between the tasks of a list whose headings all have a number."""
        begins = [one.line for one in self.marks if self.chosen(one) == "instruction"]
        kinds = Counter(filter(None, map(self._separator_before, begins[1:])))
        return kinds.most_common(1)[0][0] if kinds else "###"

    def heading(self, line: str) -> Heading | None:
        """Return the heading that a line is, in a list whose headings all have the number of the item."""
        one = mark(line)
        if one is None or one.number is None or self.chosen(one) is None:
            return None
        return one.number, one.field, one.rest

    def chosen(self, one: Mark) -> str | None:
        """Return the field of a mark if it is in the spelling of this reply."""
        picked = {"instruction": self.instruction, "input": self.input, "output": self.output}.get(one.field)
        return one.field if picked is not None and _key(one) == picked else None

    def read(self, cut: bool) -> list[Draft]:
        """Return the tasks of a reply in which not every heading has a number. `cut` says that the last may be incomplete."""
        begins = self._begins()
        by_line = {one.line: one for one in self.marks if self.chosen(one)}
        kinds = Counter(filter(None, (self._separator_before(one.line) for one in begins[1:])))
        kind = kinds.most_common(1)[0][0] if kinds else ""
        starts = {one.line: one for one in begins}
        drafts = [Draft()]
        current = drafts[0].fields.setdefault("preface", [])
        previous_field = ""
        for number, line in enumerate(self.lines):
            begin = starts.get(number)
            one = by_line.get(number)
            if begin is not None:
                draft = Draft(separated=bool(kind) and self._separator_before(number) == kind, number=begin.number)
                drafts.append(draft)
                current, previous_field = draft.fields.setdefault("title", []), ""
                if begin.field == "item" and self.instruction is None:
                    current, previous_field = draft.fields.setdefault("instruction", []), "instruction"
                if begin.field == "item":
                    current.append(begin.rest)
                    continue
            if one is None:
                current.append(line)
                self._check_inside(number, previous_field, drafts[-1])
                continue
            draft = drafts[-1]
            if ORDER.index(one.field) <= ORDER.index(previous_field or "title") or one.field in draft.fields:
                draft.problem = draft.problem or f"{one.word!r} stands where no {one.field} is expected"
                current.append(line)
                continue
            if (
                one.field != "instruction"
                and "instruction" not in draft.fields
                and strip("\n".join(draft.fields.get("preface", ())))
            ):
                draft.fields["instruction"] = draft.fields.pop("preface")
            current, previous_field = draft.fields.setdefault(one.field, []), one.field
            current.append(one.rest)
        return self._finished(drafts, kind, cut)

    def _check_inside(self, number: int, name: str, draft: Draft) -> None:
        """Note a line that could be the true output heading, in a field before the output."""
        if name not in ("instruction", "input") or number in self.inside:
            return
        one = mark(self.lines[number])
        if one and one.field == "output" and self.output and (one.number is not None, one.look) == self.output[1:]:
            draft.problem = draft.problem or f"{one.word!r} could begin the output"

    def _begins(self) -> list[Mark]:
        """Return the marks at which the tasks begin."""
        instructions = [one for one in self.marks if self.chosen(one) == "instruction"]
        outputs = sum(self.chosen(one) == "output" for one in self.marks)
        if instructions and 2 * len(instructions) >= outputs:
            at = {one.line for one in instructions}
            labels = [one for one in self.marks if one.field == "item" and self._next(one.line) in at]
            return labels if 2 * len(labels) > len(instructions) else instructions
        self.instruction = None
        return self._numbered_lines()

    def _numbered_lines(self) -> list[Mark]:
        """Return the marks of tasks that begin with their number and no word: `4. Name three ways …`."""
        starts: list[Mark] = []
        waiting = True  # for a task: its output has not begun
        for one in self.marks:
            if self.chosen(one) == "output":
                waiting = False
            elif one.field == "item" and one.number is not None and (one.rest or one.labelled):
                follows = not starts or one.number == (starts[-1].number or 0) + 1
                apart = one.line == 0 or not strip(self.lines[one.line - 1]) or bool(separator(self.lines[one.line - 1]))
                if follows and (apart or one.labelled) and not (waiting and starts):
                    starts.append(one)
                    waiting = True
        return starts

    def _next(self, number: int) -> int:
        """Return the number of the next line that is not empty."""
        return next((after for after in range(number + 1, len(self.lines)) if strip(self.lines[after])), -1)

    def _separator_before(self, number: int) -> str:
        """Return the kind of separator on the last line before this one that is not empty, or ""."""
        before = next((line for line in reversed(self.lines[:number]) if strip(line)), "")
        return separator(before)

    def _finished(self, drafts: list[Draft], kind: str, cut: bool) -> list[Draft]:
        """Return the drafts without separators, and with the doubts that their neighbours cast on them."""
        first, *others = drafts
        found = ([first] if "output" in first.fields else []) + others
        for number, draft in enumerate(found):
            self._cut_separator(draft, kind, last=number == len(found) - 1)
        note_doubts(found, cut, counted=True)
        dedent(found)
        return found

    def _cut_separator(self, draft: Draft, kind: str, last: bool) -> None:
        lines = next(reversed(draft.fields.values()))
        while lines and not strip(lines[-1]):
            lines.pop()
        ending = separator(lines[-1]) if lines else ""
        if ending and (ending == kind or (last and (not kind or ending == "###"))):
            lines.pop()
            while lines and not strip(lines[-1]):
                lines.pop()
            if lines and separator(lines[-1]) == ending:
                draft.problem = draft.problem or "a separator at its end could be part of its text"
        elif last and kind and any(separator(line) == kind for line in lines):
            place = max(number for number, line in enumerate(lines) if separator(line) == kind)
            if kind == "###" or CHAT_ABOUT_THE_LIST.fullmatch(strip("\n".join(lines[place + 1 :]))):
                del lines[place:]
            else:
                draft.problem = draft.problem or "text after the last separator could be part of it"


ORDER = ("title", "preface", "instruction", "input", "output")


class Neighbour(Protocol):
    """A task that is being read, as far as its neighbours have to know it."""

    number: int | None
    separated: bool
    fields: dict[str, list[str]]
    problem: str


def note_doubts(drafts: Sequence[Neighbour], cut: bool, counted: bool = False) -> None:
    """Give a problem to two tasks in a row if the second may be a part of the first.

    It may be if it has no separator where most tasks have one, if a heading of it is missing, or, where `counted`, if its number
    is not the next one. The last task of a reply that was cut may lack its output.
    """
    uses = 2 * sum(draft.separated for draft in drafts[1:]) > len(drafts[1:])
    for before, draft in zip(drafts, drafts[1:], strict=False):
        whole = "output" in draft.fields or (cut and draft is drafts[-1] and not uses)
        next_one = before.number is None or draft.number is None or draft.number == before.number + 1
        if not draft.separated and (uses or not whole or "instruction" not in draft.fields or (counted and not next_one)):
            before.problem = before.problem or "this task and the next could be divided in another way"
            draft.problem = draft.problem or "this task and the one before could be divided in another way"


def dedent(drafts: Sequence[Draft]) -> None:
    """Remove the indentation of a Markdown list from the lines of all fields, if each line has it."""
    fields = [lines for draft in drafts for name, lines in draft.fields.items() if name in ("instruction", "input", "output")]
    following = [line for lines in fields for line in lines[1:] if strip(line)]
    begun = [lines[1] for lines in fields if len(lines) > 1 and not strip(lines[0]) and strip(lines[1])]
    if not following or not begun:
        return
    width = min(len(line) - len(line.lstrip(" ")) for line in following)
    if width and any(len(line) - len(line.lstrip(" ")) == width for line in begun):
        for lines in fields:
            lines[1:] = [line[width:] if line.startswith(" " * width) else line for line in lines[1:]]


def unquoted(lines: Sequence[str]) -> list[str]:
    """Return the lines without the sign of a block quote, if every line has it."""
    written = [line for line in lines if strip(line)]
    if written and all(line.lstrip().startswith(">") for line in written):
        return [re.sub(r"^[ \t]*>[ \t]?", "", line) for line in lines]
    return list(lines)


def without_closing_line(output: str) -> tuple[str, str]:
    """Return the last output without a closing line of the chat, and the reason if it is not certain that there is one."""
    before, gap, last = output.rpartition("\n\n")
    if not gap or len(last) > 300 or "\n" in last:
        return output, ""
    if CHAT_ABOUT_THE_LIST.fullmatch(last):
        return before.rstrip(), ""
    return (output, "its last line could be the end of the chat") if CHAT.fullmatch(last) else (output, "")


def _key(one: Mark) -> Key:
    """Return how a mark is spelled: its word, whether it has a number, and its look where it has none."""
    return one.word, one.number is not None, "" if one.number is not None else one.look


def _best(groups: Counter[Key]) -> tuple[Key | None, bool]:
    """Return the most frequent spelling of a field, and False if another one is as frequent."""
    first, *others = groups.most_common(2) or [(None, 0)]
    return first[0], not any(count == first[1] for _, count in others)
