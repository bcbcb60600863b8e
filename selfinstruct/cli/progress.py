"""The progress of a run on a terminal (one moving line) or in a log file (one plain line now and then)."""

from __future__ import annotations

import time
from typing import TextIO

from selfinstruct.cli.progress_bar import Bar
from selfinstruct.cli.terminal import clock, dollars, safe, short
from selfinstruct.client.ask import DurableAsk
from selfinstruct.client.budget import spent_usd
from selfinstruct.client.prices import Price
from selfinstruct.curate.dataset import Dataset
from selfinstruct.report.estimate import to_go

_LOW = 0.25  # acceptance that a person should hear of


class Progress:
    """Shows rows of target, acceptance, speed, calls in flight, tokens, dollars and time left.

    Call it with each new state of a run. `price` is what the teacher's tokens cost, None where that is unknown.
    """

    def __init__(self, target: int, price: Price | None = None, stream: TextIO | None = None) -> None:
        self.target = target
        self.price = price
        details = "{n_fmt}/{total_fmt} rows{postfix}"
        with_bar = "{n_fmt}/{total_fmt} rows |{bar}| {percentage:3.0f}%{postfix}"
        self.bar = Bar(target, with_bar, details, stream)
        self._since = time.time()  # what a former process did says nothing about the speed of this one
        self._latest: tuple[Dataset, DurableAsk] | None = None
        self._warned = False

    def __call__(self, dataset: Dataset, ask: DurableAsk) -> None:
        """Show this state."""
        self._warn(dataset, ask)
        self._latest = dataset, ask
        if not self.bar.is_due(1 + len(ask.used) / 2_000):
            return
        if self.bar.moving is not None:
            self._show(dataset, ask)
        else:
            self.bar.say(f"{len(dataset.rows)}/{self.target} rows, {self._details(dataset, ask)}")

    def _show(self, dataset: Dataset, ask: DurableAsk) -> None:
        self.bar.show(len(dataset.rows), self._details(dataset, ask))

    def close(self) -> None:
        """Leave the line as it is and go to the next."""
        if self.bar.moving is not None and self._latest:
            self._show(*self._latest)  # the end, however soon it came
        self.bar.close()

    def _details(self, dataset: Dataset, ask: DurableAsk) -> str:
        counts = ask.journal.counts
        speed = counts.per_minute(time.time(), self._since) if ask.obtained else None
        # The most wanted first: a narrow terminal cuts off the rest.
        parts = ["no candidates yet" if dataset.acceptance is None else f"{100 * dataset.acceptance:.0f} % accepted"]
        left = to_go(dataset, counts, self.price, speed, ask.usage_below(dataset.roots)[0])
        if left and left.seconds and left.requests:
            parts.append(f"{clock(left.seconds)} left")
        if self.price is not None and self.price.output:
            parts.append(dollars(spent_usd(counts, self.price, reserved=False)))
        parts += [f"batch {batch.detail or batch.state}" for batch in counts.open_batches.values()][:3]
        parts.append(f"{speed:,.0f} requests/min" if speed else f"{counts.requests:,} requests")
        parts.append(f"{ask.in_flight} in flight")
        if faults := counts.faults.total():
            parts.append(f"{faults:,} faults")
        parts.append(f"{short(counts.usage.tokens)} tokens")
        return safe(", ".join(parts))

    def _warn(self, dataset: Dataset, ask: DurableAsk) -> None:
        """Say once, early, that little of what is paid for becomes rows."""
        share = dataset.recent_acceptance
        if self._warned or not ask.obtained or share is None or share >= _LOW:
            return
        self._warned = True
        worst = next(iter(dataset.funnel), "nothing")
        self.bar.say(
            f"only {100 * share:.0f} % of the last candidates were accepted; most were dropped by `{worst}` (see `selfinstruct "
            "status`, and `show --rejected` after stopping with Ctrl-C)"
        )
