"""Diversity: weights for drawing seeds and generated tasks where few admitted instructions are near them."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.records import Candidate, Seed
from selfinstruct.rouge import RougeIndex
from selfinstruct.rouge.tokens import Kind, tokenizer

_COMMON = 0.04  # a word in more than this share of the seeds' instructions does not tell their subject
_FEW = 5  # a word in no more than this many seeds always counts for their subject
_NEAREST = 3  # neighbours whose density an admitted instruction raises
_AROUND = 6  # seeds that count as near to a seed where seeds name no domains
_PULL = 3.0  # exponent of the preference for low density


@dataclass(frozen=True)
class Weights:
    """Weights for drawing, by id, for seeds and for generated tasks. A weight is high where density is low."""

    seeds: Mapping[str, float]
    generated: Mapping[str, float]


class Diversity:
    """The densities around seeds and admitted instructions. Candidates are added in index order.

    An instruction adds its ROUGE-L to the seeds, and to the earlier instructions, that are nearest to it. So a task that is often
    imitated becomes rare in prompts. The subject of an instruction, and so its domain, is told without words that are common
    among the seeds ("what", "write").
    """

    def __init__(self, seeds: Sequence[Seed], tokens: Kind = "unicode") -> None:
        self._split = tokenizer(tokens)
        counts = Counter(word for seed in seeds for word in set(self._split(seed.instruction)))
        self._common = {word for word, count in counts.items() if count > max(_FEW, _COMMON * len(seeds))}
        self._domain_of = {seed.id: seed.domain or seed.id for seed in seeds}
        self._seeds, self._subjects, self._admitted = (RougeIndex(tokens=tokens) for _ in range(3))
        self._seeds.add_all([seed.instruction for seed in seeds], [seed.id for seed in seeds])
        self._subjects.add_all([self._subject(seed.instruction) for seed in seeds], [seed.id for seed in seeds])
        self._density: dict[str, float] = {seed.id: 0.0 for seed in seeds}
        self._generated: dict[str, float] = {}
        self._around: dict[str, frozenset[str]] = {}

    def around(self, seed: Seed) -> frozenset[str]:
        """Return the ids of a seed and the seeds of its domain, or the seeds of the nearest subjects where it names none."""
        if seed.id not in self._around:
            near = self._subjects.nearest(self._subject(seed.instruction), _AROUND)
            alike = [neighbour.id for neighbour in near if neighbour.score > 0]
            domain = [name for name, domain in self._domain_of.items() if domain == self._domain_of[seed.id]]
            self._around[seed.id] = frozenset([seed.id, *(domain if seed.domain else alike)])
        return self._around[seed.id]

    def domain_of(self, candidate: Candidate) -> str:
        """Return the domain of the seed whose subject is nearest, "" where no seed shares a word of the subject.

        A seed without a domain counts as a domain of its own, by its id.
        """
        near = self._subjects.nearest(self._subject(candidate.task.instruction), 1)
        return self._domain_of[near[0].id] if near and near[0].score > 0 else ""

    def add(self, candidates: Sequence[Candidate]) -> None:
        """Add the candidates that were admitted next."""
        for candidate in candidates:
            text = candidate.task.instruction
            for near in self._seeds.nearest(text, _NEAREST):
                self._density[near.id] += near.score
            gained = 0.0
            for near in self._admitted.nearest(text, _NEAREST):
                self._generated[near.id] += near.score
                gained += near.score
            self._generated[candidate.id] = gained
            self._admitted.add(text, candidate.id)

    def weights(self) -> Weights:
        """Return the weights at the present densities."""
        return Weights(_weights(self._density), _weights(self._generated))

    def _subject(self, text: str) -> str:
        return " ".join(word for word in self._split(text) if word not in self._common)


def _weights(density: Mapping[str, float]) -> dict[str, float]:
    mean = sum(density.values()) / len(density) if density else 0.0
    return {name: (1 + value / mean) ** -_PULL if mean else 1.0 for name, value in density.items()}


def weighted_sample(rng: random.Random, weights: Sequence[float], count: int) -> list[int]:
    """Return `count` different positions of `weights`, drawn one after the other by weight (Efraimidis and Spirakis, 2006)."""
    keys = [(rng.random() ** (1 / weight), place) for place, weight in enumerate(weights)]
    return [place for _, place in sorted(keys, reverse=True)[:count]]
