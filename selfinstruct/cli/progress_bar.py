"""Progress on a terminal (one moving line) or in a log file (one plain line now and then)."""

from __future__ import annotations

import io
import shutil
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

_LOG_EVERY = 15.0  # seconds between two lines in a log file
_SHOW_EVERY = 0.1  # seconds between two states of the bar
_WIDE = 120  # columns; fewer leave no room for a bar beside the figures


class Bar:
    """The line. `wide` and `narrow` are its shapes, in the words of tqdm."""

    def __init__(self, total: int, wide: str, narrow: str, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr or io.StringIO()  # a process may have been given no error stream
        self.moving: tqdm[Any] | None = None
        if self.stream.isatty():
            shape = wide if _columns() >= _WIDE else narrow
            self.moving = tqdm(total=total, file=self.stream, bar_format=shape, ncols=_columns(), nrows=20)
        self._last = time.monotonic() - (_SHOW_EVERY if self.moving is not None else 0)

    def is_due(self, slower: float = 1.0) -> bool:
        """Whether it is time to show something again; `slower` stretches the time between two states of the moving line."""
        every = _LOG_EVERY if self.moving is None else _SHOW_EVERY * slower
        if time.monotonic() - self._last < every:
            return False
        self._last = time.monotonic()
        return True

    def show(self, done: int, details: str) -> None:
        """Move the line to this state; nothing where there is none."""
        if self.moving is not None:
            self.moving.n = done
            self.moving.ncols = _columns()
            self.moving.set_postfix_str(details, refresh=False)
            self.moving.refresh()

    def say(self, line: str) -> None:
        """Print a line of its own."""
        if self.moving is not None:
            self.moving.clear()
        print(line, file=self.stream, flush=True)

    def close(self) -> None:
        """Leave the line as it is and go to the next."""
        if self.moving is not None:
            self.moving.close()


def _columns() -> int:
    """The terminal's width now; 80 where it says 0, as some do, by which tqdm would hide the bar."""
    return shutil.get_terminal_size().columns
