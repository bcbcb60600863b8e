"""Curation: the one verdict on each candidate. Pure: the same candidates in the same order give the same verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from selfinstruct.contracts import FilterContext
from selfinstruct.curate.rules import Filters, Step, rules
from selfinstruct.errors import PluginError
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Decision, Neighbour, Rejection, Seed
from selfinstruct.rouge import RougeIndex

NEIGHBOURS = 10


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
        self._around = {cut: (FilterContext(echoes, {}, cut), FilterContext(echoes, self._rows, cut)) for cut in (False, True)}
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
        if defect := candidate.item.defect:
            return Decision(candidate, defect.rule, defect.detail)
        example = candidate.example
        alone, among_rows = self._around[candidate.item.cut]
        language = candidate.trace.get("language")
        for name, function, last, languages in steps:
            if language and languages and language not in languages:
                continue
            if drop := function(example, among_rows if last else alone):
                if not isinstance(drop, Rejection):
                    raise PluginError(f"filter {name!r} gave {drop!r}; a filter gives a Rejection, or None to keep")
                return Decision(candidate, name, drop.value, drop.limit)
        return Decision(candidate)
