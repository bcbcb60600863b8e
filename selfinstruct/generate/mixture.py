"""The methods of a run: one method, or several that take turns by their weights."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from math import ceil
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import Ask, Draw, Method, MethodContext, Turn
from selfinstruct.errors import PluginError, RequestRefused
from selfinstruct.generate.turns import Turns
from selfinstruct.records import Candidate, Example, ParsedTask, Reply, Request, Seed, clean

_AHEAD = 4  # root requests under way for each call in flight, where a root request makes one or two calls
CoroutineFunction = Callable[[Turn, Ask, MethodContext], Awaitable[Sequence[Example | Candidate]]]


@dataclass(frozen=True)
class Part:
    """A method of a run with its context, and its weight among the run's methods."""

    weight: float
    context: MethodContext
    method: Method


class Mixture:
    """The parts of a run by name. The recipe's seed and the index of a root request decide which part has it.

    Attributes:
        parts: The parts by the names that the recipe gives them, "" for the only one.
        turns: The turns of the run.
        rows_at_most: The most rows that one root request is likely to give.
    """

    def __init__(self, parts: Mapping[str, Part], turns: Turns, seed: int) -> None:
        self.parts = parts
        self.turns = turns
        self.rows_at_most = max(part.method.rows_at_most for part in parts.values())
        self._seed = seed

    @property
    def tasks_of_a_root(self) -> tuple[float, float]:
        """Tasks that a root request gives, and further requests if all of them are admitted: means over the weights."""
        whole = sum(part.weight for part in self.parts.values())
        each = [(part.weight / whole * part.method.rows_at_most, part.method) for part in self.parts.values()]
        return sum(tasks for tasks, _ in each), sum(tasks * getattr(method, "asks_per_task", 0) for tasks, method in each)

    def window(self, calls: int) -> int:
        """Return how many root requests to have under way for `calls` calls at a time.

        It is more than `calls`, so that one slow reply does not hold up the others. Where a root request goes on to many calls,
        it is closer to `calls`: what was begun is finished first, and a limit leaves little open.
        """
        _, more = self.tasks_of_a_root
        return max(calls, ceil(calls * _AHEAD / max(1.0, more)))

    def part_of(self, index: int) -> str:
        """Return the name of the part that has a root request."""
        names = list(self.parts)
        if len(names) == 1:
            return names[0]
        weights = [part.weight for part in self.parts.values()]
        return random.Random(f"{self._seed}/{index}/method").choices(names, weights)[0]

    async def propose(self, index: int, ask: Ask) -> list[Candidate]:
        """Return the tasks that the teacher invents in the turn of a root request."""
        part = self.parts[self.part_of(index)]
        return await part.method.propose(self.turns.turn(index, part.context), ask)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return an admitted candidate with its output, once for each input."""
        return await self.parts[self.part_of(candidate.root)].method.solve(candidate, ask)


def make_method(make: Callable[..., Any], name: str, context: MethodContext) -> Method:
    """Return the method that a function makes of a context, or that a coroutine function is.

    Raises:
        PluginError: The function does not make a method.
    """
    place = f"method {name!r}"
    if inspect.iscoroutinefunction(make):
        plugins.check_call(place, make, "(turn, ask, context)")
        return CoroutineMethod(make, context)
    plugins.check_call(place, make, "(context), or be an async function of (turn, ask, context)")
    method: Method = plugins.made(place, make, context)
    made = f"{place}: the {type(method).__name__} that it makes"
    plugins.check_parts(made, method, ("propose", "solve", "rows_at_most"), "methods")
    plugins.check_call(f"{place}: propose", method.propose, "(turn, ask)")
    plugins.check_call(f"{place}: solve", method.solve, "(candidate, ask)")
    return method


class CoroutineMethod:
    """A coroutine function as a method. It is called with a turn, `ask` and the context.

    It returns finished examples or candidates. An example counts as proposed by the first reply that was asked for, and as solved
    by the last. The topic and the language of a draw are recorded with it if a request had the draw's steering lines.
    """

    rows_at_most = 1

    def __init__(self, function: CoroutineFunction, context: MethodContext) -> None:
        self.function = function
        self.context = context

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return what the coroutine gives in this turn.

        Raises:
            PluginError: The coroutine breaks the contract.
        """
        name, watched = self.function.__name__, _WatchedTurn(turn)
        keys: list[str] = []
        requests: list[Request] = []

        async def watched_ask(key: str, request: Request) -> Reply:
            """Ask, and note the key and the request. Raise PluginError for a key of another turn."""
            if not re.fullmatch(rf"{turn.index}([./].+)?", key):
                raise PluginError(
                    f"method {name!r}: asks under a key of another turn (got {key!r}). Fix: set a key that begins with "
                    f"`turn.key`, here {turn.key}/."
                )
            keys.append(key)  # in the order of asking, which does not depend on how long replies take
            requests.append(request)
            try:
                return await ask(key, request)
            except RequestRefused:
                keys.remove(key)  # an example cannot come from it
                raise

        results = await self.function(watched, watched_ask, self.context)
        _check_results(name, results, keys)
        examples = [result for result in results if isinstance(result, Example)]
        tasks = [ParsedTask(clean(example.instruction), clean(example.input), clean(example.output)) for example in examples]
        key, solved_by = keys[0] if keys else turn.key, keys[-1] if len(keys) > 1 else None
        trace = watched.trace_in(requests)
        own = [Candidate(key, position, task, solved_by=solved_by, trace=trace) for position, task in enumerate(tasks)]
        return [*own, *(result for result in results if isinstance(result, Candidate))]

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the candidate as it is: a coroutine gives finished tasks."""
        return [candidate]


class _WatchedTurn:
    """A turn that keeps its draws."""

    def __init__(self, turn: Turn) -> None:
        self._turn = turn
        self._draws: list[Draw] = []

    @property
    def index(self) -> int:
        """The number of the root request."""
        return self._turn.index

    @property
    def key(self) -> str:
        """The index as a request key."""
        return self._turn.key

    async def draw(
        self, seeds: int = 0, generated: int = 0, *, among: Sequence[Seed] | None = None, finished: bool = False
    ) -> Draw:
        """Draw as the turn does, and keep the draw."""
        self._draws.append(await self._turn.draw(seeds, generated, among=among, finished=finished))
        return self._draws[-1]

    def trace_in(self, requests: Sequence[Request]) -> Mapping[str, str]:
        """Return the trace of the last draw whose steering lines stand in a request, else an empty one."""
        texts = [text for request in requests for text in (request.prompt or "", *(one["content"] for one in request.messages))]
        for draw in reversed(self._draws):
            lines = draw.steering() if draw.trace else ""
            if lines and any(lines in text for text in texts):
                return draw.trace
        return {}


def _check_results(name: str, results: object, keys: Sequence[str]) -> None:
    """Raise PluginError unless a coroutine's results are examples and candidates that come from its replies."""
    if not isinstance(results, list | tuple) or not all(isinstance(result, Example | Candidate) for result in results):
        raise PluginError(f"method {name!r}: must return a list of examples (got {results!r:.80}). Fix: set what it returns.")
    for result in results:
        if isinstance(result, Example) and not all(isinstance(text, str) for text in astuple(result)):
            raise PluginError(
                f"method {name!r}: an example has a field that is not text (got {result!r:.80}). Fix: set instruction, input and "
                "output to texts."
            )
        if isinstance(result, Candidate) and result.key not in keys:
            raise PluginError(
                f"method {name!r}: a candidate names a key without a reply (got {result.key!r}). Fix: set the key that was asked."
            )
    if results and not keys:
        raise PluginError(f"method {name!r}: returns examples without asking. Fix: add a call of `ask` that they come from.")
