"""A progress display: one moving line on a terminal, one plain line now and then in a log file."""

from __future__ import annotations

import io
import shutil
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

_LOG_EVERY = 15.0  # seconds between two lines in a log file
_SHOW_EVERY = 0.1  # seconds between two states of the bar
_WIDE = 120  # columns from which a bar fits beside the figures


class Bar:
    """A progress line.

    `total` is the amount at which it is full. `wide` and `narrow` are tqdm formats for wide and narrow terminals. `stream` is
    where it is printed, standard error by default.
    """

    def __init__(self, total: int, wide: str, narrow: str, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()  # a process may have been given no error stream
        self.moving: tqdm[Any] | None = None
        if self.stream.isatty():
            shape = wide if _columns() >= _WIDE else narrow
            self.moving = tqdm(total=total, file=self.stream, bar_format=shape, ncols=_columns(), nrows=20)
        self._last = time.monotonic() - (_SHOW_EVERY if self.moving is not None else 0)

    def is_due(self, slower: float = 1.0) -> bool:
        """Return True if it is time to show a new state. `slower` multiplies the time between two states of a moving line."""
        every = _LOG_EVERY if self.moving is None else _SHOW_EVERY * slower
        if time.monotonic() - self._last < every:
            return False
        self._last = time.monotonic()
        return True

    def show(self, done: int, details: str) -> None:
        """Move the line to `done` of the total, followed by `details`. Do nothing in a log file."""
        if self.moving is not None:
            self.moving.n = done
            self.moving.ncols = _columns()
            self.moving.set_postfix_str(details, refresh=False)
            self.moving.refresh()

    def say(self, line: str) -> None:
        """Print `line` on its own, above the moving line."""
        if self.moving is not None:
            self.moving.clear()
        print(line, file=self.stream, flush=True)

    def close(self) -> None:
        """End the moving line and leave it visible."""
        if self.moving is not None:
            self.moving.close()


def _columns() -> int:
    """Return the present width of the terminal. It is 80 where a terminal says 0, for which tqdm would hide the line."""
    return shutil.get_terminal_size().columns
