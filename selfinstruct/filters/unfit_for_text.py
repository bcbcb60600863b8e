"""Alpaca's list of words that mark a task which cannot be done in text."""

from __future__ import annotations

import re

from selfinstruct.contracts import Surroundings, for_languages, on_instruction
from selfinstruct.records import Drop, Example

_WORDS = (
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps",
    "draw", "plot", "go to", "video", "audio", "music", "flowchart", "diagram",
)  # fmt: skip


@for_languages("en")
@on_instruction
def unfit_for_text(example: Example, around: Surroundings, *, words: tuple[str, ...] = _WORDS) -> Drop | None:
    """Drops an instruction with a word such as image, video or draw, which a text model cannot serve (Alpaca)."""
    alternatives = "|".join(re.escape(word) for word in words)
    found = re.search(rf"\b({alternatives})\b", example.instruction, re.IGNORECASE) if words else None
    return Drop(found[0]) if found else None
