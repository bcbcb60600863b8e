"""Turns: what each root request draws, and which topic it is given.

A draw follows from the recipe, its inputs and the index. Where it depends on accepted tasks, these are the tasks of root requests
below the turn's horizon (see `task_pool`).
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from selfinstruct.contracts import Draw, MethodContext
from selfinstruct.generate.diversity import Diversity, Weights, weighted_sample
from selfinstruct.generate.task_pool import TaskPool, blocks, horizon
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Candidate, Seed, Topic

_HORIZONS_KEPT = 4  # horizons whose state is held: no more than two are in use at a time
_MOST_TURNS = 2.0  # turns of a topic that gives few tasks, for each turn of its share
_WEIGHED = 1_000  # generated tasks, drawn at random, among which `spread` draws by weight
_SHARE_OF_HOME = 0.6  # share of a prompt's seeds that `spread` takes from one domain


@dataclass
class HorizonState:
    """The facts that the turns of one horizon depend on.

    Attributes:
        admitted: How many candidates were admitted below the horizon.
        weights: The weights for drawing seeds and generated tasks. None unless the recipe samples by `spread`.
        tasks: How many admitted tasks each topic has. Planned turns are counted as if they were over.
        turns: How many root requests were given each topic. Planned turns are counted too.
        tasks_per_turn: The mean number of tasks that a turn gives a topic.
        plan: The topics of the root requests from the horizon on, as far as they were asked for.
    """

    admitted: int
    weights: Weights | None
    tasks: dict[str, float]
    turns: Counter[str]
    tasks_per_turn: float
    plan: list[Topic] = field(default_factory=list)


class Turns:
    """The turns of a run, and the state at each horizon that they depend on.

    `languages` has the English names of the recipe's languages by code. Where seeds are sampled by `spread` and name their
    domains, and the recipe has no topics, the domains stand for topics with equal quotas.
    """

    def __init__(
        self,
        generate: Generate,
        seeds: Sequence[Seed],
        topics: Sequence[Topic] = (),
        languages: Mapping[str, str] | None = None,
        task_pool: TaskPool | None = None,
    ) -> None:
        self.generate = generate
        self.diversity = Diversity(seeds) if generate.seed_sampling == "spread" else None
        self.has_quotas = bool(topics)
        self.topics = topics or (_domains(seeds, generate.seed) if self.diversity else ())
        self.languages = languages or {}
        self.task_pool = task_pool or TaskPool()
        self._blocks = blocks(generate.lag)
        self._next_horizon = next(self._blocks)
        self._states: dict[int, HorizonState] = {}
        self._tasks: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._taken = 0  # admitted candidates that are counted in a state

    def turn(self, index: int, context: MethodContext) -> RootTurn:
        """Return the turn of a root request for the method of this context."""
        return RootTurn(index, context, self)

    async def state(self, index: int) -> HorizonState:
        """Wait until the state that a root request depends on is known, and return it.

        Raises:
            ReplyMissing: The run ends before it is known.
        """
        at = horizon(index, self.generate.lag)
        await self.task_pool.wait_below(at)
        while self._next_horizon <= at:  # each horizon in order, whichever is asked for first
            self._states[self._next_horizon] = self._state_at(self._next_horizon)
            self._next_horizon = next(self._blocks)
            for old in sorted(self._states)[:-_HORIZONS_KEPT]:
                del self._states[old]
        return self._states[at]

    async def topic(self, index: int) -> Topic | None:
        """Return the topic of a root request, or None without topics.

        It is the topic that is furthest behind its quota if every earlier turn gives as many tasks as turns gave so far. A
        topic that gives few tasks gets more turns, but no more than twice its share of them.
        """
        if not self.topics:
            return None
        await self.state(index)
        return self._planned(index)

    def _planned(self, index: int) -> Topic:
        """Return a root request's topic from the plan of its horizon, which must be known."""
        at = horizon(index, self.generate.lag)
        state = self._states[at]
        while len(state.plan) <= index - at:
            state.plan.append(self._furthest_behind(state))
        return state.plan[index - at]

    def _furthest_behind(self, state: HorizonState) -> Topic:
        """Return the next topic of a plan, and count it in the state as if its turn were over."""
        quotas, turns = sum(topic.quota for topic in self.topics), state.turns.total() + 1
        tasks = sum(state.tasks.values()) + state.tasks_per_turn
        allowed = [topic for topic in self.topics if state.turns[topic.name] < _MOST_TURNS * topic.quota / quotas * turns]
        chosen = max(allowed or self.topics, key=lambda topic: topic.quota / quotas * tasks - state.tasks[topic.name])
        state.turns[chosen.name] += 1
        state.tasks[chosen.name] += state.tasks_per_turn
        return chosen

    def _state_at(self, at: int) -> HorizonState:
        end = self.task_pool.size_below(at)
        fresh = self.task_pool.admitted[self._taken : end]
        self._taken = end
        if self.diversity:
            self.diversity.add(fresh)
        weights = self.diversity.weights() if self.diversity else None
        if not self.topics:
            return HorizonState(end, weights, {}, Counter(), 1.0)
        if self.has_quotas or self.diversity is None:
            self._tasks.update(str(task.trace["topic"]) for task in fresh if "topic" in task.trace)
        else:  # the domain that a task came out near to counts, not the domain that it was asked for
            self._tasks.update(filter(None, map(self.diversity.domain_of, fresh)))
        self._turns.update(self._planned(index).name for index in range(self._turns.total(), at))
        tasks = {topic.name: float(self._tasks[topic.name]) for topic in self.topics}
        return HorizonState(end, weights, tasks, self._turns.copy(), self._tasks.total() / at if self._tasks else 1.0)


