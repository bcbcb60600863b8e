"""The definition of a run: its recipe and its inputs, and the check that a continued run is still the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from selfinstruct.client import prices
from selfinstruct.client.prices import Price
from selfinstruct.errors import RecipeChanged, RecipeError, TopicError, setting
from selfinstruct.inputs import language_check, seeds, snapshot
from selfinstruct.inputs.snapshot import BY_CONTENT, Inputs
from selfinstruct.languages import codes
from selfinstruct.recipe.credentials import DEFAULT_URL, host_of
from selfinstruct.recipe.schema import Curate, Generate, Recipe
from selfinstruct.records import Seed
from selfinstruct.text import counted

_IN_PROCESS = ("local", "scripted")
_UNSTATED = "not stated (`seeds_licence` in `[card]` of the recipe)"
_OF_THE_ADDRESS = ("base_url", "key_variable", "key_header", "headers")  # settings that say how to reach a teacher
_ADMISSION = frozenset({"rouge", "tokens", "language", "filters"})  # settings of [curate] that decide what is admitted


@dataclass(frozen=True)
class Definition:
    """A run's recipe and inputs.

    `seeds_name` is the file or dataset that the seeds came from, and `package` the version that began the run. `given` has
    the settings by which the run was begun. `admission` has the settings of [curate] that decided what was admitted then,
    because prompts may show admitted tasks. `languages` has their English names by code. `listed` has the price of each
    teacher by the price list. `earlier_price` is the highest price that was in force before.
    """

    recipe: Recipe
    inputs: Inputs
    seeds_name: str
    package: str
    given: Mapping[str, Any]
    admission: Mapping[str, Any]
    languages: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, Price | None] = field(default_factory=dict)
    earlier_price: Price | None = None

    @property
    def seeds(self) -> tuple[Seed, ...]:
        """The seed tasks."""
        return self.inputs.seeds

    @property
    def seeds_licence(self) -> str:
        """The licence of the seeds, as far as it is known."""
        bundled = self.seeds_name == seeds.BUNDLED_NAME
        return self.recipe.card.seeds_licence or (seeds.BUNDLED_LICENCE if bundled else _UNSTATED)

    @property
    def frozen(self) -> dict[str, Any]:
        """Everything that decides what is asked, as plain values.

        The endpoints' addresses are not part of it: a server may move, but what it is asked may not change.
        """
        generate = self.recipe.generate.model_dump(exclude={*BY_CONTENT, *_OF_THE_ADDRESS})
        for teacher in generate["teachers"].values():
            for name in _OF_THE_ADDRESS:
                del teacher[name]
        for one in (generate, *generate["teachers"].values()):
            if not one["reasoning_effort"]:
                del one["reasoning_effort"]  # runs of earlier versions do not have it
        for part in generate["mix"].values():
            del part["prompt"]  # its text is compared, not its name
        return {**generate, **self.inputs.digests, "admission": dict(self.admission)}

    @property
    def admits_otherwise(self) -> Curate | None:
        """The [curate] settings that the run was begun by, if those in force now admit other instructions."""
        now = self.recipe.curate
        return None if admission_of(now) == self.admission else now.model_copy(update=dict(self.admission))

    @property
    def price(self) -> Price | None:
        """The price of the teachers' tokens: stated in the recipe, else listed when the run began, else None.

        The higher of this price and an earlier one counts, so that no change can break a limit in US dollars.
        """
        runtime = self.recipe.runtime
        names = self.recipe.generate.by_name
        now = prices.several({name: prices.stated(runtime.of(name).price) or self.listed.get(name) for name in names})
        return now if now is None or self.earlier_price is None else prices.highest_of_each([self.earlier_price, now])

    @property
    def paid(self) -> bool:
        """True unless it is known that tokens cost nothing."""
        return self.price is None or not self.price.free

    @property
    def methods(self) -> str:
        """The names of the methods, joined by commas."""
        return ", ".join(dict.fromkeys(part.method for part in self.recipe.generate.parts.values()))

    @property
    def endpoint(self) -> str:
        """The hosts that requests go to, with unusual ports, for people to read."""
        return self._places(host_of)

    @property
    def hosts(self) -> str:
        """The hosts that requests go to, for the dataset card. A server may change its port during a run."""
        return self._places(lambda address: urlsplit(address).hostname or address)

    def _places(self, named: Callable[[str], str]) -> str:
        return ", ".join(dict.fromkeys(_place(teacher, named) for teacher in self.recipe.generate.by_name.values()))

    def origin(self, part: str) -> dict[str, Any]:
        """Return what the provenance of all rows of one part of the mix has in common."""
        generate, prompt = self.recipe.generate, self.inputs.prompts[part]
        shown = {"name": prompt.name, "digest": prompt.digest}
        return {"method": generate.parts[part].method, "prompt": shown, "teacher": generate.teacher}


def admission_of(curate: Curate) -> dict[str, Any]:
    """Return the settings that decide which instructions are admitted, as run.json holds them."""
    found: dict[str, Any] = json.loads(json.dumps(curate.model_dump(include=set(_ADMISSION)), default=str))
    return found


def begin(recipe: Recipe, given: Mapping[str, Any]) -> Definition:
    """Return the definition of a new run. Reads the inputs that the recipe names.

    Raises TopicError for more topics than rows, UserMistake for inputs in another language, and the errors of the inputs.
    """
    generate = recipe.generate
    inputs = snapshot.load(generate)
    if not given.get("language") and not given.get("languages"):
        language_check.check(inputs, generate)
    if len(inputs.topics) > recipe.curate.num:
        raise TopicError(
            f"{generate.topics}: more topics than rows (got {len(inputs.topics):,} for {counted(recipe.curate.num, 'row')}). "
            f"Fix: set {setting('num')} higher, or remove topics."
        )
    return Definition(
        recipe,
        inputs,
        Path(generate.seeds).name if generate.seeds else seeds.BUNDLED_NAME,
        version("selfinstruct"),
        given,
        admission_of(recipe.curate),
        {code: codes.name_of(code) for code in generate.languages},
        _listed_prices(generate),
    )


def continued(old: Definition, recipe: Recipe, given: Mapping[str, Any]) -> Definition:
    """Return the definition of a run that continues by another recipe.

    Inputs that `given` names are read again. Raises RecipeChanged if the recipe would ask for other things, and
    RecipeError for one prompt of several methods.
    """
    parts = [name for name, part in given.get("mix", {}).items() if part.get("prompt")]
    if given.get("prompt") and "" in recipe.generate.parts:
        parts.append("")
    inputs = snapshot.reload(old.inputs, recipe.generate, set(given), parts)
    check_same(old, replace(old, recipe=recipe, inputs=inputs))
    if given.get("language") and recipe.curate.language != old.recipe.curate.language:
        _refuse({"language": (old.recipe.curate.language, recipe.curate.language)})
    if given.get("prompt") and recipe.generate.mix:
        raise RecipeError(
            f"{setting('prompt')}: this run has several methods, and each has its own prompt. Fix: remove it, or set prompt in "
            "[generate.mix.NAME] of a recipe."
        )
    listed = old.listed
    if _addresses(recipe.generate) != _addresses(old.recipe.generate):
        listed = _listed_prices(recipe.generate)
    # Inputs keep the names by which they were begun: their contents are the same.
    names = old.recipe.generate.model_dump(include=set(BY_CONTENT))
    generate = recipe.generate.model_copy(update={**names, "mix": old.recipe.generate.mix})
    return replace(old, recipe=recipe.model_copy(update={"generate": generate}), listed=listed)


def check_same(old: Definition, new: Definition) -> None:
    """Raise RecipeChanged, with each difference, unless both ask for the same things."""
    before, after = old.frozen, new.frozen
    names = dict.fromkeys([*before, *after])
    changes = {name: (before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
    if changes:
        _refuse(changes)


def _refuse(changes: Mapping[str, tuple[Any, Any]]) -> NoReturn:
    """Raise RecipeChanged with the value before and after of each change."""
    settings = (*Generate.model_fields, *Curate.model_fields)
    lines = [
        f"{setting(name) if name in settings else name}: {_shown(old)} -> {_shown(new)}" for name, (old, new) in changes.items()
    ]
    raise RecipeChanged(
        "this run started with other settings, and its saved replies answer those. "
        "Fix: remove these changes, or use a new directory:\n  " + "\n  ".join(lines)
    )


def _listed_prices(generate: Generate) -> dict[str, Price | None]:
    return {name: _listed_price(one) for name, one in generate.by_name.items()}


def _listed_price(generate: Generate) -> Price | None:
    if generate.teacher in _IN_PROCESS:
        return Price(0.0, 0.0, "it runs in this process")
    if generate.teacher != "openai" or not generate.model:
        return None
    return prices.highest(prices.listed(generate.model, address or DEFAULT_URL) for address in generate.addresses)


def _addresses(generate: Generate) -> list[tuple[str, ...]]:
    return [one.addresses for one in generate.by_name.values()]


def _place(generate: Generate, named: Callable[[str], str]) -> str:
    if generate.teacher == "openai":
        return ", ".join(dict.fromkeys(named(address or DEFAULT_URL) for address in generate.addresses))
    return "in the same process" if generate.teacher in _IN_PROCESS else "the user's own teacher"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, default=str)
    return f"SHA-256 {value[:12]}" if isinstance(value, str) and len(value) == 64 else repr(value)
