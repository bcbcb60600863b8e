"""The methods of a run, put together from its definition and ready to be asked for tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import MethodContext, TeacherProfile
from selfinstruct.curate.curator import Curator
from selfinstruct.curate.rules import Filters
from selfinstruct.errors import PluginError, PromptError, RecipeError, ReplyMissing, UserMistake
from selfinstruct.generate.mixture import Mixture, Part, made
from selfinstruct.generate.task_pool import Memory
from selfinstruct.generate.turns import Steering
from selfinstruct.inputs import topics
from selfinstruct.inputs.prompts import STEERING, PromptFile
from selfinstruct.recipe.schema import Curate, Generate, MixedMethod
from selfinstruct.records import Reply, Request
from selfinstruct.rundir.definition import Definition

_STEPS = ("propose", "solve")  # steps that every method has; see `MethodContext.request`


def assembled(definition: Definition, own: Callable[..., Any] | None = None, filters: Filters | None = None) -> Mixture:
    """The methods of a run; `own` stands in for the one that the recipe names, `filters` are those passed as objects.

    Raises PluginError, PromptError, RecipeError or UserMistake for what would not work.
    """
    generate = definition.recipe.generate
    _check_uses(definition, own)
    parts = {name: _part(definition, name, part, own) for name, part in generate.parts.items()}
    otherwise = definition.admits_otherwise
    memory = Memory(partial(_as_begun, definition, otherwise, filters) if otherwise else None)
    steering = Steering(generate, definition.seeds, definition.materials.topics, definition.languages, memory)
    return Mixture(parts, steering, generate.seed)


def _as_begun(definition: Definition, curate: Curate, filters: Filters | None) -> Curator:
    """What decides as it was decided when the prompts of the run were made."""
    try:
        return Curator(definition.seeds, curate, filters)
    except PluginError as error:
        raise PluginError(
            f"the prompts of this run show what its filters admitted, and one of these is missing: {error}"
        ) from None


def curator(definition: Definition, filters: Filters | None = None) -> Curator:
    """What decides on a run's candidates, with the most rows that each topic may have."""
    curate = definition.recipe.curate
    return Curator(definition.seeds, curate, filters, topics.row_quotas(definition.materials.topics, curate.num))


async def first_request(mixture: Mixture) -> Request:
    """The request that the methods would make first; asks nobody."""
    caught: list[Request] = []

    async def ask(key: str, request: Request) -> Reply:
        caught.append(request)
        raise ReplyMissing(key)

    try:
        await mixture.propose(0, ask)
    except ReplyMissing:
        return caught[0]
    raise UserMistake("this method makes no request for its first root request; there is nothing to show")


def _part(definition: Definition, name: str, part: MixedMethod, own: Callable[..., Any] | None) -> Part:
    generate, materials = definition.recipe.generate, definition.materials
    prompt = materials.prompts[name]
    make = own or plugins.find("method", part.method)
    _check_prompt(generate, prompt, plugins.of_module(make, "SECTIONS", None))
    setting = MethodContext(
        seeds=definition.seeds,
        prompt=prompt,
        notation=plugins.find("notation", prompt.notation)(),
        seed=generate.seed,
        options=part.options,
        profiles=_voices(generate, part),
        send_seed=generate.send_seed,
        source=materials.source or definition.seeds,
        passages=materials.passages,
    )
    method = made(make, part.method, setting)
    if own is None and part.method in plugins.names("method"):
        _check_options(setting, (*_STEPS, *plugins.of_module(make, "STEPS", ())))
    if method.rows_at_most < 1:
        raise UserMistake(f"method {part.method!r} can give no rows with these options; mend [generate.options]")
    return Part(part.weight, setting, method)


def _check_uses(definition: Definition, own: Callable[..., Any] | None) -> None:
    """Raise RecipeError for teachers that are not there, and for documents or tasks that none of the methods looks at."""
    generate = definition.recipe.generate
    named = [(f"mix.{name}.teachers", one) for name, part in generate.mix.items() for one in part.teachers]
    named += [(f"runtime.pace.{name}", name) for name in definition.recipe.runtime.pace]
    for place, name in named:
        if name not in generate.teachers:
            raise RecipeError(f"{place}: there is no teacher {name!r} in [generate.teachers]; mend its name")
    methods = {part.method for part in generate.parts.values()}
    if own is None and methods <= set(plugins.names("method")):
        for setting, method in (("documents", "documents"), ("source", "evol")):
            if getattr(generate, setting) and method not in methods:
                raise RecipeError(
                    f"{setting} is for the method {method!r}, and this run has {', '.join(sorted(methods))}; leave one out"
                )


def _voices(generate: Generate, part: MixedMethod) -> tuple[TeacherProfile, ...]:
    """The teachers that a part may ask, each with its own sampling."""
    profiles = []
    for name, one in generate.by_name.items():
        if part.teachers and name not in part.teachers:
            continue
        sampling: dict[str, Any] = {"temperature": one.temperature, "top_p": one.top_p}
        if one.reply_tokens:
            sampling["max_tokens"] = one.reply_tokens
        weights = generate.teachers.get(name)
        propose, solve = (weights.propose, weights.solve) if weights else (1.0, 1.0)
        profiles.append(TeacherProfile(name, propose, solve, one.api, sampling | one.extra))
    for role in ("propose", "solve"):
        if not any(getattr(voice, role) for voice in profiles):
            raise RecipeError(
                f"generate.mix: of the teachers {', '.join(part.teachers)} none has a weight to {role}; add one that has"
            )
    return tuple(profiles)


def _check_prompt(generate: Generate, prompt: PromptFile, sections: dict[str, frozenset[str]] | None) -> None:
    """Raise PromptError for what the method does not know in a prompt, or where it cannot say what the recipe steers to."""
    if sections is not None:
        prompt.check(sections)
    wanted = {"domain": generate.domain, "topic": generate.topics, "language": generate.languages}
    for name in STEERING:
        if wanted[name]:
            if not prompt.can_steer:
                raise PromptError(f"prompt {prompt.name!r} has no place for a {name}; put a line {{{{steering}}}} into a section")
            prompt.require(name)


def _check_options(setting: MethodContext, steps: tuple[str, ...]) -> None:
    """Raise RecipeError for an option that the method did not look for and that is not of the form `step_field`."""
    for name in setting.options:
        if name not in setting.known_options and not name.startswith(tuple(f"{step}_" for step in steps)):
            known = ", ".join(sorted(setting.known_options)) or "none of its own"
            forms = ", ".join(f"{step}_..." for step in steps)
            raise RecipeError(f"generate.options has no {name!r} with this method; it has: {known}, {forms}")
