"""The command `list`: everything that a recipe can name."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from selfinstruct.cli.terminal import labelled

_NAMES, _OPTIONS = 22, 32  # columns of names, and of a method's options, with their margins


def catalogue() -> None:
    """List everything that a recipe can name.

    Recipes, prompts and plugins (methods with their options, filters, teachers, notations, exports), each with one sentence.
    """
    from selfinstruct import plugins
    from selfinstruct.generate import options
    from selfinstruct.inputs import prompts
    from selfinstruct.recipe import loading

    _print_section("recipes", loading.available().items())
    for kind in plugins.FOLDERS:
        print(f"{kind}s")
        for name in plugins.names(kind):
            print(labelled(f"  {_shown(kind, name)}", plugins.about(kind, name), _NAMES))
            if kind == "method":
                for option, meaning in options.described(name):
                    print(labelled(f"    {option}", meaning, _OPTIONS))
            elif kind in ("filter", "export") and (keywords := plugins.options_of(kind, name)):
                print(labelled("    options:", ", ".join(f"{option}={_value(default)}" for option, default in keywords), _NAMES))
        print()
        if kind == "method":
            _print_section("prompts", ((name, prompt.about) for name, prompt in prompts.available().items()))


def _print_section(title: str, entries: Iterable[tuple[str, str]]) -> None:
    print(title)
    for name, about in entries:
        print(labelled(f"  {name}", about, _NAMES))
    print()


def _value(default: Any) -> str:
    """Return an option's default as users write it, shortened where it is a long list."""
    if isinstance(default, tuple):
        return f"[{', '.join(map(json.dumps, default[:2]))}{', …' if len(default) > 2 else ''}]"
    return json.dumps(default)


def _shown(kind: str, name: str) -> str:
    """Return a plugin's name as users write it: exports take hyphens where their modules have underscores."""
    return name.replace("_", "-") if kind == "export" else name
