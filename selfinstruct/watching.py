"""Being told how a run stands, and stopping it in order: what surrounds a harvest while it goes on."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress

from selfinstruct.client.ask import Ask
from selfinstruct.curate.dataset import Dataset

Watch = Callable[[Dataset, Ask], None]
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
