"""Formatting for a terminal: counts, durations, US dollars, wrapped columns, text without control characters."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import unicodedata
from typing import TextIO

from selfinstruct.text import UNSAFE_ON_A_TERMINAL

_UNSAFE = re.compile(f"[{UNSAFE_ON_A_TERMINAL}]")
_NO_BREAK = "\xa0"
_UNBROKEN = re.compile(r"(?<=\d) (?=[a-z])|(?<!\S)`[^`]{1,60}`|\[default: [^\]]{1,30}\]")  # a number keeps its noun
_LEAST_DOLLARS = 0.0001
_WIDEST = 120  # columns: longer lines are hard to read
_NARROWEST = 40  # columns of a wrapped text, however narrow the terminal is
_SHORTEST = 10  # columns of any text


def short(number: int) -> str:
    """Return a count in at most five characters, such as 950, 12.3k or 4.56M."""
    if number < 1_000:
        return str(number)
    return f"{number / 1e3:.3g}k" if number < 999_500 else f"{number / 1e6:.3g}M"


def clock(seconds: float) -> str:
    """Return a duration as m:ss or h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def dollars(amount: float) -> str:
    """Return US dollars as text: two decimals from $1 on, four below."""
    if 0 < amount < _LEAST_DOLLARS:
        return f"under ${_LEAST_DOLLARS}"
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"


def tally(counts: dict[str, int]) -> str:
    """Return counts by name, such as "12 rouge, 3 refusal", or "none"."""
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def safe(text: str) -> str:
    """Return text with control characters made visible, so that it cannot move the cursor or fake a prompt."""
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def columns() -> int:
    """Return the columns to use of the terminal: 80 if there is none, and at most 120."""
    return min(_WIDEST, shutil.get_terminal_size().columns)


def wrapped(text: str, width: int) -> list[str]:
    """Return the lines of a text. A number keeps its noun, and a quoted command or a default is not broken."""
    text = _UNBROKEN.sub(lambda found: found[0].replace(" ", _NO_BREAK), text)
    lines = textwrap.wrap(text, max(_SHORTEST, width), break_long_words=False, break_on_hyphens=False) or [""]
    return [line.replace(_NO_BREAK, " ") for line in lines]


def labelled(label: str, text: str, indent: int) -> str:
    """Return a label with a text beside it, wrapped to the terminal, each line of it from column `indent` on.

    The text begins on the next line if the label is too long.
    """
    lines = wrapped(text, max(_NARROWEST, columns() - indent))
    margin = f"\n{'':{indent}}"
    return (f"{label:{indent}}" if len(label) < indent else label + margin) + margin.join(lines)


def folded(text: str, stream: TextIO | None = None) -> str:
    """Return a text with its long lines broken between words if `stream` is a terminal, else unchanged.

    `stream` is standard output by default. Python has none where a process was started without it.
    """
    stream = stream or sys.stdout
    if not stream or not stream.isatty():
        return text
    return "\n".join(_folded_line(line, max(_NARROWEST, columns())) for line in text.split("\n"))


def _folded_line(line: str, width: int) -> str:
    if len(line) <= width:
        return line
    indent = line[: len(line) - len(line.lstrip())]
    return "\n".join(f"{indent}{part}" for part in wrapped(line, width - len(indent)))


def width_of(text: str) -> int:
    """Return the columns that a text takes on a terminal: two for each wide character, none for a combining one."""
    return sum(0 if unicodedata.combining(one) else 1 + (unicodedata.east_asian_width(one) in "WF") for one in text)


def cut(text: str, width: int) -> str:
    """Return a text on one line, without control characters, in at most `width` columns."""
    text = safe(" ".join(text.split()))
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 3:
        text = text[:-1]
    return f"{text.rstrip()}..."


def command(text: str) -> None:
    """Print a line with a command to standard error. It is never broken, so that it can be copied as a whole."""
    print(safe(text), file=sys.stderr, flush=True)


def note(text: str) -> None:
    """Print a line for the user to standard error, so that standard output has only what a program may read."""
    print(folded(safe(text), sys.stderr), file=sys.stderr, flush=True)
