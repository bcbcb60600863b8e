"""Find out how a reply spells its list of tasks, and read it.

Teachers are asked for `4. Instruction:`, and answer with `### Task 4`, `**Instruction:**`, `4) 指令:` and more. The spelling of
a reply is found by counting its headings. Then only lines in this spelling are headings, so that an output may hold other ones.
What could be read in two ways gets a problem: no guess puts the text of a task into another field.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from selfinstruct.notations._drafts import Draft, dedent, note_doubts
from selfinstruct.notations._endings import end_list, opens_a_chat, trim
from selfinstruct.notations._marks import INVISIBLE, Mark, fences, mark, separator, strip, unquoted
from selfinstruct.notations._words import of_one_language

Key = tuple[str, bool, str]  # a heading's word, True if it has a number, and its look where it has none
Heading = tuple[int, str, str]  # the number of the item, the field, and the rest of the line
ORDER = ("title", "preface", "instruction", "input", "output")


class Spelling:
    """The spelling of one reply: which of its lines are headings."""

    def __init__(self, lines: Sequence[str]) -> None:
        self.lines = unquoted(lines)
        self.inside = {number for first, last in fences(self.lines) for number in range(first + 1, last + 1)}
        found = [one for one in map(mark, self.lines, range(len(self.lines))) if one]
        self.marks = [one for one in found if one.line not in self.inside]
        self.hidden = [one for one in found if one.line in self.inside]
        self.certain = True  # no other way to read the headings is as likely
        self.output = self._most_frequent("output")
        self.numbered = self.output is not None and self.output[1]
        self.input = self._most_frequent("input")
        self.instruction = self._most_frequent("instruction")
        firsts = {one.field: one for one in reversed(self.marks) if one.field != "item"}
        self.certain = self.certain and all(map(self.chosen, firsts.values()))
        self.certain = self.certain and not self._looks_differ()
        self.certain = self.certain and self._one_language() and not (self.numbered and self._is_numbered_twice())
        self._before = _neighbours(self.lines)
        self._after = [len(self.lines) - 1 - number for number in reversed(_neighbours(self.lines[::-1]))]

    def _most_frequent(self, name: str) -> Key | None:
        """Return the spelling of a field. In a list with numbers, it has one too."""
        groups = _groups(self.marks, name)
        if name != "output":
            numbered = self.numbered if name == "input" or self.numbered else None
            groups = Counter({key: count for key, count in groups.items() if numbered is None or key[1] == numbered})
        if not groups:
            self.certain = self.certain and not (name == "input" and _groups(self.hidden, name))
            return None
        (best, count), *others = groups.most_common(2)
        hidden = _groups(self.hidden, name)
        if any(other == count for _, other in others) or any(other >= count for key, other in hidden.items() if key != best):
            self.certain = False
        return best

    def _looks_differ(self) -> bool:
        """Return True if a field has another look than the instruction, though some heading of it has the same look."""
        if self.instruction is None:
            return False
        look = self.instruction[1:]
        return any(
            picked is not None and picked[1:] != look and any(key[1:] == look for key in _groups(self.marks, name))
            for name, picked in (("input", self.input), ("output", self.output))
        )

    def _one_language(self) -> bool:
        """Return False if the word for the input is of another language, and is not in each of several tasks."""
        words = [key[0] for key in (self.instruction, self.input, self.output) if key]
        if self.input is None or self.output is None or of_one_language(words):
            return True
        return 1 < _groups(self.marks, "input")[self.input] == _groups(self.marks, "output")[self.output]

    def _is_numbered_twice(self) -> bool:
        """Return True if a heading with the number of a task is spelled in another way than most."""
        numbers = {one.number for one in self.marks if self.chosen(one) == "instruction"}
        return any(one.field != "item" and one.number in numbers and not self.chosen(one) for one in self.marks)

    def visible(self) -> list[str]:
        """Return the lines, without the invisible characters that stand before each of them if they stand before a heading."""
        marked = any(self.lines[one.line][:1] in INVISIBLE for one in self.marks if self.chosen(one))
        return [line.lstrip(INVISIBLE) for line in self.lines] if marked else self.lines

    def separator(self) -> str:
        """Return the kind of separator between the tasks of a list whose headings all have a number."""
        return self._kind([one for one in self.marks if self.chosen(one) == "instruction"]) or "###"

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
        kind = self._kind(begins)
        starts = {one.line: one for one in begins}
        headings = {one.line: one for one in self.marks if self.chosen(one)}
        others = {one.line: one for one in [*self.marks, *self.hidden]}
        drafts = [Draft()]
        name, current = "preface", drafts[0].fields.setdefault("preface", [])
        for number, line in enumerate(self.lines):
            if begin := starts.get(number):
                drafts.append(Draft(begin.number, bool(kind) and self._separator_before(number) == kind))
                name = "instruction" if begin.field == "item" and self.instruction is None else "title"
                current = drafts[-1].fields.setdefault(name, [])
                if begin.field == "item":
                    current.append(begin.rest)
                    continue
            draft, one = drafts[-1], headings.get(number)
            if one is not None and self._continues(draft, name, one):
                if one.field != "instruction" and "instruction" not in draft.fields:
                    self._preface_is_instruction(draft)
                name, current = one.field, draft.fields.setdefault(one.field, [])
                current.append(one.rest)
                continue
            if number in others and self._doubtful(others[number], name, draft):
                draft.doubt(f"the line {line.strip()[:40]!r} could begin another field")
            current.append(line)
        return self._finished(drafts, kind, cut)

    def _continues(self, draft: Draft, name: str, one: Mark) -> bool:
        """Return True if a heading begins the next field of a task."""
        return ORDER.index(one.field) > ORDER.index(name) and one.field not in draft.fields

    def _preface_is_instruction(self, draft: Draft) -> None:
        """Take the text before the first heading as instruction: a reply may go on where the prompt ended."""
        preface = draft.fields.get("preface", [])
        if strip("\n".join(preface)):
            draft.fields = {"instruction": draft.fields.pop("preface")}
            if any(map(mark, preface)) or opens_a_chat(strip(preface[0])) or any(map(separator, preface)):
                draft.doubt("the text before the first heading is not only an instruction")

    def _doubtful(self, one: Mark, name: str, draft: Draft) -> bool:
        """Return True if a line inside a field could be a true heading: of this task, or in a code block of the next one."""
        if name in ("preface", "title"):
            return False
        hidden = one.line in self.inside
        if self.chosen(one):
            return not hidden or one.field == "instruction" or name != "output"
        if one.field == "item":
            return hidden and one.number is not None and draft.number is not None and one.number == draft.number + 1
        if name == "output":
            return False
        picked = {"input": self.input, "output": self.output}.get(one.field) or (
            self.output if one.field != "instruction" else None
        )
        return picked is not None and (one.number is not None, one.look) == (picked[1], picked[2])

    def _begins(self) -> list[Mark]:
        """Return the marks at which the tasks begin."""
        instructions = [one for one in self.marks if self.chosen(one) == "instruction"]
        outputs = sum(self.chosen(one) == "output" for one in self.marks)
        self.certain = self.certain and not 0 < 2 * len(instructions) < outputs
        if instructions and 2 * len(instructions) >= outputs:
            at = {one.line for one in instructions if one.number is None}
            labels = [
                one
                for one in self.marks
                if one.field == "item" and self._after[one.line] in at and (one.labelled or not one.rest)
            ]
            if 2 * len(labels) > len(instructions):
                return labels
            self.certain = self.certain and not labels
            return instructions
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
                like = not starts or (one.labelled, one.look) == (starts[0].labelled, starts[0].look)
                follows = like and (not starts or one.number == (starts[-1].number or 0) + 1)
                before = self.lines[one.line - 1] if one.line else ""
                if follows and (not strip(before) or separator(before) or one.labelled) and not (waiting and starts):
                    starts.append(one)
                    waiting = True
        return starts

    def _kind(self, begins: Sequence[Mark]) -> str:
        """Return the kind of separator that most tasks have before them, or ""."""
        kinds = Counter(filter(None, (self._separator_before(one.line) for one in begins[1:])))
        return kinds.most_common(1)[0][0] if kinds else ""

    def _separator_before(self, number: int) -> str:
        """Return the kind of separator on the last line before this one that is not empty, or ""."""
        before = self._before[number]
        return separator(self.lines[before]) if before >= 0 else ""

    def _finished(self, drafts: list[Draft], kind: str, cut: bool) -> list[Draft]:
        """Return the drafts without separators, and with the doubts that their neighbours cast on them."""
        first, *others = drafts
        found = ([first] if "output" in first.fields else []) + others
        for draft in found[:-1]:
            lines = next(reversed(draft.fields.values()))
            trim(lines, kind)
            if kind and lines and separator(lines[-1]) == kind:
                draft.doubt("a separator at its end could be part of its text")
        if found and not cut:
            lines = next(reversed(found[-1].fields.values()))
            found[-1].doubt(end_list(lines, kind or ("###" if len(found) == 1 else "")))
        before = first.fields.get("preface") or (first.fields.get("instruction", []) if first.problem else [])
        if others and any(one.field == "item" and one.rest for one in map(mark, before) if one):
            for draft in found:
                draft.doubt("the text before the first heading could be a part of the list")
        if self._labels_are_unread():
            for draft in found:
                draft.doubt("the line before each task could be its title")
        note_doubts(found, cut, counted=True)
        dedent(found, self._columns())
        return found

    def _labels_are_unread(self) -> bool:
        """Return True if the lines before all tasks differ in a number only: then they are titles, not the ends of outputs."""
        begins = [one.line for one in self._begins()]
        before = [self.lines[self._before[line]] if self._before[line] >= 0 else "" for line in begins]
        shapes = {re.sub(r"\d+", "0", line.strip()) for line in before}
        return len(begins) > 1 and len(shapes) == 1 and not any(map(separator, before)) and bool(strip(before[0]))

    def _columns(self) -> dict[str, int]:
        """Return the place of each field's heading on its line, if headings have a bullet or an indentation."""
        chosen = [one for one in self.marks if self.chosen(one)]
        nested = any(one.field == "output" and (one.indent or "-" in one.look) for one in chosen)
        return {one.field: one.column for one in chosen} if nested else {}


def _key(one: Mark) -> Key:
    """Return how a mark is spelled: its word, whether it has a number, and its look where it has none."""
    return one.word, one.number is not None, "" if one.number is not None else one.look


def _groups(marks: Iterable[Mark], name: str) -> Counter[Key]:
    """Count the spellings of a field's heading."""
    return Counter(_key(one) for one in marks if one.field == name)


def _neighbours(lines: Sequence[str]) -> list[int]:
    """Return for each line the number of the last line before it that is not empty, or -1."""
    found, last = [], -1
    for number, line in enumerate(lines):
        found.append(last)
        if strip(line):
            last = number
    return found
