"""Find methods, filters, teachers, notations and exports by name. There is no registry: one file per plugin.

A bare name is a file of that name in the folder of its kind, where hyphens count as underscores.
`"package.module:function"` is a function of the user's own.
A notebook passes the object itself, which is recorded by the place of its definition.
"""

from __future__ import annotations

import importlib
import inspect
import json
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from selfinstruct.errors import PluginError, RecipeError, SelfInstructError
from selfinstruct.names import advice, either, matching, nearest, rename
from selfinstruct.text import shown

FOLDERS = {
    "method": "methods",
    "filter": "filters",
    "teacher": "teachers",
    "notation": "notations",
    "export": "exports",
}
TEACHER_PARTS = ("reply", "close", "name", "model", "host")
# The type of an option's default, the types of its value, and the words for them. A bool is an int, so it is first.
_TYPES: tuple[tuple[Any, Any, str], ...] = (
    (bool, bool, "true or false"),
    (int, int, "a whole number"),
    (float, int | float, "a number"),
    (str, str, "a text"),
    (tuple | list, list | tuple, "a list"),
)


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


def check_call(place: str, function: Callable[..., Any], parameters: str) -> None:
    """Raise PluginError unless a function can be called with the parameters of its kind, such as "(turn, ask, context)".

    `place` names the plugin in messages. Words may follow the closing bracket. More parameters of the function need defaults.
    """
    try:
        inspect.signature(function).bind(*parameters.partition(")")[0].split(","))
    except TypeError:
        raise PluginError(f"{place}: must accept {parameters}. Fix: change its signature.") from None
    except ValueError:
        return  # a function that is not written in Python may hide its parameters


def made(place: str, make: Callable[..., Any], *arguments: Any) -> Any:
    """Return what a plugin's function makes of arguments. Raises PluginError, with file and line, if it fails."""
    try:
        return make(*arguments)
    except SelfInstructError:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        problem = f"{type(error).__name__}: {error}, at {Path(last.filename).name}:{last.lineno}"
        raise PluginError(f"{place}: cannot be made ({problem}). Fix: correct it.") from error


def check_parts(place: str, thing: object, names: Sequence[str], page: str) -> None:
    """Raise PluginError unless an object has all of these attributes. `page` is the module of `contracts` to read."""
    if lacks := [f"`{name}`" for name in names if not hasattr(thing, name)]:
        raise PluginError(f"{place}: has no {either(lacks)}. Fix: add {' and '.join(lacks)}, see contracts/{page}.py.")


def check_options(place: str, function: Callable[..., Any], options: Mapping[str, Any], parameters: str) -> None:
    """Raise PluginError or RecipeError unless a plugin's function takes these options.

    `place` names the plugin in messages. `parameters` are the two positional parameters that its kind takes, in words.
    """
    try:
        signature = inspect.signature(function)
        signature.bind_partial(None, None)
    except (TypeError, ValueError):
        raise PluginError(f"{place}: must accept {parameters}. Fix: change its signature.") from None
    by_name, takes_any = _options(signature)
    for name, parameter in by_name.items():
        if name not in options and parameter.default is parameter.empty:
            raise PluginError(
                f"{place}: must accept {parameters} alone, and {name!r} has no default. "
                f"Fix: write {name}=VALUE in its signature, or set the option {name!r}."
            )
    for option, value in options.items():
        if option in by_name:
            _check_value(f"{place}: {option}", by_name[option].default, value)
        elif not takes_any:
            raise RecipeError(f"{place}: has no option {option!r}. Fix: {rename(option, by_name)}.")


def read_option(function: Callable[..., Any], option: str, text: str) -> Any:
    """Return the value of an option that was written as a text: JSON if it can be read as such, unless the default is a text."""
    try:
        by_name, _ = _options(inspect.signature(function))
    except (TypeError, ValueError):
        by_name = {}
    if option in by_name and isinstance(by_name[option].default, str):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _options(signature: inspect.Signature) -> tuple[dict[str, inspect.Parameter], bool]:
    """Return the options of a filter or export by name, and True if it takes any other option too."""
    rest = list(signature.parameters.values())[2:]
    variable = (inspect.Parameter.VAR_KEYWORD, inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.POSITIONAL_ONLY)
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in rest)
    return {parameter.name: parameter for parameter in rest if parameter.kind not in variable}, takes_any


def _check_value(place: str, default: Any, value: Any) -> None:
    """Raise RecipeError unless the value of an option has the type of its default. A whole number may stand for a number."""
    for kind, allowed, words in _TYPES:
        if isinstance(default, kind):
            if not isinstance(value, allowed) or (isinstance(value, bool) and kind is not bool):
                raise RecipeError(f"{place} must be {words} (got {shown(value)}). Fix: give {words}.")
            return


def _functions_of(module: str) -> list[str]:
    """Return the names of the functions and classes that a loaded module defines itself."""
    members = vars(sys.modules[module]).items() if module in sys.modules else ()
    return [name for name, value in members if callable(value) and getattr(value, "__module__", "") == module]


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
        near = nearest(attribute, _functions_of(module_name))
        fix = f"write {module_name}:{either(near)}" if near else "check the name, or pass the object itself to `Run`"
        raise PluginError(f"{kind} {name!r}: {module_name!r} has no {attribute!r}. Fix: {fix}.") from None
    except Exception as error:  # noqa: BLE001 (a user's module may raise anything)
        raise PluginError(f"{kind} {name!r}: its import fails ({type(error).__name__}: {error}). Fix: correct it.") from None
    if not callable(found):
        raise PluginError(f"{kind} {name!r}: is {type(found).__name__}, not a function. Fix: name a function.")
    function: Callable[..., Any] = found
    return function
