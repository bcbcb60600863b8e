"""Finding methods, filters, teachers, notations and exports by name: no registry, one file per thing.

A bare name is a file of that name in the folder of that kind; `"package.module:function"` is anybody's own; a notebook
passes the object itself, which is then known by where it was defined.
"""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from selfinstruct.errors import PluginError, RecipeError

FOLDERS = {
    "method": "methods",
    "filter": "filters",
    "teacher": "teachers",
    "notation": "notations",
    "export": "exports",
}


@cache
def names(kind: str) -> tuple[str, ...]:
    """The names of all things of a kind that come with this package, sorted."""
    folder = Path(__file__).parent / FOLDERS[kind]
    return tuple(sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")))


def find(kind: str, name: str) -> Callable[..., Any]:
    """The function behind a name; raises PluginError with what there is instead."""
    if ":" in name:
        return _foreign(kind, name)
    if name not in names(kind):
        raise PluginError(f'no {kind} is named {name!r}; there are: {", ".join(names(kind))}, or give "package.module:function"')
    module = importlib.import_module(f"selfinstruct.{FOLDERS[kind]}.{name}")
    found: Callable[..., Any] = getattr(module, name)
    return found


def beside(kind: str, name: str, attribute: str, otherwise: Any) -> Any:
    """Something in the module in which a thing is defined; `otherwise` where there is nothing of that name."""
    try:
        function = find(kind, name)
    except PluginError:
        if ":" not in name:
            raise
        return otherwise  # an object that was passed need not be found by name
    return of_module(function, attribute, otherwise)


def of_module(function: Callable[..., Any], attribute: str, otherwise: Any) -> Any:
    """The same for a function that is at hand."""
    return getattr(sys.modules.get(getattr(function, "__module__", "")), attribute, otherwise)


def name_of(thing: Callable[..., Any]) -> str:
    """Return the name that records an object passed in a notebook: `module:qualified name`."""
    module = getattr(thing, "__module__", None) or type(thing).__module__
    label = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return f"{module}:{label}"


def about(kind: str, name: str) -> str:
    """The first sentence of a thing's documentation."""
    document = find(kind, name).__doc__ or ""
    return " ".join(document.strip().split("\n\n")[0].split())


def check_options(place: str, function: Callable[..., Any], options: Mapping[str, Any], parameters: str) -> None:
    """Raise PluginError or RecipeError unless a plugin's function takes these options.

    `place` names the plugin in messages. `parameters` are the two positional parameters that its kind takes, in words.
    """
    try:
        signature = inspect.signature(function)
        signature.bind_partial(None, None)
    except (TypeError, ValueError):
        raise PluginError(f"{place}: must accept {parameters}. Fix: change its signature.") from None
    known = list(signature.parameters.values())[2:]
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known)
    by_name = {parameter.name: parameter for parameter in known if parameter.kind is not parameter.VAR_KEYWORD}
    for option, value in options.items():
        if option not in by_name:
            if takes_any:
                continue
            others = f", or choose from {', '.join(by_name)}" if by_name else ""
            raise RecipeError(f"{place}: has no option {option!r}. Fix: remove it{others}.")
        default = by_name[option].default
        if isinstance(default, int | float) and not isinstance(value, int | float):
            raise RecipeError(f"{place}: {option} must be a number (got {value!r}). Fix: set a number.")
        if isinstance(default, tuple) and not isinstance(value, list | tuple):
            raise RecipeError(f"{place}: {option} must be a list (got {value!r}). Fix: set a list.")


def _foreign(kind: str, name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ValueError, TypeError):
        raise PluginError(f'{kind} {name!r} is no name; write "package.module:function"') from None
    except ModuleNotFoundError as error:
        raise PluginError(f"{kind} {name!r}: module {error.name!r} cannot be imported; install it or mend the name") from None
    except AttributeError:
        raise PluginError(
            f"{kind} {name!r}: {module_name!r} has no {attribute!r}; mend the name, or pass the object itself to `Run`"
        ) from None
    except Exception as error:  # anybody's own code
        raise PluginError(f"{kind} {name!r}: importing it fails ({type(error).__name__}: {error}); mend it") from None
    if not callable(found):
        raise PluginError(f"{kind} {name!r} is {type(found).__name__}, not a function; name a function")
    function: Callable[..., Any] = found
    return function
