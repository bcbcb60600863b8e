"""Where a run is steered to, and what each root request draws: seeds, generated tasks, a topic, a language."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from selfinstruct.contracts import MethodContext
from selfinstruct.generate.diversity import Spread, Weights, draw
from selfinstruct.generate.task_pool import Memory, blocks, horizon
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Candidate, ParsedTask, Seed, Topic

_KEPT = 4  # horizons whose state is remembered; no more than two are in use at a time
_TURNS = 2.0  # how often a topic that gives little may have its turn, for each turn of its share
_WEIGHED = 1_000  # generated tasks, drawn at random, of which `spread` takes those from where it is thin
_AT_HOME = 0.6  # share of a prompt's seeds that `spread` takes from one place


@dataclass
class Known:
    """What counts at a horizon: how many candidates were admitted below it, how thin it is where, and the topics so far.

    `topics` counts the tasks of each topic, `turns` the root requests that had it, and `each` how many tasks one gives.
    `plan` are the topics of the root requests from the horizon on, as far as somebody asked, and counted as if they were over.
    """

    admitted: int
    weights: Weights | None
    topics: dict[str, float]
    turns: Counter[str]
    each: float
    plan: list[Topic] = field(default_factory=list)


class Steering:
    """What the recipe says of a run's direction, and what has been admitted so far.

    `languages` has the names of the recipe's languages by code. Where seeds are drawn by `spread` and name their domains, these
    stand for topics, each as much as the others.
    """

    def __init__(
        self,
        generate: Generate,
        seeds: Sequence[Seed],
        topics: Sequence[Topic] = (),
        languages: Mapping[str, str] | None = None,
        memory: Memory | None = None,
    ) -> None:
        self.generate = generate
        self.spread = Spread(seeds) if generate.seed_sampling == "spread" else None
        self.has_quotas = bool(topics)
        self.topics = topics or (_domains(seeds, generate.seed) if self.spread else ())
        self.languages = languages or {}
        self.memory = memory or Memory()
        self._blocks = blocks(generate.lag)
        self._next = next(self._blocks)
        self._known: dict[int, Known] = {}
        self._counted: Counter[str] = Counter()
        self._turns: Counter[str] = Counter()
        self._taken = 0

    def turn(self, index: int, setting: MethodContext) -> OneTurn:
        """The turn of a root request, for a method with this setting."""
        return OneTurn(index, setting, self)

    async def known(self, index: int) -> Known:
        """What counts for a root request; waits until it is known."""
        at = horizon(index, self.generate.lag)
        await self.memory.below(at)
        while self._next <= at:  # each horizon in turn, whichever is asked for first
            self._known[self._next] = self._take(self._next)
            self._next = next(self._blocks)
            for old in sorted(self._known)[:-_KEPT]:
                del self._known[old]
        return self._known[at]

    async def topic(self, index: int) -> Topic | None:
        """The topic of a root request: the one furthest behind its quota, if all before it give as much as they have so far.

        One that gives little gets more turns, but no more than twice its share of them.
        """
        if not self.topics:
            return None
        await self.known(index)
        return self._planned(index)

    def _planned(self, index: int) -> Topic:
        at = horizon(index, self.generate.lag)
        known = self._known[at]
        while len(known.plan) <= index - at:
            known.plan.append(self._furthest_behind(known))
        return known.plan[index - at]

    def _furthest_behind(self, known: Known) -> Topic:
        """The next topic of a horizon's plan; it is counted as if its turn were over."""
        whole, turns = sum(topic.quota for topic in self.topics), known.turns.total() + 1
        total = sum(known.topics.values()) + known.each
        may = [one for one in self.topics if known.turns[one.name] < _TURNS * one.quota / whole * turns]
        chosen = max(may or self.topics, key=lambda one: one.quota / whole * total - known.topics[one.name])
        known.turns[chosen.name] += 1
        known.topics[chosen.name] += known.each
        return chosen

    def _take(self, at: int) -> Known:
        end = self.memory.end(at)
        fresh = self.memory.admitted[self._taken : end]
        self._taken = end
        if self.spread:
            self.spread.add(fresh)
        weights = self.spread.weights() if self.spread else None
        if not self.topics:
            return Known(end, weights, {}, Counter(), 1.0)
        if self.has_quotas or self.spread is None:
            self._counted.update(str(one.trace["topic"]) for one in fresh if "topic" in one.trace)
        else:  # whatever was asked for: what they are near to
            self._counted.update(filter(None, map(self.spread.domain_of, fresh)))
        self._turns.update(self._planned(index).name for index in range(self._turns.total(), at))
        counts = {topic.name: float(self._counted[topic.name]) for topic in self.topics}
        return Known(end, weights, counts, self._turns.copy(), self._counted.total() / at if self._counted else 1.0)


