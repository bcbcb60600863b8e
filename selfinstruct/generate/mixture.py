"""The methods of a run: one, or several that take turns by their weights."""

from __future__ import annotations

import inspect
import random
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from math import ceil
from typing import Any

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.errors import PluginError, RequestRefused
from selfinstruct.generate.turns import Steering
from selfinstruct.records import Candidate, Example, ParsedTask, Reply, Request, clean

_AHEAD = 4  # root requests under way for each call in flight, where they make one or two
Make = Callable[[MethodContext], Method]
Coroutine = Callable[[Turn, Ask, MethodContext], Awaitable[Sequence[Example | Candidate]]]


@dataclass(frozen=True)
class Part:
    """A method with its setting and its weight among the others of a run."""

    weight: float
    setting: MethodContext
    method: Method


class Mixture:
    """The parts of a run by name; which of them has a root request follows from the recipe's seed and the index."""

    def __init__(self, parts: Mapping[str, Part], steering: Steering, seed: int) -> None:
        self.parts = parts
        self.steering = steering
        self._seed = seed
        self.rows_at_most = max(part.method.rows_at_most for part in parts.values())

    @property
    def tasks_of_a_root(self) -> tuple[float, float]:
        """How many tasks a root request gives, and how many more requests they take if all are admitted, by the weights."""
        whole = sum(part.weight for part in self.parts.values())
        each = [(part.weight / whole * part.method.rows_at_most, part.method) for part in self.parts.values()]
        return sum(tasks for tasks, _ in each), sum(tasks * getattr(method, "asks_per_task", 0) for tasks, method in each)

    def window(self, calls: int) -> int:
        """How many root requests to have under way for so many calls at a time.

        More than calls, so that one slow reply does not hold up the others; but where each root request goes on to many more
        calls, no more than calls, so that what was begun is finished before the next is begun, and a limit leaves little open.
        """
        _, more = self.tasks_of_a_root
        return max(calls, ceil(calls * _AHEAD / max(1.0, more)))

    def part_of(self, index: int) -> str:
        """The name of the part that has a root request."""
        names = list(self.parts)
        if len(names) == 1:
            return names[0]
        weights = [part.weight for part in self.parts.values()]
        return random.Random(f"{self._seed}/{index}/method").choices(names, weights)[0]

    async def propose(self, index: int, ask: Ask) -> list[Candidate]:
        """What the teacher invents in the turn of a root request."""
        part = self.parts[self.part_of(index)]
        return await part.method.propose(self.steering.turn(index, part.setting), ask)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """An admitted candidate with its output, once for each instance."""
        return await self.parts[self.part_of(candidate.root)].method.solve(candidate, ask)


def made(make: Callable[..., Any], name: str, setting: MethodContext) -> Method:
    """The method that a function makes of a setting, or that a coroutine function is; raises PluginError if it is none."""
    if inspect.iscoroutinefunction(make):
        return CoroutineMethod(make, setting)
    try:
        method: Method = make(setting)
    except (TypeError, AttributeError) as error:
        raise PluginError(f"method {name!r} cannot be made from a MethodContext ({error}); see contracts.py") from None
    if not (hasattr(method, "propose") and hasattr(method, "rows_at_most")):
        raise PluginError(f"method {name!r} gives {type(method).__name__}, which is no Method (see contracts.py)")
    return method


class CoroutineMethod:
    """A coroutine function as a method: it gets a turn, `ask` and the setting, and gives finished examples or candidates.

    An example is taken to be from the reply that was asked for first, solved by the one that was asked for last.
    """

    rows_at_most = 1

    def __init__(self, function: Coroutine, setting: MethodContext) -> None:
        self.function = function
        self.setting = setting

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """What the coroutine gives in this turn."""
        keys: list[str] = []
        name = self.function.__name__

        async def noted(key: str, request: Request) -> Reply:
            if not re.fullmatch(rf"{turn.index}([./].+)?", key):
                raise PluginError(f"method {name!r} asks under the key {key!r}; in this turn keys begin with {turn.index}/")
            keys.append(key)  # in the order of asking, which does not depend on how long replies take
            try:
                return await ask(key, request)
            except RequestRefused:
                keys.remove(key)  # no example can come from it
                raise

        found = await self.function(turn, noted, self.setting)
        if not isinstance(found, list | tuple) or not all(isinstance(one, Example | Candidate) for one in found):
            raise PluginError(f"method {name!r} gave {found!r:.80}; a method gives a list of examples")
        if any(not isinstance(text, str) for one in found if isinstance(one, Example) for text in astuple(one)):
            raise PluginError(
                f"method {name!r} gave an example with something that is no text; instruction, input and output are"
            )
        if strange := [one.key for one in found if isinstance(one, Candidate) and one.key not in keys]:
            raise PluginError(f"method {name!r} gave a candidate of the key {strange[0]!r}, under which it has no reply")
        if found and not keys:
            raise PluginError(f"method {name!r} gave examples without asking; where they come from must be known")
        items = [
            ParsedTask(clean(one.instruction), clean(one.input), clean(one.output)) for one in found if isinstance(one, Example)
        ]
        own = turn.candidates(keys[0] if keys else turn.key, items)
        solved = keys[-1] if len(keys) > 1 else None
        return [*(replace(one, solved_by=solved) for one in own), *(one for one in found if isinstance(one, Candidate))]

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Nothing to do: what a coroutine gives is finished."""
        return [candidate]
