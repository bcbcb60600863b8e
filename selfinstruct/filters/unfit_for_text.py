"""Alpaca's list of words that mark a task which cannot be done in text."""

from __future__ import annotations

import re
from functools import lru_cache

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.records import Example, Rejection

_WORDS = (
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps",
    "draw", "plot", "go to", "video", "audio", "music", "flowchart", "diagram",
)  # fmt: skip


@filter(stage=Stage.PROPOSED, languages=("en",))
def unfit_for_text(example: Example, context: FilterContext, *, words: tuple[str, ...] = _WORDS) -> Rejection | None:
    """Reject an instruction with a word such as image, video or draw, which a text model cannot serve (Alpaca)."""
    found = _pattern(tuple(words)).search(example.instruction) if words else None
    return Rejection(found[0]) if found else None


@lru_cache
def _pattern(words: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for any of the whole words.

    It looks at first characters first, because most words of a text begin otherwise.
    """
    starts = "|".join(sorted({re.escape(word[:1]) for word in words}))
    return re.compile(rf"\b(?={starts})({'|'.join(map(re.escape, words))})\b", re.IGNORECASE)
