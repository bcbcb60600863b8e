"""The progress of a run on a terminal (one moving line) or in a log file (one plain line now and then)."""

from __future__ import annotations

import io
import shutil
import sys
import time
from typing import Any, TextIO

from tqdm import tqdm

from selfinstruct.asking import Ask
from selfinstruct.pipeline import Dataset

_LOG_EVERY = 15.0  # seconds between two lines in a log file


class Progress:
    """Shows rows of target, acceptance, requests, tokens and time left; call it with each new state of a run."""

    def __init__(self, target: int, stream: TextIO | None = None) -> None:
        self.target = target
        self.stream = stream or sys.stderr or io.StringIO()  # a process may have been given no error stream
        self.bar: tqdm[Any] | None = None
        if self.stream.isatty():
            shape = "{n_fmt}/{total_fmt} rows |{bar}| {percentage:3.0f}%{postfix}"
            self.bar = tqdm(total=target, file=self.stream, bar_format=shape, ncols=_columns(), nrows=20)
        self._logged = time.monotonic()
        self._since: tuple[float, int] | None = None  # when this process first asked, and the rows it had then

    def __call__(self, dataset: Dataset, ask: Ask) -> None:
        """Show this state."""
        rows = len(dataset.rows)
        if ask.asked and self._since is None:
            self._since = (time.monotonic(), rows)
        if self.bar is not None:
            self.bar.n = rows
            self.bar.ncols = _columns()
            self.bar.set_postfix_str(self._details(dataset, ask, rows), refresh=False)
            self.bar.refresh()
        elif time.monotonic() - self._logged >= _LOG_EVERY:
            self._logged = time.monotonic()
            print(f"{rows}/{self.target} rows, {self._details(dataset, ask, rows)}", file=self.stream, flush=True)

    def close(self) -> None:
        """Leave the line as it is and go to the next."""
        if self.bar is not None:
            self.bar.close()

    def _details(self, dataset: Dataset, ask: Ask, rows: int) -> str:
        counts = ask.journal.counts
        tokens = counts.usage.prompt_tokens + counts.usage.completion_tokens
        parts = [
            "no candidates yet" if dataset.acceptance is None else f"{100 * dataset.acceptance:.0f} % accepted",
            f"{len(ask.journal):,} requests",
            f"{short(tokens)} tokens",
        ]
        if faults := sum(ask.faults.values()):
            parts.append(f"{faults} faults")
        if left := self._left(rows):
            parts.append(f"{left} left")
        return ", ".join(parts)

    def _left(self, rows: int) -> str:
        """Time left at the pace of this process; rows that came from the journal at once do not count."""
        if self._since is None or rows <= self._since[1] or rows >= self.target:
            return ""
        started, had = self._since
        seconds = (time.monotonic() - started) / (rows - had) * (self.target - rows)
        return clock(seconds)


def _columns() -> int:
    """The terminal's width now; 80 where it says 0, as some do, by which tqdm would hide the bar."""
    return shutil.get_terminal_size().columns


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
