"""Commands of the command line: their help in panels, and their usage errors as one sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from selfinstruct.cli.help import page, rendered
from selfinstruct.errors import UserMistake
from selfinstruct.names import either, nearest

_UsageError: Any = typer.BadParameter.__base__  # the parent of all usage errors, which typer does not name itself


class Command(TyperCommand):
    """A command with panels in its help and one sentence per usage error."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help of the command."""
        formatter.write(rendered(page(self, ctx)))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises UserMistake for those that the command does not take."""
        with _usage_errors(self, ctx, tuple(args)):
            return super().parse_args(ctx, args)


class CommandGroup(TyperGroup):
    """All commands, with panels in their help and one sentence per usage error."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help that lists the commands."""
        formatter.write(rendered(page(self, ctx)))

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the arguments. Raises UserMistake for flags that do not exist."""
        with _usage_errors(self, ctx, tuple(args)):
            return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Return the command that the first argument names. Raises UserMistake, with the nearest command, for others."""
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            near = either(f"`{ctx.command_path} {name}`" for name in nearest(args[0], self.commands))
            run = f"run {near}, or " if near else ""
            raise UserMistake(f"no command is named {args[0]!r}. Fix: {run}see `{ctx.command_path} --help`.")
        return super().resolve_command(ctx, args)


@contextmanager
def _usage_errors(command: Any, context: Any, words: Sequence[str]) -> Iterator[None]:
    """Turn a usage error of the arguments' parser into a UserMistake with one sentence and a fix."""
    try:
        yield
    except _UsageError as error:
        if type(error).__name__ == "NoArgsIsHelpError":
            raise
        raise UserMistake(_sentence(error, command, context, words)) from None


_NUMBERS = {"integer": "a whole number", "float": "a number", "number": "a number"}  # as errors name types of values


def _sentence(error: Any, command: Any, context: Any, words: Sequence[str]) -> str:
    """Return the message of a usage error: place, problem, fix. `words` are the arguments of the command."""
    place = f"{context.info_name}: " if context.parent else ""
    see = f"see `{context.command_path} --help`"
    options = {flag: option for option in command.get_params(context) for flag in (*option.opts, *option.secondary_opts)}
    text = error.message.rstrip(".").partition(",")[0]
    text = text[:1].lower() + text[1:]
    if type(error).__name__ == "NoSuchOption":
        near = either(nearest(error.option_name, [flag for flag in options if flag.startswith("--")]))
        return f"{place}no flag is named {error.option_name!r}. Fix: {f'use {near}, or ' if near else ''}{see}."
    if option := options.get(getattr(error, "option_name", "")):
        problem, form = ("takes no", "") if option.is_flag else ("has no", f" {option.metavar}")
        return f"{place}{error.option_name} {problem} value. Fix: write {error.option_name}{form}."
    if parameter := getattr(error, "param", None):
        is_argument = parameter.param_type_name == "argument"
        name = parameter.metavar if is_argument else max(parameter.opts, key=len)
        if type(error).__name__ != "MissingParameter":
            kind = next((number for word, number in _NUMBERS.items() if f"valid {word}" in text), "")
            problem, fix = (f"must be {kind}", f"give {kind}") if kind else (text, "change its value")
            return f"{name}: {problem}{_got(parameter, words, text)}. Fix: {fix}."
        return f"{place}{name} is missing. Fix: add {name if is_argument else f'{name} {parameter.metavar}'}, or {see}."
    if extra := re.search(r"unexpected extra arguments?\S* \((.*)\)$", error.message):
        return f"{place}unexpected argument (got {extra[1]!r}). Fix: remove it, or {see}."
    return f"{place}{text}. Fix: correct the command line, or {see}."


def _got(parameter: Any, words: Sequence[str], text: str) -> str:
    """Return the value that the command line gives to an option, in brackets. Empty if `text` has it."""
    for word, following in zip(words, (*words[1:], ""), strict=True):
        flag, equals, value = word.partition("=")
        if flag in parameter.opts:
            got = repr(value if equals else following)
            return "" if got in text else f" (got {got})"
    return ""
