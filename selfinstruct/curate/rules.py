"""Filters ready for use, with checked options and a fixed order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext, Stage
from selfinstruct.errors import PluginError
from selfinstruct.recipe.values import FilterSetting
from selfinstruct.records import Example, Rejection

Filters = Mapping[str, Callable[..., Any]]  # functions passed to `Run`, by the name under which they are recorded


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter that is switched on.

    Attributes:
        name: The name that decisions and `rejected.jsonl` record.
        function: The filter's function.
        options: The options that the recipe sets.
        stage: The moment at which it runs.
        languages: Codes of the languages that it is meant for, or None for all.
    """

    name: str
    function: Callable[..., Rejection | None]
    options: Mapping[str, Any] = field(default_factory=dict)
    stage: Stage = Stage.FINISHED
    languages: frozenset[str] | None = None

    @property
    def step(self) -> Step:
        """The rule with its options bound, as it runs on each candidate."""
        function = partial(self.function, **self.options) if self.options else self.function
        return Step(self.name, function, self.stage is Stage.AMONG_ROWS, self.languages)


@dataclass(frozen=True, slots=True)
class Step:
    """A rule as it runs on each candidate. Options are bound, so that little is looked up per candidate.

    `reads_rows` is True for a rule that compares with the accepted rows.
    """

    name: str
    function: Callable[[Example, FilterContext], Rejection | None]
    reads_rows: bool
    languages: frozenset[str] | None


def rules(settings: Mapping[str, FilterSetting], own: Filters | None = None) -> list[Rule]:
    """Return the filters that are switched on, those for proposed tasks first, then by name.

    `settings` is the recipe's `[curate.filters]`. `own` are functions passed to `Run`.

    Raises:
        PluginError: A name has no function, or the function cannot be a filter.
        RecipeError: An option is unknown or has the wrong type.
    """
    chosen = []
    for name, setting in settings.items():
        if setting is False and ":" in name:
            continue  # a filter from outside may be gone when it is switched off
        function = (own or {}).get(name) or plugins.find("filter", name)
        options = setting if isinstance(setting, dict) else {}
        plugins.check_options(f"filter {name!r}", function, options, "(example, context)")
        if setting is not False:
            languages = getattr(function, "languages", None)
            stage = getattr(function, "stage", Stage.FINISHED)
            if not isinstance(stage, Stage):
                raise PluginError(
                    f"filter {name!r}: `stage` must be a Stage (got {stage!r}). Fix: decorate it with @filter(stage=...)."
                )
            chosen.append(Rule(name, function, options, stage, languages and frozenset(languages)))
    return sorted(chosen, key=lambda rule: (rule.stage is not Stage.PROPOSED, ":" in rule.name, rule.name))


def steps(rules: Collection[Rule], *stages: Stage) -> list[Step]:
    """Return the steps of the rules that run at any of the stages, in the order of `rules`."""
    return [rule.step for rule in rules if rule.stage in stages]
