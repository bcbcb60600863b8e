"""Filters ready for use: their settings checked and their order fixed."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext
from selfinstruct.errors import PluginError, RecipeError
from selfinstruct.recipe.schema import FilterSetting
from selfinstruct.records import Example, Rejection

Filters = Mapping[str, Callable[..., Any]]  # objects passed in a notebook, by the name they are recorded under
Step = tuple[str, Callable[[Example, FilterContext], Rejection | None], bool, frozenset[str] | None]


@dataclass(frozen=True, slots=True)
class Rule:
    """A filter ready for use: its name, its function, its options.

    An `early` one needs only instruction and input, and can run before the task is solved; a `last` one compares with
    earlier rows, and must run when they are known. `languages` are those that it is meant for, None for all.
    """

    name: str
    function: Callable[..., Rejection | None]
    options: Mapping[str, Any]
    early: bool
    last: bool
    languages: frozenset[str] | None = None

    @property
    def step(self) -> Step:
        """The rule as it is run on each candidate, with as little as possible to look up."""
        return self.name, partial(self.function, **self.options) if self.options else self.function, self.last, self.languages


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
