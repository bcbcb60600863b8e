"""Where a text is split into passages: at the ends of paragraphs, and never at two headings.

A passage is an exact piece of its text: all that is between two of them is white space (and the front matter of Markdown),
so nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import itertools
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

_SMALL = 4  # a piece with less than a fourth of the words wanted joins its neighbour, though that makes one a little larger
_ROOM = 1.25  # by how much, at most
_UNEVEN = 1.15  # how much larger than the mean a part of a paragraph may be
_LONGEST_FENCE = 8  # times the words wanted: longer code is split at line ends, as no reader wants it whole

# A letter of a script without spaces counts as a word; of what has no end, such as base64, each 24 characters do.
_NO_SPACES = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORD = re.compile(rf"[{_NO_SPACES}]|[^\s{_NO_SPACES}]{{1,24}}")
_SENTENCE_END = re.compile(r"""[.!?…]["'”’»)\]]*\s+|[。！？]["'”’」』）]*\s*""")  # noqa: RUF001 (they are what they look like)
_LINE_END = re.compile(r"\n")

_LONGEST_TITLE = 120  # characters of one heading in a title
_HEADING = re.compile(r" {0,3}(#{1,6})(?=\s)")
_UNDERLINE = re.compile(r" {0,3}(?:={2,}|-{2,})[ \t]*\n?\Z")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^\n]*)\n?\Z")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=\s*[\w\"'.-]+[ \t]*:)(.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_YAML_LINE = re.compile(r"\s*(?:#.*|-(?:\s.*)?|[\w\"'.-][^:]*:(?:\s.*)?)?\Z|\s+.*\Z")


def split(text: str, words: int, *, markdown: bool = False, name: str = "") -> list[tuple[int, int, str]]:
    """Where the passages of a text begin and end, with the headings that each stands under (or a name for the whole).

    Only a huge paragraph is split, at the ends of sentences.
    """
    blocks = [_stripped(text, block) for block in (_markdown_blocks(text) if markdown else _paragraphs(text))]
    count = _counter(text)
    pieces = [piece for block in _led(text, blocks) for piece in _pieces(text, block, words, count)]
    whole = next((block.title for block in blocks if block.title), name)
    joined = _joined(_joined(pieces, words, count), words, count, _ROOM)
    return [(piece.start, piece.end, piece.title or whole) for piece in joined]


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of a document: its place, the headings over it, and whether it is a heading or code itself."""

    start: int
    end: int
    title: str = ""
    is_heading: bool = False
    is_code: bool = False

    def to(self, other: _Block) -> _Block:
        """This one and the next one as one."""
        return _Block(self.start, other.end, other.title, is_code=other.is_code)


_Count = Callable[[int, int], int]  # how many words there are between two places of a text


def as_title(text: str) -> str:
    """A text as one line, cut where it is too long for a title."""
    title = " ".join(text.split())
    return title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE].rstrip()}..."


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Where the lines of a text begin and end, the line feed with them."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        start = end


def _paragraphs(text: str) -> Iterator[_Block]:
    """What stands between blank lines."""
    start = None
    for begin, end in _spans(text):
        if not text[begin:end].strip():
            if start is not None:
                yield _Block(start, begin)
            start = None
        elif start is None:
            start = begin
    if start is not None:
        yield _Block(start, len(text))


def _markdown_blocks(text: str) -> Iterator[_Block]:
    """Headings, code between fences, and paragraphs; front matter is passed over."""
    first = _front_matter(text)
    lines = [(start, end) for start, end in _spans(text) if start >= first]
    fences = _fences(text, lines)
    path: list[tuple[int, str]] = []
    start: int | None = None  # of the paragraph that is being read
    title, number = "", 0
    while number < len(lines):
        begin, end = lines[number]
        after = fences.get(number, 0)
        level, heading = (0, "") if after else _heading(text[begin:end])
        if not (after or level) and start is None and number + 1 < len(lines):
            level, heading = _underlined(text[begin:end], text[slice(*lines[number + 1])])
            after = number + 2 if level else 0
        after = after or number + 1
        if start is not None and (number in fences or level or not text[begin:end].strip()):
            yield _Block(start, begin, title)
            start = None
        if level:
            path = [*(above for above in path if above[0] < level), (level, heading)]
            title = " > ".join(name for _, name in path if name)
        if number in fences or level:
            yield _Block(begin, lines[after - 1][1], title, is_heading=bool(level), is_code=not level)
        elif start is None and text[begin:end].strip():
            start = begin
        number = after
    if start is not None:
        yield _Block(start, len(text), title)


def _front_matter(text: str) -> int:
    """Where the text begins after its front matter; what does not look like YAML is text."""
    found = _FRONT_MATTER.match(text)
    if not found:
        return 0
    inside = found[0].rstrip().split("\n")[1:-1]
    return found.end() if all(_YAML_LINE.match(line) for line in inside) else 0


def _heading(line: str) -> tuple[int, str]:
    """The level and the words of a heading that begins with number signs; level 0 if it is none."""
    found = _HEADING.match(f"{line}\n")
    if not found:
        return 0, ""
    words = line[found.end() :].strip()
    name = words.rstrip("#")
    return len(found[1]), as_title(name if not name or name[-1].isspace() else words)


def _underlined(line: str, below: str) -> tuple[int, str]:
    """The level and the words of a heading that has a line of equals signs or hyphens under it."""
    if not line.strip() or _UNDERLINE.match(line) or not _UNDERLINE.match(below):
        return 0, ""
    return 1 if "=" in below else 2, as_title(line)


def _fences(text: str, lines: list[tuple[int, int]]) -> dict[int, int]:
    """The numbers of the lines that open code, with that of the line after its end; a fence that nothing closes is text."""
    marks = {number: found for number, span in enumerate(lines) if (found := _FENCE.match(text[slice(*span)]))}
    numbers = list(marks)
    open_ended: dict[str, int] = {}  # the shortest fence of each sign that nothing closes: no longer one is closed after it
    fences: dict[int, int] = {}
    last = 0
    for place, number in enumerate(numbers):
        sign, length, rest = marks[number][1][0], len(marks[number][1]), marks[number][2]
        if number < last or (sign == "`" and "`" in rest) or length >= open_ended.get(sign, length + 1):
            continue
        for close in map(numbers.__getitem__, range(place + 1, len(numbers))):
            if marks[close][1][0] == sign and len(marks[close][1]) >= length and not marks[close][2].strip():
                fences[number] = last = close + 1
                break
        else:
            open_ended[sign] = length
    return fences


def _stripped(text: str, block: _Block) -> _Block:
    piece = text[block.start : block.end]
    start = block.start + len(piece) - len(piece.lstrip())
    return _Block(start, start + len(piece.strip()), block.title, block.is_heading, block.is_code)


def _led(text: str, blocks: Iterable[_Block]) -> list[_Block]:
    """The blocks, each with the headings and rules before it; those at the end go to the last block."""
    led: list[_Block] = []
    before: _Block | None = None
    for block in blocks:
        whole = before.to(block) if before else block
        if block.is_heading or not any(map(str.isalnum, text[block.start : block.end])):
            before = whole
        else:
            led.append(whole)
            before = None
    if before and led:
        led[-1] = _Block(led[-1].start, before.end, led[-1].title)
    return led or ([before] if before else [])


def _counter(text: str) -> _Count:
    starts = [word.start() for word in _WORD.finditer(text)]
    return lambda start, end: bisect_left(starts, end) - bisect_left(starts, start)


def _pieces(text: str, block: _Block, words: int, count: _Count) -> list[_Block]:
    """The block, or its parts if it is too large."""
    size = count(block.start, block.end)
    if size <= words or (block.is_code and size <= words * _LONGEST_FENCE):
        return [block]
    even = math.ceil(size / math.ceil(size / words) * _UNEVEN)  # rather two halves than a whole one and a rest
    return _joined(_parts(text, block, words, count, (_SENTENCE_END, _LINE_END)), min(words, even), count)


def _parts(text: str, block: _Block, words: int, count: _Count, ends: tuple[re.Pattern[str], ...]) -> Iterator[_Block]:
    """A block cut at the ends of sentences; a part that is still too large, at line ends; at last anywhere between words."""
    if count(block.start, block.end) <= words:
        yield block
        return
    if ends:
        cuts = [found.end() for found in ends[0].finditer(text, block.start, block.end)]
    else:
        cuts = [word.end() for word in _WORD.finditer(text, block.start, block.end)][words - 1 :: words]
    places = [block.start, *cuts, block.end]
    for start, end in itertools.pairwise(places):
        part = _stripped(text, _Block(start, end, block.title))
        if part.start < part.end:
            yield from _parts(text, part, words, count, ends[1:])


def _joined(pieces: Iterable[_Block], words: int, count: _Count, room: float = 1) -> list[_Block]:
    """The pieces, those that follow one another under the same headings as one while that has no more words than wanted.

    With more `room` than that, only what is small finds a place in it.
    """
    joined: list[_Block] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and last.title == piece.title:
            sizes = [count(one.start, one.end) for one in (last, piece)]
            if sum(sizes) <= words * (room if min(sizes) * _SMALL < words else 1):
                joined[-1] = last.to(piece)
                continue
        joined.append(piece)
    return joined
