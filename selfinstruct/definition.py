"""What a run is: its recipe, its seeds, its prompt; and whether a continued run is still the same one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from selfinstruct import choices, plugins, prices, prompts, seeds
from selfinstruct.config import Generate, Recipe
from selfinstruct.contracts import Method, Setting
from selfinstruct.errors import PluginError, RecipeChanged, RecipeError, Unasked, UserMistake
from selfinstruct.prices import Price
from selfinstruct.prompts import PromptFile
from selfinstruct.records import Reply, Request, Seed, digest
from selfinstruct.teachers.openai import DEFAULT_URL

_BY_CONTENT = {"seeds", "prompt"}  # compared by what these files hold, not by what they are called
_IN_PROCESS = ("local", "scripted")
_UNSTATED = "not stated (`seeds_licence` in the recipe's [card])"


@dataclass(frozen=True)
class Definition:
    """A run's recipe, seeds and prompt.

    `seeds_name` and `package` say where seeds and run came from; `given` are the settings that the run was begun with,
    `listed_price` is what the teacher costs by the price list, `earlier_price` the highest that was in force before.
    """

    recipe: Recipe
    seeds: tuple[Seed, ...]
    prompt: PromptFile
    seeds_name: str
    package: str
    given: Mapping[str, Any]
    listed_price: Price | None = None
    earlier_price: Price | None = None

    @property
    def seeds_digest(self) -> str:
        """A fingerprint of the seeds as used."""
        return digest([seeds.as_row(seed) for seed in self.seeds])

    @property
    def seeds_licence(self) -> str:
        """The licence of the seeds, as far as it is known."""
        bundled = self.seeds_name == seeds.BUNDLED_NAME
        return self.recipe.card.seeds_licence or (seeds.BUNDLED_LICENCE if bundled else _UNSTATED)

    @property
    def frozen(self) -> dict[str, Any]:
        """All that decides what is asked, as plain values."""
        generate = self.recipe.generate.model_dump(exclude=_BY_CONTENT)
        generate["max_tokens"] = generate.pop("reply_tokens")  # its first name, by which digests of older runs were made
        # Where the teacher answers may change: a server moves, another one joins. What it is asked may not.
        return {**generate, "base_url": "", "seeds": self.seeds_digest, "prompt": self.prompt.digest}

    @property
    def price(self) -> Price | None:
        """What the teacher's tokens cost: as the recipe says, else as was listed when the run began; None if unknown.

        Where another price was in force before, the higher one counts for all, so that no change can break a limit.
        """
        now = prices.stated(self.recipe.runtime.price) or self.listed_price
        return now if now is None or self.earlier_price is None else prices.highest([self.earlier_price, now])

    @property
    def endpoint(self) -> str:
        """Where requests go to, in words for a card."""
        generate = self.recipe.generate
        if generate.teacher == "openai":
            hosts = [urlsplit(address).hostname or "api.openai.com" for address in generate.addresses]
            return ", ".join(dict.fromkeys(hosts))
        return "in the same process" if generate.teacher in _IN_PROCESS else "the user's own teacher"

    @property
    def origin(self) -> dict[str, Any]:
        """What the provenance of all rows has in common."""
        generate = self.recipe.generate
        prompt = {"name": self.prompt.name, "digest": self.prompt.digest}
        return {"method": generate.method, "prompt": prompt, "teacher": generate.teacher}

    def method(self, own: Callable[[Setting], Method] | None = None) -> Method:
        """The method, ready for use; `own` stands in for the one that the recipe names."""
        generate = self.recipe.generate
        sampling: dict[str, Any] = {"temperature": generate.temperature, "top_p": generate.top_p}
        if generate.reply_tokens:
            sampling["max_tokens"] = generate.reply_tokens
        setting = Setting(
            seeds=self.seeds,
            prompt=self.prompt,
            notation=plugins.find("notation", self.prompt.notation)(),
            api=generate.api,
            sampling=sampling | generate.extra,
            seed=generate.seed,
            send_seed=generate.send_seed,
            options=generate.options,
        )
        try:
            method: Method = (own or plugins.find("method", generate.method))(setting)
        except (TypeError, AttributeError) as error:
            raise PluginError(f"method {generate.method!r} cannot be made from a Setting ({error}); see contracts.py") from None
        if not (hasattr(method, "propose") and hasattr(method, "rows_at_most")):
            raise PluginError(f"method {generate.method!r} gives {type(method).__name__}, which is no Method (see contracts.py)")
        if own is None and generate.method in plugins.names("method"):
            _check_options(setting)
        if method.rows_at_most < 1:
            raise UserMistake(f"method {generate.method!r} can give no rows with these options; mend [generate.options]")
        return method


def begin(settings: Mapping[str, Any]) -> Definition:
    """The definition of a new run; reads the seeds and the prompt that the settings name, or the fitting ones."""
    recipe = choices.complete(settings)
    source = recipe.generate.seeds
    name = Path(source).name if source else seeds.BUNDLED_NAME
    tasks, prompt = seeds.load(source or None), prompts.load(recipe.generate.prompt)
    return Definition(recipe, tasks, prompt, name, version("selfinstruct"), settings, _listed_price(recipe.generate))


def continued(old: Definition, settings: Mapping[str, Any]) -> Definition:
    """The same run with other [curate], [runtime] or [card] settings; raises RecipeChanged if it asks for other things."""
    recipe = choices.changed(old.recipe, settings)
    new = replace(old, recipe=recipe)
    if "seeds" in settings:
        new = replace(new, seeds=seeds.load(recipe.generate.seeds or None))
    if "prompt" in settings:
        new = replace(new, prompt=prompts.load(recipe.generate.prompt))
    check_same(old, new)
    if recipe.generate.addresses != old.recipe.generate.addresses:
        old = replace(old, listed_price=_listed_price(recipe.generate))
    names = old.recipe.generate.model_dump(include=_BY_CONTENT)
    return replace(old, recipe=recipe.model_copy(update={"generate": recipe.generate.model_copy(update=names)}))


def _listed_price(generate: Generate) -> Price | None:
    if generate.teacher in _IN_PROCESS:
        return Price(0.0, 0.0, "it runs in this process")
    if generate.teacher != "openai" or not generate.model:
        return None
    return prices.highest(prices.listed(generate.model, address or DEFAULT_URL) for address in generate.addresses)


def check_same(old: Definition, new: Definition) -> None:
    """Raise RecipeChanged, with the difference, unless both ask for the same."""
    before, after = old.frozen, new.frozen
    changes = [f"{name}: {_shown(before[name])} -> {_shown(after[name])}" for name in before if before[name] != after[name]]
    if changes:
        raise RecipeChanged(
            "this run was begun with another [generate] part, and its replies answer that one; leave these as they were, "
            "or begin a new directory:\n  " + "\n  ".join(changes)
        )


async def first_request(method: Method) -> Request:
    """The request that a method would make first; asks nobody."""
    caught: list[Request] = []

    async def ask(key: str, request: Request) -> Reply:
        caught.append(request)
        raise Unasked(key)

    try:
        await method.propose(0, ask)
    except Unasked:
        return caught[0]
    raise UserMistake("this method makes no request for its first root request; there is nothing to show")


def _check_options(setting: Setting) -> None:
    """Raise RecipeError for an option that the method did not look for and that is not of the form `step_field`."""
    for name in setting.options:
        if name not in setting.known_options and not name.startswith(("propose_", "solve_")):
            known = ", ".join(sorted(setting.known_options)) or "none of its own"
            raise RecipeError(f"generate.options has no {name!r} with this method; it has: {known}, propose_..., solve_...")


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return json.dumps(value)
    return f"SHA-256 {value[:12]}" if isinstance(value, str) and len(value) == 64 else repr(value)
