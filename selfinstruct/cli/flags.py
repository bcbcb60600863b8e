"""Commands whose flags are settings of a recipe: names, types, defaults and help come from the schema."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

if typing.TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from selfinstruct.recipe.schema import Flag


def settings_command(app: typer.Typer, section: str = "", default: str = "") -> Callable[[Callable[..., None]], None]:
    """Return a decorator that registers a command. Its `**settings` receive the flags that a user gives.

    The flags are those of all sections of the recipe, or of one `section`. `default` replaces the defaults in the help. The
    schema loads slowly, so it is loaded when the command is used, and `selfinstruct --help` stays quick.
    """

    def register(function: Callable[..., None]) -> None:
        class SettingsCommand(TyperCommand):
            def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
                complete = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
                complete.command(function.__name__)(_with_flags(function, section, default))
                return typer.main.get_command(complete).make_context(info_name, args, parent=parent, **extra)

        def listed() -> None:
            """Stand for the command in the list of commands."""

        listed.__doc__ = function.__doc__
        app.command(function.__name__, cls=SettingsCommand)(listed)

    return register


def _with_flags(function: Callable[..., None], section: str, default: str) -> Callable[..., None]:
    """Return the function with a signature in which the flags take the place of `**settings`."""
    hints = typing.get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    directory, *others = own
    parameters = [directory, *_flags(section, default), *others]

    def command(**given: Any) -> None:
        function(**given)

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _flags(section: str, default: str) -> Iterator[inspect.Parameter]:
    from selfinstruct.recipe.loading import SECTIONS
    from selfinstruct.recipe.reference import flag_of

    for name, model in SECTIONS.items():
        if section in ("", name):
            for setting, field in model.model_fields.items():
                if flag := flag_of(field):
                    option = _option(setting, field, flag, default)
                    yield inspect.Parameter(setting, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)


def _option(setting: str, field: FieldInfo, flag: Flag, default: str) -> Any:
    """Return the annotation of a flag: its type and its help text."""
    from selfinstruct.recipe.reference import shown_default

    flags = f"--{setting.replace('_', '-')}"
    kind = _kind(field.annotation)
    if kind is bool:
        flags = f"{flags}/--no-{setting.replace('_', '-')}"
    stated = default or shown_default(field)
    text = f"{field.description} [default: {stated}]" if stated else str(field.description)
    return Annotated[kind | None, typer.Option(flags, help=text, metavar=flag.metavar or None, show_default=False)]


def _kind(annotation: Any) -> Any:
    """Return the type of a flag: a setting that takes several texts becomes a flag that may be repeated."""
    members = [one for one in typing.get_args(annotation) if one is not types.NoneType]
    if typing.get_origin(annotation) is typing.Literal:
        return str
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        if any(typing.get_origin(member) is tuple for member in members):
            return list[str]
        return _kind(members[0])
    if typing.get_origin(annotation) is Annotated:
        return _kind(members[0])
    return annotation
