"""The options of a method: what its file declares, and the values that a recipe sets."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from selfinstruct import plugins
from selfinstruct.contracts import Option
from selfinstruct.errors import PluginError, RecipeError, setting
from selfinstruct.names import rename
from selfinstruct.text import shown

_STEPS = ("propose", "solve")  # every method takes options of these: a teacher's defaults may set them for any method


@dataclass(frozen=True)
class MethodOptions:
    """The options of one method of a run, checked.

    Attributes:
        values: A value for each declared option, or all that the recipe sets where the method declares none.
        by_step: The options of the form `<step>_<field>`, by their whole names.
    """

    values: Mapping[str, Any] = field(default_factory=dict)
    by_step: Mapping[str, Any] = field(default_factory=dict)


def declared(make: Callable[..., Any], method: str) -> Mapping[str, Option] | None:
    """Return the `OPTIONS` beside the function that makes a method, or None if there are none.

    Raises:
        PluginError: `OPTIONS` has a wrong type.
    """
    options = plugins.of_module(make, "OPTIONS", None)
    if options is None:
        return None
    if not isinstance(options, Mapping) or not all(isinstance(option, Option) for option in options.values()):
        raise PluginError(f"method {method!r}: OPTIONS must map names to Option. Fix: set it as in methods/few_shot.py.")
    return options


def steps(make: Callable[..., Any]) -> tuple[str, ...]:
    """Return the names of the steps in which a method asks: its file's `STEPS`, else "propose" and "solve"."""
    return tuple(plugins.of_module(make, "STEPS", _STEPS))


def checked(make: Callable[..., Any], method: str, given: Mapping[str, Any], place: str) -> MethodOptions:
    """Return the options that a recipe gives to a method, with the method's defaults where the recipe sets nothing.

    Args:
        make: The function that makes the method.
        method: The method's name, for messages.
        given: The recipe's options.
        place: The setting that has them, such as "options", for messages.

    Raises:
        PluginError: The method's `OPTIONS` has a wrong type.
        RecipeError: The method declares `OPTIONS` and does not have an option of this name, or not with this value.
    """
    options = declared(make, method)
    if options is None:
        return MethodOptions(given, given)
    known_steps = dict.fromkeys((*_STEPS, *steps(make)))
    for name, value in given.items():
        if name in options:
            if not _allows(options[name], value):
                raise RecipeError(
                    f"{setting(f'{place}.{name}')}: must be {allowed(options[name])} (got {shown(value)}). "
                    f"Fix: give {allowed(options[name])}."
                )
        elif not name.startswith(tuple(f"{step}_" for step in known_steps)):
            fix = rename(name, [*sorted(options), *(f"{step}_<field>" for step in known_steps)])
            raise RecipeError(f"{setting(f'{place}.{name}')}: the method {method!r} has no such option. Fix: {fix}.")
    values = {name: given.get(name, option.default) for name, option in options.items()}
    return MethodOptions(values, {name: value for name, value in given.items() if name not in options})


def described(method: str) -> list[tuple[str, str]]:
    """Return the options of a method of this package: each as a recipe sets its default, and its meaning."""
    make = plugins.find("method", method)
    lines = []
    for name, option in (declared(make, method) or {}).items():
        choices = f" ({', '.join(option.choices)})" if option.choices else ""
        lines.append((f"{name} = {json.dumps(option.default)}", f"{option.meaning}{choices}"))
    fields = ", ".join(f"{step}_<field>" for step in steps(make))
    return [*lines, (fields, f"request fields of one step, such as {steps(make)[0]}_temperature")]


def allowed(option: Option) -> str:
    """Return the values that an option may have, in words."""
    if isinstance(option.default, str):
        return f"one of {', '.join(option.choices)}" if option.choices else "a text"
    kind = "a whole number" if isinstance(option.default, int) else "a number"
    return kind if option.least is None else f"{kind} from {option.least:g} up"


def _allows(option: Option, value: object) -> bool:
    if isinstance(option.default, str):
        return isinstance(value, str) and (not option.choices or value in option.choices)
    kinds = (int,) if isinstance(option.default, int) else (int, float)
    return isinstance(value, kinds) and not isinstance(value, bool) and (option.least is None or value >= option.least)