class OneTurn:
    """A turn (see `contracts.Turn`): everything random comes from streams of the recipe's seed and the index."""

    def __init__(self, index: int, setting: MethodContext, steering: Steering) -> None:
        self.index = index
        self.setting = setting
        self.steering = steering
        self.rng = setting.rng(index)
        self._trace: dict[str, Any] = {}
        self._drew = False  # seeds, by `spread`: then, and only then, a prompt says their domain where no topic is asked for

    @property
    def key(self) -> str:
        """The index as a request key."""
        return str(self.index)

    async def seeds(self, count: int, among: Sequence[Seed] | None = None) -> list[Seed]:
        """Seeds to show: at random, or, by `spread`, most of them from one place where it is thin; those stand last."""
        pool = self.setting.seeds if among is None else among
        count = min(count, len(pool))
        spread = self.steering.spread
        weights = (await self.steering.known(self.index)).weights if spread else None
        if spread is None or weights is None:
            return self.rng.sample(pool, count)
        topic = await self.steering.topic(self.index)
        self._drew = True
        thin = [weights.seeds[seed.id] for seed in pool]
        home = frozenset(seed.id for seed in pool if topic and seed.domain == topic.name)
        home = home or spread.around(pool[draw(self.rng, thin, 1)[0]])
        order = [pool[place] for place in draw(self.rng, thin, len(pool))]
        here, elsewhere = [seed for seed in order if seed.id in home], [seed for seed in order if seed.id not in home]
        here = here[: max(1, round(_AT_HOME * count), count - len(elsewhere))]
        return [*elsewhere[: count - len(here)], *here]

    async def generated(self, count: int, *, finished: bool = False) -> list[Candidate]:
        """Tasks to show that this run gave below the horizon; from where it is thin, by `spread`."""
        known = await self.steering.known(self.index)
        memory, rng = self.steering.memory, self.setting.rng(self.index, "generated")
        there = bisect_left(memory.finished, known.admitted) if finished else known.admitted
        wanted = min(there, count if known.weights is None else _WEIGHED)
        drawn = rng.sample(range(there), wanted)
        tasks = [memory.admitted[memory.finished[place] if finished else place] for place in drawn]
        if known.weights is None:
            return tasks
        thin = [known.weights.generated[task.id] for task in tasks]
        return [tasks[place] for place in draw(rng, thin, min(count, len(tasks)))]

    async def fill(self, section: str, shown: Seed | Candidate | None = None, **values: object) -> str:
        """A section of the prompt with this turn's domain, topic and language, or with those of what is `shown`."""
        return self.setting.prompt.fill(section, **values, steering=await self._steering(shown))

    def candidates(
        self, key: str, items: Iterable[ParsedTask], shown: Iterable[Seed | Candidate] = (), **trace: Any
    ) -> list[Candidate]:
        """The items of a reply as candidates."""
        seeds: list[str] = []
        generated: list[str] = []
        for one in shown:
            (seeds if isinstance(one, Seed) else generated).append(one.id)
        whole = {**self._trace, **({"generated": generated} if generated else {}), **trace}
        return [Candidate(key, position, item, tuple(seeds), trace=whole) for position, item in enumerate(items)]

    async def _steering(self, shown: Seed | Candidate | None) -> str:
        """The lines that say where this turn is steered to, in the prompt's words; of what is shown, what it is about."""
        generate, prompt = self.steering.generate, self.setting.prompt
        fill = prompt.fill
        lines = [fill("domain", domain=generate.domain)] if generate.domain else []
        says = self.steering.has_quotas or (self._drew and prompt.has("topic"))
        topic = await self.steering.topic(self.index) if says else None
        if topic and shown is None:
            self._trace["topic"] = topic.name
            lines.append(fill("topic", topic=topic.name, about=topic.about or topic.name))
        elif topic and (own := _topic_of(shown)):
            lines.append(fill("topic", topic=own, about=_in_words(own)))
        if generate.languages and shown is None:
            codes, weights = list(generate.languages), list(generate.languages.values())
            code = self.setting.rng(self.index, "language").choices(codes, weights)[0]
            self._trace["language"] = code
            lines.append(fill("language", language=self.steering.languages[code]))
        return "\n".join(lines)


def _domains(seeds: Sequence[Seed], seed: int) -> list[Topic]:
    """The domains that seeds name, as topics, in an order that is the recipe's own."""
    names = sorted({seed.domain for seed in seeds if seed.domain})
    order = random.Random(f"{seed}/domains").sample(names, len(names))
    return [Topic(name, about=_in_words(name)) for name in order] if len(order) > 1 else []


def _topic_of(shown: Seed | Candidate | None) -> str:
    if isinstance(shown, Seed):
        return shown.domain
    return str(shown.trace.get("topic", "")) if shown else ""


def _in_words(name: str) -> str:
    return name.replace("_", " ")
