"""Split a text into passages at the ends of paragraphs, so that no passage lies under two headings.

A passage is an exact piece of its text. Only white space, and the front matter of Markdown, lies outside all passages. No
text is in two passages.
"""

from __future__ import annotations

import itertools
import math
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from selfinstruct.text import SPELLED_WITHOUT_SPACES, WITHOUT_SPACES

_SMALL = 4  # a piece with less than a fourth of the wanted words joins its neighbour, even if the two are a little too large
_TOLERANCE = 1.25  # times the wanted words, which such a joined piece may have at most
_UNEVEN = 1.15  # times the mean, which a part of a paragraph may have at most
_LONGEST_FENCE = 8  # times the wanted words: longer code between fences is split at line ends

# A letter of a script without spaces counts as a word. In text without spaces, such as base64, 24 characters count as a word.
_WORD = re.compile(rf"[{WITHOUT_SPACES}]|[^\s{WITHOUT_SPACES}]{{1,24}}")
# Marks that end a sentence without a space after them: full-width, Indian, Urdu, Burmese, Khmer, Tibetan, Ethiopic.
_CLOSED = "\u3002\uff0e\uff61\uff01\uff1f\u0964\u0965\u06d4\u104b\u17d4\u17d5\u0f0d\u0f0e\u1362\u1367\u1368"
_SENTENCE_END = re.compile(
    rf"""[.!?…\u061f\u0589]["'”’»)\]]*\s+|[{_CLOSED}]+["'”’»)\]」』）】》〉]*\s*"""  # noqa: RUF001 (these characters are meant)
)
# Thai, Lao, Burmese and Khmer have spaces between clauses, and Chinese and Japanese have commas of their own.
_CLAUSE_END = re.compile(rf"(?<=[{SPELLED_WITHOUT_SPACES}])\s+|[\u3001\uff0c\uff1b]\s*")
_LINE_END = re.compile(r"\n")

