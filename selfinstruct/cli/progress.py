"""Progress of `generate`: rows, acceptance, time left, cost and speed, in one line."""

from __future__ import annotations

import shlex
import time
from functools import cached_property
from typing import TextIO

from selfinstruct.cli.progress_bar import Bar
from selfinstruct.cli.terminal import clock, columns, dollars, folded, safe, short
from selfinstruct.client.ask import DurableAsk
from selfinstruct.client.budget import spent_usd
from selfinstruct.curate.dataset import Dataset
from selfinstruct.report.estimate import estimate_remaining
from selfinstruct.run import Run
from selfinstruct.text import counted

_LOW = 0.25  # recent acceptance below which a warning is printed


class RunProgress:
    """A progress display, to be called with each new state of a run.

    On a terminal it is one moving line, in a log file a plain line now and then. It appears with the first state.
    """

    def __init__(self, run: Run, stream: TextIO | None = None) -> None:
        self.run = run
        self.target = run.recipe.curate.num
        self.price = run.definition.price
        self.stream = stream
        self._since = time.time()  # replies of an earlier process say nothing about the speed of this one
        self._latest: tuple[Dataset, DurableAsk] | None = None
        self._warned = False
        self._said = 0  # notices

    @cached_property
    def bar(self) -> Bar:
        """The moving line, or the lines of a log file."""
        rows = counted(self.target, "row")
        details = f"{{n:,}}/{rows}{{postfix}}"
        with_bar = f"{{n:,}}/{rows} |{{bar}}| {{percentage:3.0f}}%{{postfix}}"
        return Bar(self.target, with_bar, details, self.stream)

    def __call__(self, dataset: Dataset, ask: DurableAsk) -> None:
        """Show the rows so far and the counters of `ask`."""
        for notice in ask.notices[self._said :]:
            self.bar.say(folded(safe(f"note: {notice}"), self.bar.stream))
        self._said = len(ask.notices)
        self._latest = dataset, ask
        self._warn(dataset, ask)
        if not self.bar.is_due(1 + len(ask.used) / 2_000):
            return
        if self.bar.moving is not None:
            self._show(dataset, ask)
        else:
            self.bar.say(f"{len(dataset.rows):,}/{counted(self.target, 'row')}, {self._details(dataset, ask)}")

    def _show(self, dataset: Dataset, ask: DurableAsk) -> None:
        self.bar.show(len(dataset.rows), self._details(dataset, ask))

    def close(self) -> None:
        """Show the latest state, even if it came too soon after another one, and end the line. Without a state, do nothing."""
        if self._latest is None:
            return
        if self.bar.moving is not None:
            self._show(*self._latest)
        self.bar.close()

    def _details(self, dataset: Dataset, ask: DurableAsk) -> str:
        counts = ask.journal.counts
        speed = counts.per_minute(time.time(), self._since) if ask.obtained else None
        # The most important part comes first, because the last ones are left out on a narrow terminal.
        parts = ["no candidates yet" if dataset.acceptance is None else f"{100 * dataset.acceptance:.0f} % accepted"]
        used, _ = ask.usage_below(dataset.roots)
        remaining = estimate_remaining(dataset, counts, self.price, speed, used)
        if remaining and remaining.seconds and remaining.requests:
            parts.append(f"{clock(remaining.seconds)} left")
        if self.price is not None and self.price.output:
            parts.append(dollars(spent_usd(counts, self.price, reserved=False)))
        parts += [f"batch {batch.detail or batch.state}" for batch in counts.open_batches.values()][:3]
        parts.append(f"{speed:,.0f} requests/min" if speed else counted(counts.requests, "request"))
        parts.append(f"{ask.in_flight} in flight")
        if faults := counts.faults.total():
            parts.append(counted(faults, "fault"))
        parts.append(f"{short(counts.usage.tokens)} tokens")
        room = columns() - len(f"{self.target:,}/{self.target:,} rows, ")
        while self.bar.moving is not None and len(", ".join(parts)) >= room and len(parts) > 1:
            parts.pop()
        return safe(", ".join(parts))

    def _warn(self, dataset: Dataset, ask: DurableAsk) -> None:
        """Warn once, early, when few of the latest candidates become rows."""
        share = dataset.recent_acceptance
        if self._warned or not ask.obtained or share is None or share >= _LOW:
            return
        self._warned = True
        rule = next((busy.rule for busy in dataset.busiest(1)), "any")
        self.bar.say(
            folded(
                safe(
                    f"warning: only {100 * share:.0f} % of the latest candidates were accepted. Most were rejected by `{rule}`. "
                    f"Fix: stop with Ctrl-C and read `selfinstruct show {shlex.quote(str(self.run.path))} --rejected {rule}`."
                ),
                self.bar.stream,
            )
        )
