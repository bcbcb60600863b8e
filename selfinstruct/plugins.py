"""Find methods, filters, teachers, notations and exports by name. There is no registry: one file per plugin.

A bare name is a file of that name in the folder of its kind, where hyphens count as underscores.
`"package.module:function"` is a function of the user's own.
A notebook passes the object itself, which is recorded by the place of its definition.
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
from selfinstruct.names import advice, matching, rename
from selfinstruct.text import shown

FOLDERS = {
    "method": "methods",
    "filter": "filters",
    "teacher": "teachers",
    "notation": "notations",
    "export": "exports",
}


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of all bundled plugins of a kind, sorted."""
    folder = Path(__file__).parent / FOLDERS[kind]
    return tuple(sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_")))


def recorded(kind: str, name: str) -> str:
    """Return the name by which a run records a plugin: the name of its file if it is bundled, else `name`."""
    return matching(str(name), names(kind)) or name  # a value that is not a text is refused where the recipe is checked


def find(kind: str, name: str) -> Callable[..., Any]:
    """Return the function behind a name. Raises PluginError, with the nearest bundled names, if there is none."""
    if ":" in name:
        return _foreign(kind, name)
    name = recorded(kind, name)
    if name not in names(kind):
        otherwise = 'give "package.module:function"'
        raise PluginError(f"no {kind} is named {name!r}. Fix: {advice(name, shown_names(kind), otherwise=otherwise)}.")
    module = importlib.import_module(f"selfinstruct.{FOLDERS[kind]}.{name}")
    found = getattr(module, name, None)
    if not callable(found):
        raise PluginError(f"{module.__file__}: has no function {name!r}. Fix: give the function the name of its file.")
    function: Callable[..., Any] = found
    return function


def shown_names(kind: str) -> list[str]:
    """Return the names of all bundled plugins of a kind as users write them: exports have hyphens."""
    return [name.replace("_", "-") if kind == "export" else name for name in names(kind)]


def beside(kind: str, name: str, attribute: str, otherwise: Any) -> Any:
    """Return an attribute of the module that defines a plugin, or `otherwise` if it has none."""
    try:
        function = find(kind, name)
    except PluginError:
        if ":" not in name:
            raise
        return otherwise  # an object of a notebook cannot always be found by its name
    return of_module(function, attribute, otherwise)


def of_module(function: Callable[..., Any], attribute: str, otherwise: Any) -> Any:
    """Return an attribute of the module that defines a function, or `otherwise` if it has none."""
    return getattr(sys.modules.get(getattr(function, "__module__", "")), attribute, otherwise)


def name_of(thing: Callable[..., Any]) -> str:
    """Return the name that records an object passed in a notebook: `module:qualified name`."""
    module = getattr(thing, "__module__", None) or type(thing).__module__
    label = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    return f"{module}:{label}"


def about(kind: str, name: str) -> str:
    """Return the first paragraph of a plugin's docstring, on one line."""
    document = find(kind, name).__doc__ or ""
    return " ".join(document.strip().split("\n\n")[0].split())


def options_of(kind: str, name: str) -> list[tuple[str, Any]]:
    """Return the keyword options of a bundled filter or export, each with its default."""
    parameters = list(inspect.signature(find(kind, name)).parameters.values())[2:]
    return [(parameter.name, parameter.default) for parameter in parameters if parameter.default is not parameter.empty]


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
            raise RecipeError(f"{place}: has no option {option!r}. Fix: {rename(option, by_name)}.")
        default = by_name[option].default
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if isinstance(default, int | float) and not isinstance(default, bool) and not number:
            raise RecipeError(f"{place}: {option} must be a number (got {shown(value)}). Fix: give a number.")
        if isinstance(default, tuple) and not isinstance(value, list | tuple):
            raise RecipeError(f"{place}: {option} must be a list (got {shown(value)}). Fix: give a list.")


def _foreign(kind: str, name: str) -> Callable[..., Any]:
    module_name, _, attribute = name.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (ValueError, TypeError):
        raise PluginError(f'{kind} {name!r}: is not a name. Fix: write "package.module:function".') from None
    except ModuleNotFoundError as error:
        raise PluginError(
            f"{kind} {name!r}: module {error.name!r} cannot be imported. Fix: install it, or set PYTHONPATH to its folder."
        ) from None
    except AttributeError:
        if module_name == "__main__":
            other = f"add --without {name}" if kind == "filter" else "use a new run that names it in a module"
            raise PluginError(
                f"{kind} {name!r}: is known only in the notebook or script that defines it. Fix: pass the object to `Run` there, "
                f"or {other}."
            ) from None
        raise PluginError(
            f"{kind} {name!r}: {module_name!r} has no {attribute!r}. Fix: check the name, or pass the object itself to `Run`."
        ) from None
    except Exception as error:  # noqa: BLE001 (a user's module may raise anything)
        raise PluginError(f"{kind} {name!r}: its import fails ({type(error).__name__}: {error}). Fix: correct it.") from None
    if not callable(found):
        raise PluginError(f"{kind} {name!r}: is {type(found).__name__}, not a function. Fix: name a function.")
    function: Callable[..., Any] = found
    return function
