"""Where the admitted instructions lie thick and where thin: around which seeds, and around which of themselves."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.records import Candidate, Seed
from selfinstruct.rouge import RougeIndex
from selfinstruct.rouge.tokens import Kind, tokenizer

_COMMON = 0.04  # share of the seeds' instructions from which on a word says nothing of what they are about
_FEW = 5  # seeds that may share a word in any case
_NEAREST = 3  # neighbours that an admitted instruction counts for
_AROUND = 6  # seeds that count as a seed's surroundings where seeds name no domains
_PULL = 3.0  # how strongly what is thin is preferred: the power of its weight


@dataclass(frozen=True)
class Weights:
    """How thin it is around each seed and each admitted instruction: weights for drawing, by id."""

    seeds: Mapping[str, float]
    generated: Mapping[str, float]


class Spread:
    """The densities around seeds and admitted instructions, as these are added in index order.

    An instruction adds its ROUGE-L to the seeds, and to the instructions before it, that are nearest to it: so what is often
    imitated, in matter or in form, becomes rare in prompts. Which seed it is nearest to in matter, and so which domain it is of,
    is told without the words that are common among the seeds ("what", "write").
    """

    def __init__(self, seeds: Sequence[Seed], tokens: Kind = "unicode") -> None:
        self._split = tokenizer(tokens)
        counts = Counter(word for seed in seeds for word in set(self._split(seed.instruction)))
        self._common = {word for word, count in counts.items() if count > max(_FEW, _COMMON * len(seeds))}
        self._domain_of = {seed.id: seed.domain or seed.id for seed in seeds}
        self._seeds, self._matters, self._own = (RougeIndex(tokens=tokens) for _ in range(3))
        self._seeds.add_all([seed.instruction for seed in seeds], [seed.id for seed in seeds])
        self._matters.add_all([self._matter(seed.instruction) for seed in seeds], [seed.id for seed in seeds])
        self._density: dict[str, float] = {seed.id: 0.0 for seed in seeds}
        self._generated: dict[str, float] = {}
        self._around: dict[str, frozenset[str]] = {}

    def around(self, seed: Seed) -> frozenset[str]:
        """The seeds of a seed's domain, or, where it names none, those nearest to it in matter; itself among them."""
        if seed.id not in self._around:
            near = self._matters.nearest(self._matter(seed.instruction), _AROUND)
            alike = [one.id for one in near if one.score > 0]
            domain = [name for name, domain in self._domain_of.items() if domain == self._domain_of[seed.id]]
            self._around[seed.id] = frozenset([seed.id, *(domain if seed.domain else alike)])
        return self._around[seed.id]

    def domain_of(self, candidate: Candidate) -> str:
        """The domain of the seed that an instruction is nearest to in matter; empty where it has nothing in common with any."""
        near = self._matters.nearest(self._matter(candidate.item.instruction), 1)
        return self._domain_of[near[0].id] if near and near[0].score > 0 else ""

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Take in what was admitted next."""
        for candidate in candidates:
            text = candidate.item.instruction
            for near in self._seeds.nearest(text, _NEAREST):
                self._density[near.id] += near.score
            gained = 0.0
            for near in self._own.nearest(text, _NEAREST):
                self._generated[near.id] += near.score
                gained += near.score
            self._generated[candidate.id] = gained
            self._own.add(text, candidate.id)

    def weights(self) -> Weights:
        """The weights as they are now."""
        return Weights(_weights(self._density), _weights(self._generated))

    def _matter(self, text: str) -> str:
        return " ".join(word for word in self._split(text) if word not in self._common)


def _weights(density: Mapping[str, float]) -> dict[str, float]:
    mean = sum(density.values()) / len(density) if density else 0.0
    return {name: (1 + value / mean) ** -_PULL if mean else 1.0 for name, value in density.items()}


def draw(rng: random.Random, weights: Sequence[float], count: int) -> list[int]:
    """Places of so many different things, drawn one after the other by their weights (Efraimidis and Spirakis, 2006)."""
    keys = [(rng.random() ** (1 / weight), place) for place, weight in enumerate(weights)]
    return [place for _, place in sorted(keys, reverse=True)[:count]]
