"""The verdict on each candidate. Equal candidates in the same order get equal verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from selfinstruct.contracts import FilterContext, Stage
from selfinstruct.curate.rules import Filters, Step, rules, steps
from selfinstruct.errors import PluginError
from selfinstruct.languages.codes import base
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Decision, Neighbour, Rejection, Seed
from selfinstruct.rouge import RougeIndex
from selfinstruct.text import END_MARKS

NEIGHBOURS = 10  # nearest earlier instructions that the provenance of a row names


@dataclass(frozen=True, slots=True)
class _Contexts:
    """The filters' context without the accepted rows, and with them."""

    alone: FilterContext
    among_rows: FilterContext


class Curator:
    """Decides on candidates one after the other, in index order: `admit` when proposed, `check` when finished.

    `seeds` are the seed tasks, `curate` the settings in force. `own` are filters passed as functions.
    `caps` are the most rows of each topic. A filter for some languages passes over candidates requested in another one.

    Raises PluginError or RecipeError when a filter cannot be used.
    """

    def __init__(
        self, seeds: Sequence[Seed], curate: Curate, own: Filters | None = None, caps: Mapping[str, int] | None = None
    ) -> None:
        self.limit = curate.rouge
        self.caps = caps or {}
        self._rows_of_topic: Counter[str] = Counter()
        self.rules = rules(curate.filters, own)
        self.pool = RougeIndex(curate.rouge, tokens=curate.tokens)
        self.pool.add_all([seed.instruction for seed in seeds], [f"seed:{seed.id}" for seed in seeds])
        shown = frozenset(seed.instruction.lower() for seed in seeds)
        seed_instructions = shown | {text.rstrip(END_MARKS) for text in shown}
        self._outputs: dict[tuple[str, str], str] = {}
        self._language = curate.language
        self._seed_instructions = seed_instructions
        self._contexts: dict[tuple[str, bool], _Contexts] = {}
        # A filter runs once on each candidate, as soon as what it reads is there.
        self._on_unsolved_proposal = steps(self.rules, Stage.PROPOSED)
        self._on_finished_proposal = steps(self.rules, Stage.PROPOSED, Stage.FINISHED)
        self._on_solved_task = steps(self.rules, Stage.FINISHED, Stage.AMONG_ROWS)
        self._on_admitted_task = steps(self.rules, Stage.AMONG_ROWS)

    def admit(self, candidates: Sequence[Candidate]) -> list[Decision]:
        """Return the verdicts on proposed candidates, in order.

        The filters for what is known of each candidate run first. ROUGE-L then compares with the seeds and all admitted tasks.
        """
        decisions = [
            self._filtered(candidate, self._on_unsolved_proposal if candidate.task.output is None else self._on_finished_proposal)
            for candidate in candidates
        ]
        passed = [decision.candidate for decision in decisions if decision.accepted]
        instructions = [candidate.task.instruction for candidate in passed]
        nearest = iter(self.pool.admit_all(instructions, [candidate.admitted_as for candidate in passed]))
        return [self._compared(decision, next(nearest)) if decision.accepted else decision for decision in decisions]

    def check(self, candidate: Candidate) -> Decision:
        """Return the last verdict on an admitted candidate, which has its output. All earlier rows must be known."""
        decision = self._filtered(candidate, self._on_solved_task if candidate.solved_by is not None else self._on_admitted_task)
        topic = candidate.trace.get("topic", "")
        if decision.accepted and self._rows_of_topic[topic] >= self.caps.get(topic, self._rows_of_topic[topic] + 1):
            return Decision(candidate, "over_quota", self.caps[topic], self.caps[topic])
        return decision

    def keep(self, candidate: Candidate) -> None:
        """Record a candidate that became a row. Later candidates are compared with it."""
        example = candidate.example
        self._rows_of_topic[candidate.trace.get("topic", "")] += 1
        self._outputs[example.instruction.lower(), example.input.lower()] = example.output

    def _context(self, language: str, cut: bool) -> _Contexts:
        if (language, cut) not in self._contexts:
            self._contexts[language, cut] = _Contexts(
                FilterContext(self._seed_instructions, {}, cut, language),
                FilterContext(self._seed_instructions, self._outputs, cut, language),
            )
        return self._contexts[language, cut]

    def _compared(self, decision: Decision, near: Neighbour | None) -> Decision:
        return Decision(decision.candidate, "rouge", near.score, self.limit, (near,)) if near else decision

    def _filtered(self, candidate: Candidate, steps: Sequence[Step]) -> Decision:
        """Return the rejection by the first of the steps that rejects, else the acceptance."""
        if defect := candidate.task.defect:
            return Decision(candidate, defect.rule, defect.detail)
        example = candidate.example
        language = candidate.trace.get("language")
        contexts = self._context(language or self._language, candidate.task.cut)
        for step in steps:
            if language and step.languages and base(language) not in step.languages:
                continue
            if rejection := step.function(example, contexts.among_rows if step.reads_rows else contexts.alone):
                if not isinstance(rejection, Rejection):
                    raise PluginError(
                        f"filter {step.name!r}: must return a Rejection or None (got {rejection!r}). Fix: change what it returns."
                    )
                return Decision(candidate, step.name, rejection.value, rejection.limit)
        return Decision(candidate)