_LONGEST_TITLE = 120  # characters of one heading in a title
_HEADING = re.compile(r" {0,3}(#{1,6})(?=\s)")
_UNDERLINE = re.compile(r" {0,3}(?:={2,}|-{2,})[ \t]*\n?\Z")
_FENCE = re.compile(r"[ \t]*(`{3,}|~{3,})([^\n]*)\n?\Z")
_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=\s*[\w\"'.-]+[ \t]*:)(.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_YAML_LINE = re.compile(r"\s*(?:#.*|-(?:\s.*)?|[\w\"'.-][^:]*:(?:\s.*)?)?\Z|\s+.*\Z")


class Span(NamedTuple):
    """The place of a passage in its text, in characters, and its title."""

    start: int
    end: int
    title: str


def split(text: str, words: int, *, markdown: bool = False, name: str = "") -> list[Span]:
    """Return the passages of a text, each with about `words` words.

    The title is made of the headings over the passage, of the first headings in the text, or of `name`. Only a paragraph
    that is too large is split, at the ends of sentences.
    """
    blocks = [_stripped(text, block) for block in (_markdown_blocks(text) if markdown else _paragraphs(text))]
    count = _counter(text)
    pieces = [piece for block in _with_headings(text, blocks) for piece in _pieces(text, block, words, count)]
    whole = next((block.title for block in blocks if block.title), name)
    joined = _joined(_joined(pieces, words, count), words, count, _TOLERANCE)
    return [Span(piece.start, piece.end, piece.title or whole) for piece in joined]


@dataclass(frozen=True, slots=True)
class _Block:
    """A piece of a document: where it starts and ends, the headings over it, and whether it is a heading or code."""

    start: int
    end: int
    title: str = ""
    is_heading: bool = False
    is_code: bool = False

    def to(self, other: _Block) -> _Block:
        """Return the block from the start of this one to the end of `other`, which follows it."""
        return _Block(self.start, other.end, other.title, is_code=other.is_code)


_Count = Callable[[int, int], int]  # returns the number of words between two places of a text


def as_title(text: str) -> str:
    """Return a text as one line of at most 120 characters and three dots."""
    title = " ".join(text.split())
    return title if len(title) <= _LONGEST_TITLE else f"{title[:_LONGEST_TITLE].rstrip()}..."


def _spans(text: str) -> Iterator[tuple[int, int]]:
    """Yield the start and the end of each line of a text. The line feed belongs to the line."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield start, end
        start = end


def _paragraphs(text: str) -> Iterator[_Block]:
    """Yield the text between blank lines."""
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
    """Yield headings, code between fences, and paragraphs. Front matter is skipped."""
    first = _front_matter(text)
    lines = [(start, end) for start, end in _spans(text) if start >= first]
    fences = _fences(text, lines)
    path: list[tuple[int, str]] = []
    start: int | None = None  # of the paragraph being read
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
    """Return the place where the text begins after its front matter, or 0 if it has none."""
    match = _FRONT_MATTER.match(text)
    if not match:
        return 0
    inside = match[0].rstrip().split("\n")[1:-1]
    return match.end() if all(_YAML_LINE.match(line) for line in inside) else 0


def _heading(line: str) -> tuple[int, str]:
    """Return the level and the text of a heading that begins with number signs, or level 0 for another line."""
    match = _HEADING.match(f"{line}\n")
    if not match:
        return 0, ""
    words = line[match.end() :].strip()
    name = words.rstrip("#")
    return len(match[1]), as_title(name if not name or name[-1].isspace() else words)


def _underlined(line: str, below: str) -> tuple[int, str]:
    """Return the level and the text of a heading that is underlined with equals signs or hyphens, or level 0."""
    if not line.strip() or _UNDERLINE.match(line) or not _UNDERLINE.match(below):
        return 0, ""
    return 1 if "=" in below else 2, as_title(line)


def _fences(text: str, lines: list[tuple[int, int]]) -> dict[int, int]:
    """Return the number of each line that opens code, with the number of the line after the code.

    A fence that is not closed is text.
    """
    marks = {number: match for number, span in enumerate(lines) if (match := _FENCE.match(text[slice(*span)]))}
    numbers = list(marks)
    unclosed: dict[str, int] = {}  # the shortest fence of each sign that is not closed: longer ones after it are not either
    fences: dict[int, int] = {}
    last = 0
    for place, number in enumerate(numbers):
        sign, length, rest = marks[number][1][0], len(marks[number][1]), marks[number][2]
        if number < last or (sign == "`" and "`" in rest) or length >= unclosed.get(sign, length + 1):
            continue
        for close in map(numbers.__getitem__, range(place + 1, len(numbers))):
            if marks[close][1][0] == sign and len(marks[close][1]) >= length and not marks[close][2].strip():
                fences[number] = last = close + 1
                break
        else:
            unclosed[sign] = length
    return fences


def _stripped(text: str, block: _Block) -> _Block:
    piece = text[block.start : block.end]
    start = block.start + len(piece) - len(piece.lstrip())
    return _Block(start, start + len(piece.strip()), block.title, block.is_heading, block.is_code)


def _with_headings(text: str, blocks: Iterable[_Block]) -> list[_Block]:
    """Return the blocks, each joined with the headings and rules before it. Those at the end join the last block."""
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
    """Return the block, or its parts if it is too large."""
    size = count(block.start, block.end)
    if size <= words or (block.is_code and size <= words * _LONGEST_FENCE):
        return [block]
    even = math.ceil(size / math.ceil(size / words) * _UNEVEN)  # two halves rather than one full part and a rest
    return _joined(_parts(text, block, words, count, (_SENTENCE_END, _LINE_END, _CLAUSE_END)), min(words, even), count)


def _parts(text: str, block: _Block, words: int, count: _Count, ends: tuple[re.Pattern[str], ...]) -> Iterator[_Block]:
    """Yield the parts of a block, cut at `ends`: first sentences, then, where still too large, lines, clauses and words.

    No part begins or ends inside a letter, that is inside a grapheme cluster of Unicode.
    """
    if count(block.start, block.end) <= words:
        yield block
        return
    if ends:
        cuts = [match.end() for match in ends[0].finditer(text, block.start, block.end)]
    else:
        cuts = [word.end() for word in _WORD.finditer(text, block.start, block.end)][words - 1 :: words]
    places = [block.start, *_between_letters(text, block, cuts), block.end]
    for start, end in itertools.pairwise(places):
        part = _stripped(text, _Block(start, end, block.title))
        if part.start < part.end:
            yield from _parts(text, part, words, count, ends[1:]) if ends else (part,)


def _between_letters(text: str, block: _Block, cuts: list[int]) -> list[int]:
    """Return cuts of a block, each moved to the end of the letter, with its marks and joiners, in which it lies."""
    if text.isascii():
        return cuts
    import regex  # `re` does not know grapheme clusters

    ends = [letter.end() for letter in regex.finditer(r"\X", text, pos=block.start, endpos=block.end)]
    return sorted({ends[bisect_left(ends, cut)] for cut in cuts})


def _joined(pieces: Iterable[_Block], words: int, count: _Count, tolerance: float = 1) -> list[_Block]:
    """Return the pieces, with neighbours under the same headings joined while they have at most `words` words together.

    Where one of two neighbours is small, the piece may have `tolerance` times as many words.
    """
    joined: list[_Block] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last and last.title == piece.title:
            sizes = [count(block.start, block.end) for block in (last, piece)]
            if sum(sizes) <= words * (tolerance if min(sizes) * _SMALL < words else 1):
                joined[-1] = last.to(piece)
                continue
        joined.append(piece)
    return joined
