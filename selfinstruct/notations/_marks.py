"""The lines of a reply that may be headings, separators or code blocks, in whatever spelling."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from selfinstruct.notations._words import HEADINGS, ITEMS, field_of, pattern

INVISIBLE = "\u200b\u2060\ufeff"
_PAD = rf"[ \t\u00a0\u3000{INVISIBLE}]*"
_MARK = re.compile(
    rf"(?P<indent>{_PAD})(?P<quote>(?:>{_PAD})*)(?P<bullet>(?:[-+*•‣◦▪][ \t\u00a0]+)?)"
    rf"(?P<hashes>(?:\#{{1,6}}{_PAD})?)(?P<emphasis>[*_]{{0,3}}){_PAD}"
    rf"(?:(?P<item>{pattern(ITEMS)}){_PAD}[.:：#№]?{_PAD}(?=[\[(]?\d)|[#№](?=\d))?"
    rf"(?:[\[(（【]?(?P<number>\d{{1,4}})(?!\d)(?P<dot>{_PAD}(?:[.):：、．）\]】]|[-–—](?=[ \t]))?(?![\d]))"
    rf"{_PAD}(?P<inner>[*_]{{0,3}}))?"
    rf"(?:(?:{_PAD}[-–—:：])?{_PAD}[*_]{{0,3}}{_PAD}(?P<bracket>[\[【]?)(?P<word>{HEADINGS})[\]】]?"
    rf"(?:{_PAD}[#№(-]?{_PAD}(?P<after>\d{{1,4}})[)]?)?"
    rf"(?P<close>{_PAD}[*_]{{0,3}}{_PAD}[:：﹕]|{_PAD}[*_]{{0,3}}{_PAD}$))?",
    re.IGNORECASE,
)
_WHITE = " \t\u00a0\u3000" + INVISIBLE
_SEPARATOR = re.compile(
    r"###|(?:[-—–⸺⸻][ \t]*){3,}|(?:\*[ \t]*){3,}"
    r"|(?:_[ \t]*){3,}|(?:=[ \t]*){3,}|(?:~[ \t]*){4,}|<hr ?/?>",
    re.IGNORECASE,
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
        column: The number of characters before its word, with its bullet or number.
        labelled: True if it has a word such as Task, or signs, beside its number.
    """

    line: int
    field: str
    word: str
    number: int | None
    look: str
    rest: str
    indent: int
    column: int = 0
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
    look += found["bracket"] or ""
    count = found["number"] or found["after"]
    value, rest, indent = int(count) if count else None, line[found.end() :], len(found["indent"])
    column = found.start("inner") if found["number"] else found.start("emphasis")
    if found["word"]:
        colon = bool(found["close"].strip(f"*_ \t\u00a0{INVISIBLE}"))
        if not colon and not (found["hashes"] or found["emphasis"] or found["inner"] or found["bracket"]):
            return None  # a line that is only this word
        opened = (found["emphasis"] or "") + (found["inner"] or "")
        if opened and not re.search(r"[*_]", found["close"]):
            rest = rest.removeprefix(found["inner"] or found["emphasis"])
        emphasis = "*" if found["inner"] and not look else ""
        return Mark(
            number, field_of(found["word"]), found["word"].casefold(), value, look + emphasis, rest.lstrip(_WHITE), indent, column
        )
    if found["number"] is None:
        return None
    labelled = bool(found["item"] or found["hashes"] or found["emphasis"]) and not found["bullet"]
    if not (labelled or found["dot"].strip()):
        return None
    rest = line[found.end("dot") :].strip(_WHITE)
    if emphasis := found["emphasis"]:
        rest = rest.removeprefix(emphasis).strip(_WHITE) if rest.startswith(emphasis) else rest.removesuffix(emphasis)
    return Mark(number, "item", "", value, look, rest, indent, column, labelled)


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


def strip(text: str) -> str:
    """Return a text without white space and invisible characters around it."""
    return text.strip().strip(INVISIBLE + " \t\n\u00a0\u3000")


def unquoted(lines: Sequence[str]) -> list[str]:
    """Return the lines without the sign of a block quote, if every line has it."""
    written = [line for line in lines if strip(line)]
    if written and all(line.lstrip().startswith(">") for line in written):
        return [re.sub(r"^[ \t]*>[ \t]?", "", line) for line in lines]
    return list(lines)
