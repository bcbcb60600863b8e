"""The notation of a single instruction: the whole reply is the instruction. Another request solves it.

Left out are an opening line of a chat, the word "Instruction:" and quotation marks around the whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from selfinstruct.contracts import Notation
from selfinstruct.notations._endings import opens_a_chat
from selfinstruct.notations._words import FIELDS, pattern
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, Example, ParseDefect, ParsedTask, clean

_QUOTES = {'"': '"', "“": "”", "「": "」", "『": "』", "«": "»", "„": "“"}
_PREFIX = re.compile(
    rf"(?:#{{1,6}}[ \t]*)?(?:[*_]{{1,2}})?(?:(?:new|the|neue|nueva|nouvelle|nova|новая)[ \t]+)?"
    rf"(?:{pattern('instruction ' + ' '.join(row[0].split()[0] for row in FIELDS.values()))})"
    r"(?:[*_]{1,2}[ \t]*[:：]|[:：][*_]{0,2})[ \t\n]*",
    re.IGNORECASE,
)


def plain() -> Notation:
    """Write one instruction and nothing around it."""
    return _Plain()


class _Plain:
    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the instructions with a blank line between two. One that reading would shorten gets a backslash."""
        return "\n\n".join(_escaped(example.instruction) for example in examples)

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return one task without an output. An empty reply or a reply that was cut is a defect."""
        whole = clean(text)
        instruction = whole[1:] if whole.startswith("\\") and _escaped(whole[1:]) == whole else _bare(whole)
        defect = None
        if not instruction:
            defect = ParseDefect("empty_reply")
        elif finish_reason == TOKEN_LIMIT:
            defect = ParseDefect("truncated", "the reply ended at the token limit")
        elif finish_reason == CONTENT_FILTER:
            defect = ParseDefect("content_filter", "the provider cut the reply")
        return [ParsedTask(instruction, "", None, defect)]

    def sampling(self) -> Mapping[str, Any]:
        """Return no fields: this notation needs none."""
        return {}


def _escaped(text: str) -> str:
    plain = text.lstrip("\\")
    return "\\" + text if plain and _bare(plain) != plain else text


def _bare(text: str) -> str:
    """Return an instruction without what a chat writes around it."""
    first, gap, rest = text.partition("\n\n")
    if gap and "\n" not in first and first.endswith((":", "：")) and opens_a_chat(first):
        text = clean(rest)
    found = _PREFIX.match(text)
    text = clean(text[found.end() :]) if found else text
    end = _QUOTES.get(text[:1])
    if end and len(text) > 2 and text.endswith(end) and not any(sign in text[1:-1] for sign in (text[0], end)):
        text = clean(text[1:-1])
    return text
