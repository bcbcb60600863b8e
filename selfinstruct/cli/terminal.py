"""Text for a terminal: safe, short, aligned."""

from __future__ import annotations

import re
import sys

from selfinstruct.text import UNSAFE_ON_A_TERMINAL

_UNSAFE = re.compile(f"[{UNSAFE_ON_A_TERMINAL}]")


def clock(seconds: float) -> str:
    """A duration as m:ss or h:mm:ss."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def short(number: int) -> str:
    """A count in three or four signs: 950, 12.3k, 4.56M."""
    if number < 1_000:
        return str(number)
    return f"{number / 1e3:.3g}k" if number < 999_500 else f"{number / 1e6:.3g}M"


def safe(text: str) -> str:
    """Text with control characters made visible, so that it cannot move a cursor or fake a prompt."""
    return _UNSAFE.sub(lambda match: f"\\x{ord(match[0]):02x}", text)


def note(text: str) -> None:
    """A line to the person, apart from what a program may read."""
    print(safe(text), file=sys.stderr, flush=True)


def dollars(amount: float) -> str:
    """US dollars as text, with more digits where there are fewer dollars."""
    return f"${amount:,.2f}" if amount >= 1 or amount == 0 else f"${amount:.4f}"
