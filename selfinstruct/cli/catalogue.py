"""The command `list`: everything that a recipe or a flag can name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer

from selfinstruct.cli.terminal import labelled
from selfinstruct.errors import UserMistake
from selfinstruct.names import advice

_NAMES, _OPTIONS = 22, 32  # columns of names, and of a method's options, with their margins
_USES = {  # the kinds in their order, each with the place where its names are used
    "recipes": "--recipe NAME",
    "methods": "--method NAME",
    "prompts": "--prompt NAME",
    "filters": "--with NAME, --with NAME:option=value, --without NAME",
    "teachers": "--teacher NAME",
    "notations": "in the header of a prompt file",
    "exports": "selfinstruct export --to NAME",
}


def kinds() -> list[str]:
    """Return the kinds of names, in the order of the list."""
    return list(_USES)


def catalogue(
    kind: Annotated[
        str | None,
        typer.Argument(
            help="Show one kind only: recipes, methods, prompts, filters, teachers, notations or exports.",
            metavar="KIND",
            show_default=False,
            autocompletion=kinds,
        ),
    ] = None,
) -> None:
    """List all names: recipes, methods, prompts, filters and more.

    Each name has a sentence that describes it. Methods and filters have their options with the defaults.
    """
    if kind is not None and kind not in _USES:
        raise UserMistake(f"no kind is named {kind!r}. Fix: {advice(kind, _USES, see='`selfinstruct list --help`')}.")
    for number, title in enumerate([kind] if kind else _USES):
        print("\n" * bool(number) + f"{title} ({_USES[title]})")
        for line in _LINES.get(title, _plugins)(title.removesuffix("s")):
            print(line)


def _recipes(_: str) -> Iterator[str]:
    from selfinstruct.recipe import loading

    yield from (labelled(f"  {name}", about, _NAMES) for name, about in loading.available().items())


def _prompts(_: str) -> Iterator[str]:
    from selfinstruct.inputs import prompts

    yield from (labelled(f"  {name}", prompt.about, _NAMES) for name, prompt in prompts.available().items())


def _methods(_: str) -> Iterator[str]:
    from selfinstruct import plugins
    from selfinstruct.generate import options

    note = "Set options in [generate.options] of a recipe. A step takes fields of its request too, such as propose_temperature."
    yield labelled("", note, 2)
    for name in plugins.names("method"):
        yield labelled(f"  {name}", plugins.about("method", name), _NAMES)
        yield from (labelled(f"    {option}", meaning, _OPTIONS) for option, meaning in options.described(name)[:-1])
        yield labelled("    steps:", ", ".join(options.steps(plugins.find("method", name))), _OPTIONS)


def _plugins(kind: str) -> Iterator[str]:
    from selfinstruct import plugins

    for name in plugins.shown_names(kind):
        yield labelled(f"  {name}", plugins.about(kind, name), _NAMES)
        if kind in ("filter", "export") and (keywords := plugins.options_of(kind, name)):
            defaults = ", ".join(f"{option}={_value(default)}" for option, default in keywords)
            yield labelled("    options:", defaults, _NAMES)


_LINES: dict[str, Callable[[str], Iterator[str]]] = {"recipes": _recipes, "prompts": _prompts, "methods": _methods}


def _value(default: Any) -> str:
    """Return an option's default as users write it, shortened where it is a long list."""
    if isinstance(default, tuple):
        return f"[{', '.join(map(json.dumps, default[:2]))}{', …' if len(default) > 2 else ''}]"
    return json.dumps(default)
