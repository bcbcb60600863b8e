"""Paths and names of the seed tasks, prompts and recipes that come with this package."""

from __future__ import annotations

from pathlib import Path


def folder(name: str) -> Path:
    """Return the path of a bundled folder, such as "seeds" or "prompts".

    It lies in `bundled/` of an installed package, and at the top of a clone.
    """
    here = Path(__file__).parent
    installed = here / "bundled" / name
    return installed if installed.exists() else here.parent / name


def prompts() -> list[str]:
    """Return the names of the bundled prompts, sorted."""
    return sorted(path.stem for path in folder("prompts").glob("*.txt"))


def recipes() -> list[str]:
    """Return the names of the bundled recipes, sorted."""
    return sorted(path.stem for path in folder("prompts").glob("*.toml"))
