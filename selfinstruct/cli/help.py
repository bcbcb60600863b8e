"""The help of a command: usage, description, panels of flags, examples. `rich` is loaded only when a help is shown."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from io import StringIO
from typing import Any

from selfinstruct.cli.terminal import columns, wrapped

_FRAME = 6  # columns of a panel's frame, and of the gap between its two columns


@dataclass(frozen=True)
class Entry:
    """A line of a panel: a command, an argument or a flag.

    Attributes:
        name: The command, or all spellings of a flag with the word that stands for its value.
        text: The description.
        note: The default in brackets, or that a flag is required.
    """

    name: str
    text: str
    note: str = ""


@dataclass(frozen=True)
class HelpPage:
    """All that the help of a command shows.

    Attributes:
        usage: The form of the command line, such as "selfinstruct export RUN --to NAME --out PATH [OPTIONS]".
        paragraphs: The description. The first paragraph is one sentence.
        panels: The commands, arguments and flags by the title of their panel.
        examples: A fact and a whole command line each.
    """

    usage: str
    paragraphs: tuple[str, ...]
    panels: dict[str, list[Entry]]
    examples: tuple[tuple[str, str], ...]


def examples(*pairs: tuple[str, str]) -> str:
    """Return examples as the epilog of a command. Each pair is a fact and a whole command line."""
    return "\n\n".join(f"# {fact}\n{line}" for fact, line in pairs)


def page(command: Any, context: Any) -> HelpPage:
    """Return the help of a command."""
    paragraphs = tuple(" ".join(paragraph.split()) for paragraph in command.help.split("\n\n"))
    pairs = (pair.removeprefix("# ").partition("\n") for pair in command.epilog.split("\n\n"))
    return HelpPage(
        _usage(command, context), paragraphs, _panels(command, context), tuple((fact, line) for fact, _, line in pairs)
    )


def rendered(page: HelpPage) -> str:
    """Return the help of a command as text for standard output, with colours if that is a terminal."""
    from rich.box import ASCII, ROUNDED
    from rich.console import Console
    from rich.panel import Panel
    from rich.table import Table
    from rich.text import Text

    text, frame = StringIO(), ROUNDED if "utf" in (getattr(sys.stdout, "encoding", "") or "").lower() else ASCII
    coloured = sys.stdout is not None and sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    console = Console(file=text, width=columns(), force_terminal=coloured, highlight=False, emoji=False, markup=False)
    console.print(Text.assemble("\n", ("Usage: ", "bold"), page.usage, "\n"))
    for paragraph in page.paragraphs:
        console.print(Text("\n".join(wrapped(paragraph, console.width)) + "\n"))
    for title, entries in page.panels.items():
        left = _left(page, entries)
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=left, no_wrap=True, style="bold cyan")
        table.add_column()
        for entry in entries:
            described = f"{entry.text} {entry.note}".strip()
            table.add_row(Text(entry.name), Text("\n".join(wrapped(described, console.width - left - _FRAME))))
        console.print(Panel(table, title=title, title_align="left", border_style="dim", box=frame))
    console.print(Text("\nExamples", "bold"))
    for fact, line in page.examples:
        console.print(Text.assemble((f"  # {fact}\n", "dim"), f"  {line}"))
    return text.getvalue()


def _left(page: HelpPage, entries: list[Entry]) -> int:
    """Return the columns of the names of a panel. All panels of flags have the same."""
    flags = [entry for others in page.panels.values() for entry in others if entry.name.startswith("-")]
    return max(len(entry.name) for entry in (flags if entries[-1].name.startswith("-") else entries))


def _usage(command: Any, context: Any) -> str:
    words = [context.command_path]
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument":
            words.append(parameter.metavar if parameter.required else f"[{parameter.metavar}]")
        elif parameter.required:
            words.append(f"{max(parameter.opts, key=len)} {parameter.metavar}")
    return " ".join([*words, *(["COMMAND"] if hasattr(command, "commands") else []), "[OPTIONS]"])


def _panels(command: Any, context: Any) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for name, sub in getattr(command, "commands", {}).items():
        found.setdefault(sub.rich_help_panel, []).append(Entry(name, sub.help.partition("\n\n")[0]))
    for parameter in command.get_params(context):
        if parameter.param_type_name == "argument":
            found.setdefault("Arguments", []).append(Entry(parameter.metavar, parameter.help or ""))
        else:
            title = getattr(parameter, "rich_help_panel", None) or ("Running" if "Running" in found else "Options")
            found.setdefault(title, []).append(Entry(_spellings(parameter), parameter.help or "", _note(parameter)))
    return found


def _spellings(option: Any) -> str:
    spellings = ", ".join(sorted(option.opts, key=len))
    if option.secondary_opts:
        spellings += f" / {option.secondary_opts[0]}"
    return spellings if option.is_flag else f"{spellings} {option.metavar}"


def _note(option: Any) -> str:
    if option.required:
        return "[required]"
    shown, default = getattr(option, "show_default", False), option.default
    if isinstance(shown, str):
        return f"[default: {shown}]"
    return f"[default: {default}]" if shown and not option.is_flag and default not in (None, "") else ""
