"""Match the names that users write, and suggest the nearest name for an unknown one."""

from __future__ import annotations

from collections.abc import Collection, Iterable

SEE_LIST = "`selfinstruct list`"
_FEW = 8  # names that fit in one sentence


def matching(name: str, names: Iterable[str]) -> str | None:
    """Return the one of `names` that equals `name`, or differs only in hyphens and underscores. None if there is none."""
    return next((known for known in names if _plain(known) == _plain(name)), None)


def nearest(name: str, names: Iterable[str]) -> list[str]:
    """Return up to three of `names` that look like `name`, the nearest first."""
    from difflib import get_close_matches

    by_plain = {_plain(known).lower(): known for known in names}
    return [by_plain[plain] for plain in get_close_matches(_plain(name).lower(), by_plain)]


def either(names: Iterable[str]) -> str:
    """Return names as a choice, such as "a, b or c"."""
    *others, last = list(names) or [""]
    return f"{', '.join(others)} or {last}" if others else last


def advice(name: str, names: Collection[str], see: str = SEE_LIST, otherwise: str = "") -> str:
    """Return what to do about an unknown name, as an imperative without a full stop.

    It gives the nearest names, or all names if they are few, or else the command that shows them.

    Args:
        name: The unknown name.
        names: The known names.
        see: The command that shows all names.
        otherwise: Another way out, such as "give a file". It is named if no name is near.
    """
    if near := nearest(name, names):
        return f"choose {either(near)}, or see {see}"
    fix = f"choose one of {', '.join(names)}" if 0 < len(names) <= _FEW else f"see {see}"
    return f"{fix}, or {otherwise}" if otherwise else fix


def rename(name: str, names: Iterable[str]) -> str:
    """Return what to do about an unknown setting or option: rename it to the nearest one, or remove it."""
    known = list(names)
    if near := nearest(name, known):
        return f"rename it to {near[0]}"
    return f"remove it, or choose from {', '.join(known)}" if known else "remove it"


def _plain(name: str) -> str:
    return name.replace("-", "_")
