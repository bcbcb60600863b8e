"""Connect the durable ask to live calls and batches, as [runtime] says."""

from __future__ import annotations

from functools import partial

from selfinstruct.client.ask import DurableAsk
from selfinstruct.client.batch_submission import Batching
from selfinstruct.client.budget import Budget, Limits
from selfinstruct.client.live import Live
from selfinstruct.client.load_balancer import Endpoints, Teachers
from selfinstruct.client.prices import Price
from selfinstruct.client.shutdown import Shutdown
from selfinstruct.errors import RecipeError, TeacherStop
from selfinstruct.journal.file import Journal
from selfinstruct.recipe.schema import Runtime


def limits_of(runtime: Runtime, price: Price | None) -> Limits:
    """The limits of a run; raises RecipeError for one in US dollars where the price is unknown."""
    limits = Limits.of(runtime)
    if limits.usd is not None and price is None:
        raise RecipeError(
            "--max-usd needs the price of the teacher's tokens, which is not known: state it in the recipe, [runtime] "
            "price = { input = 0.15, output = 0.6 } (US dollars per million tokens; of several teachers each one's own, in "
            "[runtime.pace.NAME]), or use --max-tokens"
        )
    return limits


def online(journal: Journal, runtime: Runtime, price: Price | None, teachers: Teachers) -> tuple[DurableAsk, Batching]:
    """What asks the teachers, and what looks after batches for it; both of them as [runtime] says.

    Raises RecipeError for a limit in US dollars where the price is unknown.
    """
    limits = limits_of(runtime, price)

    shutdown = Shutdown()
    endpoints = {}
    for name in teachers.names:
        pace = runtime.of(name)
        endpoints[name] = Endpoints(partial(teachers.open, name), pace.concurrency or 1, pace.rpm, pace.tpm)
    budget = Budget(limits, journal.counts, price)
    live = Live(journal, endpoints, budget, shutdown, patience=runtime.patience, timeout=runtime.timeout)
    batching = Batching(live, teachers.batches, new=runtime.batch)
    return DurableAsk(journal, batching, shutdown), batching


async def cancelled(journal: Journal, runtime: Runtime, teachers: Teachers) -> dict[str, str]:
    """Cancel the batches under way, and keep what they have done; how each ended, by its name."""
    unlimited = runtime.model_copy(update={"max_usd": None})  # cancelling costs nothing, whatever the price
    ask, batching = online(journal, unlimited, None, teachers)
    names = list(journal.counts.open_batches)
    await batching.collector.cancel()
    if ask.stopped_by and not isinstance(ask.stopped_by, TeacherStop):
        raise ask.stopped_by
    batches = journal.counts.batches
    return {name: f"{batches[name].state} ({batches[name].detail})" for name in names}
