"""The methods of a run, assembled from its definition and ready to propose tasks."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import MethodContext, TeacherProfile
from selfinstruct.curate.curator import Curator
from selfinstruct.curate.rules import Filters
from selfinstruct.errors import PluginError, PromptError, RecipeError, ReplyMissing, UserMistake, setting
from selfinstruct.generate import options
from selfinstruct.generate.mixture import Mixture, Part, make_method
from selfinstruct.generate.options import MethodOptions
from selfinstruct.generate.task_pool import TaskPool
from selfinstruct.generate.turns import Turns
from selfinstruct.inputs.prompts import TEMPLATE, PromptFile
from selfinstruct.names import rename
from selfinstruct.recipe.schema import Curate, Generate, MixedMethod
from selfinstruct.records import Reply, Request
from selfinstruct.rundir.definition import Definition

MethodFunction = Callable[..., Any]  # makes a Method of a MethodContext, or is a coroutine function


def assemble(definition: Definition, own: MethodFunction | None = None, filters: Filters | None = None) -> Mixture:
    """Return the methods of a run.

    Args:
        definition: The run's recipe and inputs.
        own: A method that was passed as an object, instead of the one that the recipe names.
        filters: The filters that were passed as objects, by name.

    Raises:
        UserMistake: A method, prompt or setting does not work with the others. PluginError, PromptError and RecipeError are
            kinds of it.
    """
    generate = definition.recipe.generate
    _check_uses(definition, own)
    functions = {name: own or plugins.find("method", part.method) for name, part in generate.parts.items()}
    settings = {name: _options(name, part, functions[name]) for name, part in generate.parts.items()}
    parts = {name: _part(definition, name, functions[name], settings[name]) for name in generate.parts}
    began_with = definition.admits_otherwise
    task_pool = TaskPool(partial(_curator_as_begun, definition, began_with, filters) if began_with else None)
    turns = Turns(generate, definition.seeds, definition.inputs.topics, definition.languages, task_pool)
    return Mixture(parts, turns, generate.seed)


def _curator_as_begun(definition: Definition, curate: Curate, filters: Filters | None) -> Curator:
    """Return the curator that decided when the prompts of the run were made."""
    try:
        return Curator(definition.seeds, curate, filters)
    except PluginError as error:
        raise PluginError(f"the prompts of this run show what its filters admitted, and a filter is missing: {error}") from None


async def first_request(mixture: Mixture) -> Request:
    """Return the request that the methods would make first, without sending it.

    Raises:
        UserMistake: The first root request makes none.
    """
    caught: list[Request] = []

    async def ask(key: str, request: Request) -> Reply:
        """Catch the request instead of sending it."""
        caught.append(request)
        raise ReplyMissing(key)

    try:
        await mixture.propose(0, ask)
    except ReplyMissing:
        return caught[0]
    raise UserMistake(
        f"{setting('method')}: makes no request in its first turn, so there is nothing to show. "
        f"Fix: start the run without a dry run."
    )


def _options(name: str, part: MixedMethod, function: MethodFunction) -> MethodOptions:
    place = f"mix.{name}.options" if name else "options"
    return options.checked(function, part.method, part.options, place)


def _part(definition: Definition, name: str, function: MethodFunction, settings: MethodOptions) -> Part:
    generate, inputs = definition.recipe.generate, definition.inputs
    part, prompt = generate.parts[name], inputs.prompts[name]
    _check_prompt(generate, prompt, plugins.of_module(function, "SECTIONS", None))
    context = MethodContext(
        seeds=definition.seeds,
        prompt=prompt,
        notation=plugins.find("notation", prompt.notation)(),
        seed=generate.seed,
        options=settings.values,
        step_options=settings.by_step,
        profiles=_profiles(generate, part),
        send_seed=generate.send_seed,
        source=inputs.source or definition.seeds,
        passages=inputs.passages,
        languages=definition.languages,
    )
    method = make_method(function, part.method, context)
    if method.rows_at_most < 1:
        raise UserMistake(
            f"method {part.method!r}: gives at most {method.rows_at_most} rows with these options. Fix: set other values of "
            f"{setting('options')}."
        )
    return Part(part.weight, context, method)


def _check_uses(definition: Definition, own: MethodFunction | None) -> None:
    """Raise RecipeError for a teacher that does not exist, and for documents or tasks that no method reads."""
    generate = definition.recipe.generate
    named = [(f"mix.{name}.teachers", one) for name, part in generate.mix.items() for one in part.teachers]
    named += [(f"pace.{name}", name) for name in definition.recipe.runtime.pace]
    for place, name in named:
        if name not in generate.teachers:
            fix = rename(name, generate.teachers)
            raise RecipeError(f"{setting(place)}: there is no teacher {name!r} in {setting('teachers')}. Fix: {fix}.")
    methods = {part.method for part in generate.parts.values()}
    if own is None and methods <= set(plugins.names("method")):
        for name, method in (("documents", "documents"), ("source", "evol")):
            if getattr(generate, name) and method not in methods:
                raise RecipeError(
                    f"{setting(name)}: is for the method {method!r} (got {', '.join(sorted(methods))}). "
                    f"Fix: set {setting('method', method)}, or remove {setting(name)}."
                )


def _profiles(generate: Generate, part: MixedMethod) -> tuple[TeacherProfile, ...]:
    """Return the teachers that a part may ask, each with its own sampling."""
    profiles = []
    for name, teacher in generate.by_name.items():
        if part.teachers and name not in part.teachers:
            continue
        stated = {"temperature": teacher.temperature, "top_p": teacher.top_p}
        sampling: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
        if teacher.reply_tokens:
            sampling["max_tokens"] = teacher.reply_tokens
        if teacher.reasoning_effort:
            sampling["reasoning_effort"] = teacher.reasoning_effort
        weights = generate.teachers.get(name)
        propose, solve = (weights.propose, weights.solve) if weights else (1.0, 1.0)
        profiles.append(TeacherProfile(name, propose, solve, teacher.api, sampling | teacher.extra))
    for role in ("propose", "solve"):
        if not any(getattr(profile, role) for profile in profiles):
            raise RecipeError(
                f"{setting('mix')}: none of the teachers {', '.join(part.teachers)} has a weight to {role}. "
                "Fix: add one that has."
            )
    return tuple(profiles)


def _check_prompt(generate: Generate, prompt: PromptFile, sections: dict[str, frozenset[str]] | None) -> None:
    """Raise PromptError for a section that the method does not know, and for steering that the prompt has no words for."""
    if sections is not None:
        prompt.check(sections)
    # A chat template has one place for words to the model. Other sections may begin with the language.
    needs = {"domain": generate.domain, "topic": generate.topics, "language": generate.languages and prompt.has(TEMPLATE)}
    for name, wanted in needs.items():
        if wanted and not (prompt.can_steer if name != "language" else prompt.names_language(TEMPLATE)):
            raise PromptError(
                f"prompt {prompt.name!r}: has no place for a {name}. Fix: add a line {{{{steering}}}} to a section."
            )
        if wanted:
            prompt.require(name)
