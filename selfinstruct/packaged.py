"""Where the seed tasks, prompts and recipes are that come with this package."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """A bundled folder: inside an installed package, or at the top of a clone."""
    here = Path(__file__).parent
    inside = here / "bundled" / name
    return inside if inside.exists() else here.parent / name
