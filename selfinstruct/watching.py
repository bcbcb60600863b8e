"""Being told how a run stands, and stopping it in order: what surrounds a harvest while it goes on."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress

from selfinstruct.client.ask import Ask
from selfinstruct.curate.dataset import Dataset

Watch = Callable[[Dataset, Ask], None]
_ONE_SIGNAL = 1.0  # seconds within which two signals are one
_TICK = 0.5  # seconds between two looks while nothing else happens


@asynccontextmanager
async def ticking(ask: Ask, watch: Watch | None) -> AsyncIterator[Callable[[Dataset], None] | None]:
    """What to call at each step of a harvest; the watcher is called then, and on time in between."""
    if watch is None:
        yield None
        return
    latest = Dataset()

    def step(dataset: Dataset) -> None:
        nonlocal latest
        latest = dataset
        watch(dataset, ask)

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            watch(latest, ask)

    task = asyncio.create_task(tick())
    try:
        yield step
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


@contextmanager
def stopped_by_signals(stop: Callable[[], None]) -> Iterator[None]:
    """Let the first Ctrl-C or SIGTERM call `stop`, and the second one end the process at once.

    The second is as hard as SIGKILL, which the journal is made to survive. Two within a second count as one: `timeout`
    and other supervisors signal a process and then its whole group.
    """
    loop = asyncio.get_running_loop()
    first: float | None = None

    def on_signal() -> None:
        nonlocal first
        if first is None:
            first = loop.time()
            stop()
        elif loop.time() - first > _ONE_SIGNAL:
            os._exit(130)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
