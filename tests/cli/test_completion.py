"""Shell completion: of commands, flags and values, in a real bash."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, cli

from selfinstruct import packaged, plugins
from selfinstruct.cli.completion import OTHER_RULES


def completed(line: str) -> list[str]:
    """The completions of the last word of a line, as the completion script of bash asks for them."""
    words = line.split(" ")
    done = cli(_SELFINSTRUCT_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(len(words) - 1))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("selfinstruct se", ["seeds"]),
        ("selfinstruct generate run --max-", ["--max-usd", "--max-tokens", "--max-requests"]),
        ("selfinstruct generate --method ", list(plugins.names("method"))),
        ("selfinstruct generate --teacher ", list(plugins.names("teacher"))),
        ("selfinstruct generate --recipe ", packaged.recipes()),
        ("selfinstruct generate --prompt ", packaged.prompts()),
        ("selfinstruct generate --seed-sampling s", ["spread"]),
        ("selfinstruct generate --api ", ["chat", "completions"]),
        ("selfinstruct build run --without ", list(plugins.names("filter"))),
        ("selfinstruct build run --with word_count:", ["word_count:more_than=", "word_count:at_most="]),
        ("selfinstruct export run --to ", plugins.shown_names("export")),
        ("selfinstruct show run --rejected rou", ["rouge"]),
        ("selfinstruct dedup a.jsonl --tokens ", ["unicode", "ascii"]),
        ("selfinstruct list fil", ["filters"]),
        ("selfinstruct generate --model ", []),
    ],
)
def test_names_are_completed(line: str, names: list[str]) -> None:
    assert completed(line) == names


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder that is the home of a shell, with `selfinstruct` in its `bin`."""
    program = tmp_path / "bin" / "selfinstruct"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m selfinstruct "$@"\n')
    program.chmod(0o755)
    return tmp_path


def in_bash(home: Path, script: str) -> str:
    path = f"{home / 'bin'}{os.pathsep}{os.environ['PATH']}"
    python_path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "HOME": str(home), "PATH": path, "PYTHONPATH": python_path}
    done = subprocess.run(
        ["bash", "--norc", "-c", script], env=environment, cwd=home, capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


PRESS_TAB = """
COMP_WORDS=(selfinstruct generate run --method few)
COMP_CWORD=4
$(complete -p selfinstruct | sed 's/.*-F \\([^ ]*\\).*/\\1/') selfinstruct few --method
echo "${COMPREPLY[@]}"
"""


def test_bash_completes_with_the_shown_script_and_writes_nothing(home: Path) -> None:
    assert in_bash(home, 'eval "$(selfinstruct --show-completion)"' + PRESS_TAB) == "few_shot\n"
    assert [path.name for path in home.iterdir()] == ["bin"]


def test_bash_completes_after_the_installation(home: Path) -> None:
    assert "bash completion installed in" in in_bash(home, "selfinstruct --install-completion; true")
    assert in_bash(home, "source ~/.bashrc" + PRESS_TAB) == "few_shot\n"


def test_the_rules_that_complete_are_those_of_the_package() -> None:
    """A new method may have rules of its own without a change of the list."""
    given = re.compile(r"(?:ParseDefect\(|Decision\([^\"()]+, )(?:cut or )?\"([a-z_]+)\"")
    used: dict[str, set[str]] = {"methods": set(), "others": set()}
    for path in (ROOT / "selfinstruct").rglob("*.py"):
        used["methods" if path.parent.name == "methods" else "others"] |= set(given.findall(path.read_text(encoding="utf-8")))
    assert {"rouge", "truncated"} <= used["others"] and "no_quote" in used["methods"]
    assert used["others"] <= set(OTHER_RULES) <= used["methods"] | used["others"]
