"""Files of instructions, as tests of `dedup` write and read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from command_line import rows


def save(path: Path, content: str | bytes) -> Path:
    """Write a file and return its path."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(path: Path, *texts: str | None, **more: Any) -> Path:
    """Write JSON Lines with one instruction each, and return the path."""
    return save(path, "".join(json.dumps({"instruction": text, **more}) + "\n" for text in texts))


def kept(out: Path) -> list[str]:
    """Return the instructions that `dedup` kept."""
    return [str(row["instruction"]) for row in rows(out / "kept.jsonl")]
