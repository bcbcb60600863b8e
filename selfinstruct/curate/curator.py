"""Curation: the one verdict on each candidate. Pure: the same candidates in the same order give the same verdicts."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import Surroundings
from selfinstruct.errors import PluginError, RecipeError
from selfinstruct.recipe.schema import Curate, FilterSetting
from selfinstruct.records import Candidate, Decision, Drop, Example, Neighbour, Seed
from selfinstruct.rouge import RougeIndex

NEIGHBOURS = 10
Filters = Mapping[str, Callable[..., Any]]  # objects passed in a notebook, by the name they are recorded under

Step = tuple[str, Callable[[Example, Surroundings], Drop | None], bool, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter ready for use: its name, its function, its options.

    An `early` one needs only instruction and input, and can run before the task is solved; a `last` one compares with
    earlier rows, and must run when they are known. `languages` are those that it is meant for, None for all.
    """

    name: str
    function: Callable[..., Drop | None]
    options: Mapping[str, Any]
    early: bool
    last: bool
    languages: frozenset[str] | None = None

    @property
    def step(self) -> Step:
        """The rule as it is run on each candidate, with as little as possible to look up."""
        return self.name, partial(self.function, **self.options) if self.options else self.function, self.last, self.languages


def settled(curate: Curate, languages: Collection[str] = ()) -> Curate:
    """A [curate] part that names each filter with its setting, so that a filter added later cannot change it.

    One that only makes sense for some languages is on if the dataset's is among them, or one of those that are asked for.
    """
    asked = languages or [curate.language]
    filters: dict[str, FilterSetting] = {}
    for name in plugins.names("filter"):
        meant = getattr(plugins.find("filter", name), "languages", None)
        filters[name] = meant is None or not set(meant).isdisjoint(asked)
    return curate.model_copy(update={"filters": filters | curate.filters})


def rules(settings: Mapping[str, FilterSetting], own: Filters | None = None) -> list[Rule]:
    """The filters that are switched on, early ones first; raises PluginError or RecipeError for what cannot be."""
    found = []
    for name, setting in settings.items():
        if setting is False and ":" in name:
            continue  # switched off, and perhaps no longer to be found
        function = (own or {}).get(name) or plugins.find("filter", name)
        options = setting if isinstance(setting, dict) else {}
        try:
            parameters = list(inspect.signature(function).parameters.values())[2:]
        except (TypeError, ValueError):
            raise PluginError(f"filter {name!r} is no function of an example and its surroundings; name another") from None
        known = [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_KEYWORD]
        for option, value in options.items():
            default = next((p.default for p in parameters if p.name == option), None)
            if isinstance(default, int | float) and not isinstance(value, int | float):
                raise RecipeError(f"filter {name!r}: {option} is a number (it is {value!r})")
            if isinstance(default, tuple) and not isinstance(value, list | tuple):
                raise RecipeError(f"filter {name!r}: {option} is a list (it is {value!r})")
            if option not in known and len(known) == len(parameters):
                raise RecipeError(f"filter {name!r} has no option {option!r}; it has: {', '.join(known) or 'none'}")
        if setting is not False:
            early, last = (getattr(function, mark, False) for mark in ("reads_instruction_only", "compares_rows"))
            languages = getattr(function, "languages", None)
            found.append(Rule(name, function, options, early, last, languages and frozenset(languages)))
    return sorted(found, key=lambda rule: (not rule.early, ":" in rule.name, rule.name))


class Curator:
    """Decides on candidates one after the other, in index order: `admit` when proposed, `check` when finished.

    `caps` are the most rows of each topic. A filter that is meant for some languages passes over candidates that were asked
    for in another one.
    """

    def __init__(
        self, seeds: Sequence[Seed], curate: Curate, own: Filters | None = None, caps: Mapping[str, int] | None = None
    ) -> None:
        self.limit = curate.rouge
        self.caps = caps or {}
        self._of_topic: Counter[str] = Counter()
        self.rules = rules(curate.filters, own)
        self.pool = RougeIndex(curate.rouge, tokens=curate.tokens)
        self.pool.add_all([seed.instruction for seed in seeds], [f"seed:{seed.id}" for seed in seeds])
        shown = frozenset(seed.instruction.lower() for seed in seeds)
        self._rows: dict[tuple[str, str], str] = {}
        echoes = shown | {text.rstrip(".!?: ") for text in shown}
        self._around = {cut: (Surroundings(echoes, {}, cut), Surroundings(echoes, self._rows, cut)) for cut in (False, True)}
        # Which rules run when: on a proposal, finished or not, and on an admitted candidate, solved after that or not.
        self._on_proposal = {done: [r.step for r in self.rules if r.early or (done and not r.last)] for done in (False, True)}
        self._on_admitted = {
            solved: [r.step for r in self.rules if r.last or (solved and not r.early)] for solved in (False, True)
        }

    def admit(self, candidates: Sequence[Candidate]) -> list[Decision]:
        """The verdicts on proposed candidates, in order: filters on what there is of each, then ROUGE-L to all before."""
        decisions = [self._filtered(one, self._on_proposal[one.item.output is not None]) for one in candidates]
        passed = [decision.candidate for decision in decisions if decision.kept]
        found = iter(self.pool.admit_all([one.item.instruction for one in passed], [one.admitted_as for one in passed]))
        return [self._near(decision, next(found)) if decision.kept else decision for decision in decisions]

    def check(self, candidate: Candidate) -> Decision:
        """The last verdict on an admitted candidate, now that it has its output and all earlier rows are known."""
        decision = self._filtered(candidate, self._on_admitted[candidate.solved_by is not None])
        topic = candidate.trace.get("topic", "")
        if decision.kept and self._of_topic[topic] >= self.caps.get(topic, self._of_topic[topic] + 1):
            return Decision(candidate, "over_quota", self.caps[topic], self.caps[topic])
        return decision

    def keep(self, candidate: Candidate) -> None:
        """Let later candidates be compared with this row."""
        example = candidate.example
        self._of_topic[candidate.trace.get("topic", "")] += 1
        self._rows[example.instruction.lower(), example.input.lower()] = example.output

    def _near(self, decision: Decision, near: Neighbour | None) -> Decision:
        return Decision(decision.candidate, "rouge", near.score, self.limit, (near,)) if near else decision

    def _filtered(self, candidate: Candidate, steps: Sequence[Step]) -> Decision:
        if flaw := candidate.item.flaw:
            return Decision(candidate, flaw.rule, flaw.detail)
        example = candidate.example
        alone, among_rows = self._around[candidate.item.cut]
        language = candidate.trace.get("language")
        for name, function, last, languages in steps:
            if language and languages and language not in languages:
                continue
            if drop := function(example, among_rows if last else alone):
                if not isinstance(drop, Drop):
                    raise PluginError(f"filter {name!r} gave {drop!r}; a filter gives a Drop, or None to keep")
                return Decision(candidate, name, drop.value, drop.limit)
        return Decision(candidate)
