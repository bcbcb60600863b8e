"""Open the teachers of a recipe, and connect them with the journal as [runtime] says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from urllib.parse import urlsplit

from selfinstruct import plugins
from selfinstruct.client.ask import DurableAsk
from selfinstruct.client.batch_submission import Batching
from selfinstruct.client.budget import Budget, Limits
from selfinstruct.client.fields_taken import USUAL_BOUND, FieldsTaken
from selfinstruct.client.live import Live
from selfinstruct.client.load_balancer import LoadBalancer
from selfinstruct.client.prices import Price
from selfinstruct.client.shutdown import Shutdown
from selfinstruct.contracts import BatchEndpoint, Teacher
from selfinstruct.errors import RecipeError, TeacherStop, setting
from selfinstruct.journal.file import Journal
from selfinstruct.recipe.credentials import DEFAULT_URL, LOOPBACK, NO_KEY, key_from_environment
from selfinstruct.recipe.schema import Generate, Recipe, Runtime


def limits_of(runtime: Runtime, price: Price | None) -> Limits:
    """Return the limits of a run. Raises RecipeError for a limit in US dollars where the price is unknown."""
    limits = Limits.of(runtime)
    if limits.usd is not None and price is None:
        raise RecipeError(
            f"{setting('max_usd')}: the price of the teacher's tokens is not known. Fix: use {setting('max_tokens')} instead, "
            f"or set {setting('price')} in US dollars per million tokens, such as {{ input = 0.15, output = 0.6 }}."
        )
    return limits


def connect(journal: Journal, runtime: Runtime, price: Price | None, teachers: Teachers) -> tuple[DurableAsk, Batching]:
    """Return the durable ask of a run, and its source of replies, which has to be started and closed.

    Raises RecipeError for a limit in US dollars where the price is unknown.
    """
    limits = limits_of(runtime, price)
    shutdown = Shutdown()
    balancers = {}
    for name in teachers.names:
        pace = runtime.of(name)
        balancers[name] = LoadBalancer(partial(teachers.open, name), pace.concurrency or 1, pace.rpm, pace.tpm)
    budget = Budget(limits, journal.counts, price)
    notices: list[str] = []
    fields = {name: fields_taken(journal, name, one, limits, notices) for name, one in teachers.settings.items()}
    how = {"patience": runtime.patience, "timeout": runtime.timeout}
    live = Live(journal, balancers, budget, shutdown, **how, fields=fields, notices=notices)
    batching = Batching(live, teachers.batches, new=runtime.batch)
    return DurableAsk(journal, batching, shutdown, notices), batching


def fields_taken(journal: Journal, name: str, generate: Generate, limits: Limits, notices: list[str]) -> FieldsTaken:
    """Return what a teacher takes, as far as the journal knows, with the bound that the limits need."""
    bound = USUAL_BOUND if limits.need_bounds and generate.reply_tokens is None else 0
    learned = (line for line in journal.counts.learned if line.teacher == name)
    return FieldsTaken(generate.model, bound, generate.reply_tokens or 0, name, learned, notices)


async def cancel_batches(journal: Journal, runtime: Runtime, teachers: Teachers) -> dict[str, str]:
    """Cancel the batches at the provider, and save what they have done. Return how each ended, by its name."""
    unlimited = runtime.model_copy(update={"max_usd": None})  # cancelling costs nothing, whatever the price
    ask, batching = connect(journal, unlimited, None, teachers)
    names = list(journal.counts.open_batches)
    await batching.collector.cancel()
    if ask.stopped_by and not isinstance(ask.stopped_by, TeacherStop):
        raise ask.stopped_by
    batches = journal.counts.batches
    return {name: f"{batches[name].state} ({batches[name].detail})" for name in names}


class Teachers:
    """The teachers of a recipe, one for each endpoint: opened when first needed, closed together.

    `objects` are teachers that were passed as objects, by name ("" for the only teacher). They are left open.
    """

    def __init__(self, recipe: Callable[[], Recipe], objects: Mapping[str, Teacher] | None = None) -> None:
        self._recipe = recipe
        self._objects = objects or {}
        self._opened: dict[str, list[Teacher]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The teachers' names, "" for the only teacher."""
        return tuple(self._recipe().generate.by_name)

    @property
    def settings(self) -> dict[str, Generate]:
        """The settings of each teacher, by its name."""
        return self._recipe().generate.by_name

    def open(self, name: str = "") -> Sequence[Teacher]:
        """Return one teacher for each endpoint of a name, opened once. Raises UserMistake or TeacherStop."""
        if name in self._objects:
            return [self._objects[name]]
        if name not in self._opened:
            generate, timeout = self._recipe().generate.by_name[name], self._recipe().runtime.timeout
            if name and self._hosts_of_the_usual_key() and not generate.key_variable and _is_here(generate):
                generate = generate.model_copy(update={"key_variable": NO_KEY})  # the key is for another host
            make = plugins.find("teacher", generate.teacher)
            endpoints = [generate.model_copy(update={"base_url": address}) for address in generate.addresses]
            place = f"teacher {generate.teacher!r}"
            teachers = [plugins.made(place, make, endpoint, timeout) for endpoint in endpoints]
            plugins.check_parts(place, teachers[0], plugins.TEACHER_PARTS, "teachers")
            self._opened[name] = teachers
        return self._opened[name]

    def check(self) -> None:
        """Find the class or function of every teacher that will be opened. Raises PluginError if one cannot be used."""
        for name, generate in self._recipe().generate.by_name.items():
            if name not in self._objects:
                make = plugins.find("teacher", generate.teacher)
                plugins.check_call(f"teacher {generate.teacher!r}", make, "(generate, timeout)")

    def open_all(self) -> None:
        """Open every teacher, to see whether it can be opened. Raises UserMistake or TeacherStop."""
        self.check()
        for name in self.names:
            self.open(name)
            if self._recipe().runtime.batch:
                self.batches(name)

    def batches(self, name: str) -> BatchEndpoint:
        """Return the batches of a teacher. Raises TeacherStop if it takes none."""
        batches: BatchEndpoint | None = getattr(self.open(name)[0], "batches", None)
        if batches is None:
            raise TeacherStop(
                f"{f'the teacher {name!r}' if name else 'this teacher'} takes no batches. Fix: set {setting('batch', False)}."
            )
        return batches

    def _hosts_of_the_usual_key(self) -> dict[str, str]:
        """Return the hosts that get the usual API key, each with a teacher there. Raises RecipeError for several hosts."""
        hosts: dict[str, str] = {}
        for name, generate in self._recipe().generate.by_name.items():
            ours = name not in self._objects and generate.teacher == "openai"
            if ours and not generate.key_variable and not _is_here(generate):
                hosts |= {urlsplit(address or DEFAULT_URL).hostname or "": name for address in generate.addresses}
        if len(hosts) > 1 and any(hosts.values()) and key_from_environment():
            raise RecipeError(
                f"the teachers {' and '.join(hosts.values())}: the same API key would go to different hosts "
                f"(got {', '.join(hosts)}). Fix: set the variable of each teacher's key in its table, for example "
                'key_variable = "TOGETHER_API_KEY".'
            )
        return hosts

    async def close(self) -> None:
        """Close what was opened."""
        opened, self._opened = self._opened, {}
        for teachers in opened.values():
            for teacher in teachers:
                await teacher.close()


def _is_here(generate: Generate) -> bool:
    """Return True if all of a teacher's endpoints are on this machine."""
    return all(address and urlsplit(address).hostname in LOOPBACK for address in generate.addresses)
