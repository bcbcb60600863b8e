"""A numbered list of instructions, as Self-Instruct writes them: `1. ...`, `2. ...`. Other requests solve them.

It also reads `1)`, `1 -`, `**1.**`, `Task 1:`, block quotes, a list in a code block, and bullets where nothing has a number. It
leaves out opening and closing lines of a chat.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.notations._endings import end_list, opens_a_chat
from selfinstruct.notations._marks import unquoted
from selfinstruct.notations._words import ITEMS, pattern
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_NUMBER = re.compile(
    rf"(?P<indent>[ \t]*)(?:\#{{1,6}}[ \t]+)?(?P<bold>[*_]{{0,2}})"
    rf"(?P<word>(?:(?:{pattern(ITEMS)})[ \t]+)?\#?)[\[(]?(?P<number>\d{{1,4}})"
    r"(?P<sign>[ \t]*[.)\]:：．）]{1,2}|、|[ \t]+[-–—](?=[ \t]))(?P<close>[*_]{0,2}:?)(?:[ \t]+|(?<=[、：．）])|$)",
    re.IGNORECASE,
)
_BULLET = re.compile(r"[-*•‣–—][ \t]+")
_FENCE = re.compile(r"(```+|~~~+)\w*\s*$")


def listed() -> Notation:
    """Write instructions as a numbered list."""
    return _Listed()


class _Listed:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the instructions, numbered from `start`. A line inside one that looks like a number gets a backslash."""
        return "\n".join(f"{number}. {_escaped(example.instruction)}" for number, example in enumerate(examples, start))

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return a task for each number. Text before the first number is a task too: the prompt may end with its number."""
        items = _items(_unwrapped(clean(text).split("\n")))
        if len(items) > 1 and not items[0].follows and _announces(items[0].text):
            del items[0]
        cut = {TOKEN_LIMIT: "truncated", CONTENT_FILTER: "content_filter"}.get(finish_reason)
        if cut:
            items[-1].defect = ParseDefect(cut, "the reply ended in this item")
        elif len(items) > 1 and (doubt := end_list(items[-1].lines, "")):
            items[-1].defect = ParseDefect("malformed", doubt)
        return [item.task() for item in items]

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields: this notation needs none."""
        return {}


@dataclass
class _Item:
    """An instruction that is being read.

    Attributes:
        number: Its number, 0 if it has none.
        lines: Its lines.
        follows: True if the number of the next item is the next one.
        defect: The reason why it cannot be used.
    """

    number: int
    lines: list[str]
    follows: bool = False
    defect: ParseDefect | None = None

    @property
    def text(self) -> str:
        """The instruction."""
        return clean("\n".join(self.lines))

    def task(self) -> ParsedTask:
        """Return the item as a task."""
        return ParsedTask(self.text, defect=self.defect or (None if self.text else ParseDefect("empty_reply")))


def _items(lines: Sequence[str]) -> list[_Item]:
    """Return the items of a list. Where its numbers begin again inside, items that may be parts of others are rejections."""
    found = [_NUMBER.match(line) for line in lines]
    first = next(filter(None, found), None)
    numbers = [number if first and number and _style(number) == _style(first) else None for number in found]
    equal = len({int(number["number"]) for number in numbers if number}) == 1
    items: list[_Item] = []
    problem = ""
    for line, number in zip(lines, numbers, strict=True):
        value, last = int(number["number"]) if number else 0, items[-1].number if items else 0
        if number and len(items) == 1 and last >= value and not equal and _announces(items[0].text):
            items.clear()
        if number and (equal or not items or value > items[-1].number):
            if items:
                items[-1].follows = last > 0 and value == last + 1
            items.append(_Item(value, [_rest(line, number)]))
        elif items:
            problem = f"the number {value} in item {last}" if number else problem
            items[-1].lines.append(_unescaped(line))
        else:
            items.append(_Item(0, [line]))
        if problem:
            items[-1].defect = ParseDefect("malformed", problem)
    bullets = _bullets(items) if len(items) == 1 else []
    for item in items:
        opening = item.lines[0]
        item.lines[0] = opening[1:] if opening.startswith("\\") and _BULLET.match(opening.lstrip("\\")) else opening
    return bullets or items


def _announces(text: str) -> bool:
    """Return True if a text before a list is its title, or an opening line of a chat."""
    return opens_a_chat(text) or bool(re.fullmatch(r"#{1,6} .*|\*\*.*\*\*:?", text))


def _bullets(items: list[_Item]) -> list[_Item]:
    """Return an item for each bullet if the only item is a list of bullets, else no items."""
    (item,) = items
    written = [line for line in item.lines if line.strip()]
    first = next((number for number, line in enumerate(written) if _BULLET.match(line)), len(written))
    if len(written) - first < 2 or (first and not (first == 1 and opens_a_chat(written[0]) and not item.number)):
        return []
    found: list[_Item] = []
    sign = written[first][0]
    for line in written[first:]:
        if line.startswith(sign) and (bullet := _BULLET.match(line)):
            found.append(_Item(0, [line[bullet.end() :]]))
        else:
            found[-1].lines.append(line)
    return found


def _style(number: re.Match[str]) -> tuple[str, bool, str]:
    return number["sign"].strip(), bool(number["word"]), number["indent"]


def _rest(line: str, number: re.Match[str]) -> str:
    """Return the text after a number. Where `**1. text**` is bold as a whole, the signs are left out."""
    rest = line[number.end() :]
    bold = number["bold"]
    return rest.removesuffix(bold) if bold and not number["close"].strip(":") else rest


def _unwrapped(lines: Sequence[str]) -> list[str]:
    """Return the lines without block quote signs and without a code block around the whole list."""
    inside = unquoted(lines)
    if len(inside) > 2 and _FENCE.match(inside[0]) and _FENCE.fullmatch(inside[-1]):
        return inside[1:-1]
    return inside


def _escaped(text: str) -> str:
    first, *others = text.split("\n")
    first = "\\" + first if _BULLET.match(first.lstrip("\\")) else first
    return "\n".join([first, *("\\" + line if _NUMBER.match(line.lstrip("\\")) else line for line in others)])


def _unescaped(line: str) -> str:
    return line[1:] if line.startswith("\\") and _NUMBER.match(line.lstrip("\\")) else line
