"""Help and flags are derived from the schema."""

from __future__ import annotations

import re

from command_line import cli

from selfinstruct.cli.app import help_pages
from selfinstruct.recipe.reference import flag_of
from selfinstruct.recipe.schema import SECTIONS

FIELDS = {name: field for model in SECTIONS.values() for name, field in model.model_fields.items()}


def test_every_setting_has_a_description() -> None:
    assert [name for name, field in FIELDS.items() if not (field.description or "").endswith(".")] == []


def test_the_flags_of_generate_are_the_marked_settings_and_five_more() -> None:
    shown = cli("generate", "--help", COLUMNS="200").stdout
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", shown))
    of_settings = {f"--{name.replace('_', '-')}" for name, field in FIELDS.items() if flag_of(field)}
    assert of_settings <= flags
    assert flags - of_settings == {"--recipe", "--with", "--without", "--dry-run", "--no-batch", "--help"}


def test_the_help_of_a_flag_is_the_description_of_its_setting() -> None:
    page = help_pages()["generate"]
    shown = "\n".join(entry.text for entries in page.panels.values() for entry in entries)
    assert [name for name, field in FIELDS.items() if flag_of(field) and str(field.description) not in shown] == []


def test_build_has_the_flags_of_curate_only() -> None:
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", cli("build", "--help", COLUMNS="200").stdout))
    assert {"--num", "--rouge", "--language", "--out"} <= flags and not {"--model", "--seed"} & flags


def test_the_list_of_commands_does_not_load_the_schema() -> None:
    """`selfinstruct --help` stays quick."""
    import subprocess
    import sys

    code = (
        "import sys; from selfinstruct.cli.app import app\n"
        "try: app(['--help'])\n"
        "except SystemExit: pass\n"
        "print('pydantic' in sys.modules, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "generate" in done.stdout and done.stderr.strip() == "False"
