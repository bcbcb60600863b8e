"""Paths of the seed tasks, prompts and recipes that come with this package."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """Return the path of a bundled folder, such as "seeds" or "prompts".

    It lies in `bundled/` of an installed package, and at the top of a clone.
    """
    here = Path(__file__).parent
    installed = here / "bundled" / name
    return installed if installed.exists() else here.parent / name