@dataclass(frozen=True)
class RootTurn:
    """A turn (see `contracts.Turn`). It holds no state: each draw starts the random streams of its index again."""

    index: int
    context: MethodContext
    turns: Turns

    @property
    def key(self) -> str:
        """The index as a request key."""
        return str(self.index)

    async def draw(
        self, seeds: int = 0, generated: int = 0, *, among: Sequence[Seed] | None = None, finished: bool = False
    ) -> Draw:
        """Draw tasks to show, a topic and a language (see `contracts.Turn`)."""
        turns, generate, prompt = self.turns, self.turns.generate, self.context.prompt
        rng = self.context.rng(self.index)
        drawn = await self._seeds(rng, seeds, self.context.seeds if among is None else among) if seeds else []
        tasks = await self._generated(generated, finished) if generated else []
        # A domain of the seeds is a topic only where seeds of it are shown and the prompt has words for it.
        has_topic = turns.has_quotas or (turns.diversity is not None and seeds > 0 and prompt.has("topic"))
        topic = await turns.topic(self.index) if has_topic else None
        trace, language = {"topic": topic.name} if topic else {}, ""
        if generate.languages:
            codes, weights = list(generate.languages), list(generate.languages.values())
            trace["language"] = self.context.rng(self.index, "language").choices(codes, weights)[0]
            language = turns.languages[trace["language"]]
        return Draw(prompt, rng, tuple(drawn), tuple(tasks), generate.domain, topic, language, trace)

    async def _seeds(self, rng: random.Random, count: int, pool: Sequence[Seed]) -> list[Seed]:
        """Draw seeds at random or by `spread`. By `spread` most are of one domain where it is thin, and these stand last."""
        count = min(count, len(pool))
        diversity = self.turns.diversity
        if diversity is None or (weights := (await self.turns.state(self.index)).weights) is None:
            return rng.sample(pool, count)
        topic = await self.turns.topic(self.index)
        thin = [weights.seeds[seed.id] for seed in pool]
        home = frozenset(seed.id for seed in pool if topic and seed.domain == topic.name)
        home = home or diversity.around(pool[weighted_sample(rng, thin, 1)[0]])
        order = [pool[place] for place in weighted_sample(rng, thin, len(pool))]
        here, elsewhere = [seed for seed in order if seed.id in home], [seed for seed in order if seed.id not in home]
        here = here[: max(1, round(_SHARE_OF_HOME * count), count - len(elsewhere))]
        return [*elsewhere[: count - len(here)], *here]

    async def _generated(self, count: int, finished: bool) -> list[Candidate]:
        """Draw tasks that were admitted below the horizon, at random or by `spread`."""
        state = await self.turns.state(self.index)
        pool, rng = self.turns.task_pool, self.context.rng(self.index, "generated")
        size = bisect_left(pool.finished, state.admitted) if finished else state.admitted
        places = rng.sample(range(size), min(size, count if state.weights is None else _WEIGHED))
        tasks = [pool.admitted[pool.finished[place] if finished else place] for place in places]
        if state.weights is None:
            return tasks
        thin = [state.weights.generated[task.id] for task in tasks]
        return [tasks[place] for place in weighted_sample(rng, thin, min(count, len(tasks)))]


def _domains(seeds: Sequence[Seed], seed: int) -> list[Topic]:
    """Return the domains that seeds name as topics, in an order that the run's seed decides. One domain alone is none."""
    names = sorted({task.domain for task in seeds if task.domain})
    order = random.Random(f"{seed}/domains").sample(names, len(names))
    return [Topic(name, about=name.replace("_", " ")) for name in order] if len(order) > 1 else []
