"""Commands whose flags are settings of a recipe: names, types, defaults and help come from the schema."""

from __future__ import annotations

import inspect
import json
import shlex
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any

import typer

from selfinstruct.cli.commands import Command

if typing.TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from selfinstruct.recipe.flag import Flag


_OWN_RANK = 2  # flags that are not settings come after the most used setting of their panel


def settings_command(
    app: typer.Typer, *, section: str = "", default: str = "", **described: Any
) -> Callable[[Callable[..., None]], None]:
    """Return a decorator that registers a command. Its `**settings` receive the flags that a user gives.

    The schema loads slowly, so it is loaded when the command is used, and `selfinstruct --help` stays quick.

    Args:
        app: The command line.
        section: The section of the recipe whose settings are flags. Empty: all sections.
        default: A text that replaces the defaults in the help.
        described: More arguments of `app.command`, such as its panel and its examples.
    """

    def register(function: Callable[..., None]) -> None:
        class SettingsCommand(Command):
            def complete(self) -> Any:
                """Return the command with all its flags."""
                whole = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)
                whole.command(function.__name__, cls=Command, **described)(_with_flags(function, section, default))
                return typer.main.get_command(whole)

            def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
                return self.complete().make_context(info_name, args, parent=parent, **extra)

        def listed() -> None:
            """Stand for the command in the list of commands."""

        listed.__doc__ = function.__doc__
        app.command(function.__name__, cls=SettingsCommand, **described)(listed)

    return register


def _with_flags(function: Callable[..., None], section: str, default: str) -> Callable[..., None]:
    """Return the function with a signature in which the flags take the place of `**settings`, in the order of the help."""
    from selfinstruct.recipe.flag import PANELS

    hints = typing.get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[parameter.name], kind=parameter.KEYWORD_ONLY)
        for parameter in inspect.signature(function).parameters.values()
        if parameter.kind is not parameter.VAR_KEYWORD
    ]
    directory, *others = own
    placed = [(_panel(parameter), _OWN_RANK, parameter) for parameter in others]
    placed += [(flag.panel, flag.rank, parameter) for flag, parameter in _flags(section, default)]
    placed.sort(key=lambda place: (PANELS.index(place[0]), place[1]))
    parameters = [directory, *(parameter for _, _, parameter in placed)]

    def command(**given: Any) -> None:
        function(**given)

    command.__doc__ = function.__doc__
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return command


def _panel(parameter: inspect.Parameter) -> str:
    """Return the panel of a flag that the command declares itself."""
    return str(typing.get_args(parameter.annotation)[1].rich_help_panel)


def _flags(section: str, default: str) -> Iterator[tuple[Flag, inspect.Parameter]]:
    """Yield the flags of a section's settings, each with its mark in the schema."""
    from selfinstruct.recipe.reference import flag_of
    from selfinstruct.recipe.schema import SECTIONS

    for name, model in SECTIONS.items():
        if section in ("", name):
            for setting, field in model.model_fields.items():
                if flag := flag_of(field):
                    option = _option(setting, field, flag, default)
                    yield flag, inspect.Parameter(setting, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)


def _option(setting: str, field: FieldInfo, flag: Flag, default: str) -> Any:
    """Return the annotation of a flag: its type and its help text."""
    from selfinstruct.cli.completion import of_setting
    from selfinstruct.recipe.reference import shown_default

    flags = f"--{setting.replace('_', '-')}"
    kind = _kind(field.annotation)
    if kind is bool:
        flags = f"{flags}/--no-{setting.replace('_', '-')}"
    option = typer.Option(
        flags,
        help=field.description,
        metavar=flag.metavar or ("TEXT" if kind is str else "NUMBER"),
        show_default=default or shown_default(field) or False,
        rich_help_panel=flag.panel,
        autocompletion=of_setting(setting, _choices(field.annotation)),
    )
    return Annotated[kind | None, option]


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the texts that a setting may have, or nothing if it may have any."""
    return typing.get_args(annotation) if typing.get_origin(annotation) is typing.Literal else ()


def _kind(annotation: Any) -> Any:
    """Return the type of a flag: a setting that takes several texts becomes a flag that may be repeated."""
    members = [one for one in typing.get_args(annotation) if one is not types.NoneType]
    if typing.get_origin(annotation) is typing.Literal:
        return str
    if typing.get_origin(annotation) is dict:
        return list[str]
    if typing.get_origin(annotation) in (types.UnionType, typing.Union):
        if any(typing.get_origin(member) is tuple for member in members):
            return list[str]
        return _kind(members[0])
    if typing.get_origin(annotation) is Annotated:
        return _kind(members[0])
    return annotation


_REPEATED = {"fields": "field", "against_fields": "against_field"}  # a keyword that takes a list is a flag that may be repeated


def spelled(name: str, value: object = None) -> str:
    """Return a setting for a message: `--num 5` as the command line takes it, or its place in a recipe if it has no flag.

    A name with dots, such as `price.input`, is a setting in a table.
    """
    from selfinstruct.recipe.reference import flag_of
    from selfinstruct.recipe.schema import SECTIONS

    head, *inside = name.split(".")
    for section, model in SECTIONS.items():
        if head in model.model_fields and not flag_of(model.model_fields[head]):
            *tables, key = section, head, *inside
            return f"`{key if value is None else f'{key} = {json.dumps(value)}'}` in [{'.'.join(tables)}] of a recipe"
    flag = f"--{_REPEATED.get(name, name).replace('_', '-')}"
    if value is None or value is True:
        return flag
    return f"--no-{flag[2:]}" if value is False else f"{flag} {shlex.quote(str(value))}"


def typed(settings: Mapping[str, Any]) -> str:
    """Return settings as the flags that give them, each with a space before it. A setting that is None is left out."""
    words: list[str] = []
    for name, value in settings.items():
        if name == "filters":
            words += [_typed_filter(rule, options) for rule, options in value.items()]
        elif value is not None:
            words += [spelled(name, one) for one in (value if isinstance(value, list | tuple) else [value])]
    return "".join(f" {word}" for word in words)


def _typed_filter(name: str, options: Any) -> str:
    """Return the flag that switches a filter on or off, or sets its options."""
    if options is False:
        return f"--without {shlex.quote(name)}"
    pairs = ",".join(f"{option}={json.dumps(value)}" for option, value in options.items()) if isinstance(options, dict) else ""
    return f"--with {shlex.quote(f'{name}:{pairs}' if pairs else name)}"
