"""The help of every command: on a terminal of 80 columns, piped, without colours, and its examples."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest
import typer
from command_line import cli, on_a_terminal

from selfinstruct.cli.app import app, help_pages
from selfinstruct.recipe.flag import PANELS

PAGES = help_pages()
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
FRAME = re.compile(r"^│ | +│$|[╭╰─╮╯]+", re.MULTILINE)


def words(text: str) -> str:
    """The words of a text without frames, colours and line breaks."""
    return " ".join(FRAME.sub("", COLOUR.sub("", text)).split())


@pytest.mark.parametrize("name", PAGES)
def test_a_help_has_every_text_within_80_columns_on_a_terminal_and_in_a_pipe(name: str) -> None:
    page = PAGES[name]
    called = [name, "-h"] if name else ["-h"]
    coloured = on_a_terminal(*called, columns=80).replace("\r\n", "\n")
    plain = on_a_terminal(*called, columns=80, NO_COLOR="1").replace("\r\n", "\n")
    piped = cli(*called, COLUMNS="80")
    assert "\x1b[" in coloured and "\x1b" not in plain + piped.stdout
    assert COLOUR.sub("", coloured).rstrip() == plain.rstrip() == piped.stdout.rstrip()
    assert (piped.returncode, piped.stderr) == (0, "")
    assert [line for line in piped.stdout.split("\n") if len(line) > 80] == []
    shown = words(piped.stdout)
    assert [text for text in (f"Usage: {page.usage}", *page.paragraphs) if text not in shown] == []
    for title, entries in page.panels.items():
        assert f"─ {title} ─" in piped.stdout
        for entry in entries:
            assert " ".join(filter(None, (entry.name, entry.text, entry.note))) in shown
    for fact, line in page.examples:
        assert f"  # {fact}\n  {line}\n" in piped.stdout


def test_h_and_help_are_the_same() -> None:
    assert cli("status", "-h").stdout == cli("status", "--help").stdout


def test_frames_are_ascii_where_the_output_cannot_have_others() -> None:
    done = cli("status", "-h", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "") and "+- Options ---" in done.stdout


def test_texts_with_brackets_are_shown_as_they_are() -> None:
    shown = words(cli("generate", "-h", COLUMNS="80").stdout)
    assert "[default: 100]" in shown and "[default: openai, or local without a key]" in shown


@pytest.mark.parametrize("name", PAGES)
def test_a_command_has_two_examples_that_its_parser_takes(name: str) -> None:
    assert len(PAGES[name].examples) == 2
    group = typer.main.get_command(app)
    for fact, line in PAGES[name].examples:
        program, *arguments = shlex.split(line)
        assert program == "selfinstruct" and fact.endswith(".") and len(line) <= 78
        top = group.make_context(program, list(arguments))
        called, command, rest = group.resolve_command(top, arguments)  # type: ignore[attr-defined]
        if "--help" not in rest:
            command.make_context(called, rest, parent=top)  # raises for an unknown flag, a bad value or a missing argument


def test_the_flags_of_generate_are_in_the_panels_in_their_order() -> None:
    assert list(PAGES["generate"].panels) == ["Arguments", *PANELS]
    first = {title: entries[0].name.split()[0] for title, entries in PAGES["generate"].panels.items()}
    assert first == {
        "Arguments": "DIR",
        "What to make": "--num",
        "Teacher": "--model",
        "Steering": "--domain",
        "Filters": "--rouge",
        "Limits and money": "--max-usd",
        "Running": "--dry-run",
    }


def test_rich_is_loaded_for_a_help_only() -> None:
    code = "import sys; from selfinstruct.cli.app import app; app(['list', 'exports'], standalone_mode=False)"
    code += "; print('rich' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "alpaca-json" in done.stdout and done.stdout.endswith("\nFalse\n")


def test_the_list_and_the_outputs_of_reading_commands_fit_80_columns() -> None:
    for called in (("list",), ("status", "data/sample"), ("show", "data/sample"), ("show", "data/sample", "--rejected", "any")):
        shown = on_a_terminal(*called, columns=80).replace("\r\n", "\n")
        assert [line for line in shown.split("\n") if len(line) > 80] == []
