"""What a run is: its recipe and its materials; and whether a continued run is still the same one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selfinstruct.client import prices
from selfinstruct.client.prices import Price
from selfinstruct.errors import RecipeChanged, TopicError
from selfinstruct.inputs import languages, seeds, snapshot
from selfinstruct.inputs.snapshot import BY_CONTENT, Inputs
from selfinstruct.recipe import defaults
from selfinstruct.recipe.credentials import DEFAULT_URL
from selfinstruct.recipe.schema import Curate, Generate, Recipe
from selfinstruct.records import Seed

_IN_PROCESS = ("local", "scripted")
_UNSTATED = "not stated (`seeds_licence` in the recipe's [card])"
# What the first runs did not have: left out where it is as it was for them, so that their digests hold.
_LATER = ("teachers", "mix", "domain", "languages", "seed_sampling", "lag")
_ADMISSION = frozenset({"rouge", "tokens", "language", "filters"})


@dataclass(frozen=True)
class Definition:
    """A run's recipe and materials.

    `seeds_name` and `package` say where seeds and run came from; `given` are the settings that the run was begun with,
    `admission` those of its [curate] that said what was admitted then, which prompts go by; `languages` has names by code.
    `listed` is what each teacher costs by the price list, `earlier_price` the highest that was in force before.
    """

    recipe: Recipe
    materials: Inputs
    seeds_name: str
    package: str
    given: Mapping[str, Any]
    admission: Mapping[str, Any] | None = None
    languages: Mapping[str, str] = field(default_factory=dict)
    listed: Mapping[str, Price | None] = field(default_factory=dict)
    earlier_price: Price | None = None

    @property
    def seeds(self) -> tuple[Seed, ...]:
        """The seed tasks."""
        return self.materials.seeds

    @property
    def seeds_licence(self) -> str:
        """The licence of the seeds, as far as it is known."""
        bundled = self.seeds_name == seeds.BUNDLED_NAME
        return self.recipe.card.seeds_licence or (seeds.BUNDLED_LICENCE if bundled else _UNSTATED)

    @property
    def frozen(self) -> dict[str, Any]:
        """All that decides what is asked, as plain values."""
        generate = self.recipe.generate.model_dump(exclude=set(BY_CONTENT))
        usual = Generate().model_dump()
        for name in _LATER:
            if generate[name] == usual[name]:
                del generate[name]
        generate["max_tokens"] = generate.pop("reply_tokens")  # its first name, by which digests of older runs were made
        # Where the teachers answer may change: a server moves, another one joins. What they are asked may not.
        generate["base_url"] = ""
        del generate["key_variable"]
        for one in generate.get("teachers", {}).values():
            del one["base_url"], one["key_variable"]
        for part in generate.get("mix", {}).values():
            del part["prompt"]  # compared by what it says
        found = {**generate, **self.materials.digests}
        if self.admission is not None:
            found["admission"] = dict(self.admission)
        return found

    @property
    def admits_otherwise(self) -> Curate | None:
        """The [curate] settings that the run was begun with, where those in force now admit other instructions."""
        now = self.recipe.curate
        if self.admission is None or admission_of(now) == self.admission:
            return None
        return now.model_copy(update=dict(self.admission))

    @property
    def price(self) -> Price | None:
        """What the teachers' tokens cost: as the recipe says, else as was listed when the run began; None if unknown.

        Where another price was in force before, the higher one counts for all, so that no change can break a limit.
        """
        runtime = self.recipe.runtime
        names = self.recipe.generate.by_name
        now = prices.several({name: prices.stated(runtime.of(name).price) or self.listed.get(name) for name in names})
        return now if now is None or self.earlier_price is None else prices.highest_of_each([self.earlier_price, now])

    @property
    def endpoint(self) -> str:
        """Where requests go to, in words for a card."""
        return ", ".join(dict.fromkeys(_where(one) for one in self.recipe.generate.by_name.values()))

    def origin(self, part: str) -> dict[str, Any]:
        """What the provenance of all rows of a part has in common."""
        generate, prompt = self.recipe.generate, self.materials.prompts[part]
        shown = {"name": prompt.name, "digest": prompt.digest}
        return {"method": generate.parts[part].method, "prompt": shown, "teacher": generate.teacher}


def admission_of(curate: Curate) -> dict[str, Any]:
    """The settings that say which instructions are admitted."""
    found: dict[str, Any] = json.loads(json.dumps(curate.model_dump(include=set(_ADMISSION)), default=str))
    return found  # as run.json has it


def begin(settings: Mapping[str, Any]) -> Definition:
    """The definition of a new run; reads the materials that the settings name, or the fitting ones."""
    recipe = defaults.complete(settings)
    generate = recipe.generate
    name = Path(generate.seeds).name if generate.seeds else seeds.BUNDLED_NAME
    held = snapshot.load(generate)
    if len(held.topics) > recipe.curate.num:
        few = f"{len(held.topics):,} topics for {recipe.curate.num:,} rows leave some without any"
        raise TopicError(f"{generate.topics}: {few}; ask for more rows (--num) or name fewer topics")
    return Definition(
        recipe,
        held,
        name,
        version("selfinstruct"),
        settings,
        admission_of(recipe.curate),
        {code: languages.name_of(code) for code in generate.languages},
        _listed(generate),
    )


def continued(old: Definition, settings: Mapping[str, Any]) -> Definition:
    """The same run with other [curate], [runtime] or [card] settings; raises RecipeChanged if it asks for other things."""
    recipe = defaults.changed(old.recipe, settings)
    parts = [name for name, part in settings.get("mix", {}).items() if part.get("prompt")]
    prompts = [*parts, *([""] if "prompt" in settings else [])]
    held = snapshot.reload(old.materials, recipe.generate, set(settings), prompts)
    new = replace(old, recipe=recipe, materials=held)
    check_same(old, new)
    if _addresses(recipe.generate) != _addresses(old.recipe.generate):
        old = replace(old, listed=_listed(recipe.generate))
    names = old.recipe.generate.model_dump(include=set(BY_CONTENT))
    generate = recipe.generate.model_copy(update={**names, "mix": old.recipe.generate.mix})
    return replace(old, recipe=recipe.model_copy(update={"generate": generate}))


def check_same(old: Definition, new: Definition) -> None:
    """Raise RecipeChanged, with the difference, unless both ask for the same."""
    usual = Generate().model_dump(include=set(_LATER))
    before, after = usual | old.frozen, usual | new.frozen
    names = list(dict.fromkeys([*before, *after]))
    changes = [
        f"{name}: {_shown(before.get(name))} -> {_shown(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]
    if changes:
        raise RecipeChanged(
            "this run was begun with another [generate] part, and its replies answer that one; leave these as they were, "
            "or begin a new directory:\n  " + "\n  ".join(changes)
        )


def _listed(generate: Generate) -> dict[str, Price | None]:
    return {name: _listed_price(one) for name, one in generate.by_name.items()}


def _listed_price(generate: Generate) -> Price | None:
    if generate.teacher in _IN_PROCESS:
        return Price(0.0, 0.0, "it runs in this process")
    if generate.teacher != "openai" or not generate.model:
        return None
    return prices.highest(prices.listed(generate.model, address or DEFAULT_URL) for address in generate.addresses)


def _addresses(generate: Generate) -> list[tuple[str, ...]]:
    return [one.addresses for one in generate.by_name.values()]


def _where(generate: Generate) -> str:
    if generate.teacher == "openai":
        hosts = [urlsplit(address).hostname or "api.openai.com" for address in generate.addresses]
        return ", ".join(dict.fromkeys(hosts))
    return "in the same process" if generate.teacher in _IN_PROCESS else "the user's own teacher"


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value, default=str)
    return f"SHA-256 {value[:12]}" if isinstance(value, str) and len(value) == 64 else repr(value)
