"""The end of a run on a terminal: the busiest rules, what to do about them, and lines that fit."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cli, on_a_terminal
from fake_openai import FakeOpenAI

from selfinstruct.cli.terminal import cut, width_of
from selfinstruct.recipe.credentials import host_of

ANSWER = "1. Instruction: {}\n1. Input:\n<noinput>\n1. Output: It is a long river."


def lines_of(shown: str) -> list[str]:
    """Return the lines that a terminal was sent, each state of a moving line too."""
    return re.split(r"[\r\n]+", re.sub(r"\x1b\[[A-Z]", "", shown))


def script(folder: Path, *instructions: str) -> Path:
    """Write a script for the scripted teacher that has one task in each reply."""
    path = folder / "script.jsonl"
    texts = [ANSWER.format(instruction) for instruction in instructions]
    path.write_text("".join(json.dumps({"key": str(number), "text": text}) + "\n" for number, text in enumerate(texts)))
    return path


@pytest.mark.slow
def test_a_run_ends_with_the_busiest_rules_and_the_word_that_matched(tmp_path: Path) -> None:
    wanted = ["Draw a red house", "Write a program that counts", '"Quoted" words begin it', "Draw \x1b[31m the moon " * 3]
    path = script(tmp_path, *wanted, "Name one long river.")
    flags = ("--teacher", "scripted", "--model", path, "--num", 1, "--without", "control_characters")
    shown = on_a_terminal("generate", tmp_path / "run", *flags, columns=80)
    said = shown.replace("\r", "").split("\n")
    start = said.index("busiest rules, each with an example:")
    assert said[start + 1 : start + 4] == [
        "  unfit_for_text     2  \"Draw a red house\" (got 'Draw')",
        "  program_request    1  \"Write a program that counts\" (got 'Write a program')",
        '  punctuation_start  1  ""Quoted" words begin it" (got \'"\')',
    ]
    assert "\x1b[31m" not in shown
    assert f"selfinstruct show {tmp_path / 'run'} --rejected unfit_for_text" in " ".join(said)
    without = f"selfinstruct build {tmp_path / 'run'} --without unfit_for_text --out {tmp_path / 'run-2'}"
    assert f"  {without}" in said
    assert "1 row from " in cli(*without.split()[1:]).stderr


@pytest.mark.slow
def test_every_line_fits_a_terminal_of_80_columns(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = start_teacher(faults="500=0.05,429=0.05")
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 1200)
    monkeypatch.chdir(tmp_path)  # a long path in a command is the one thing that may be wider
    seen = [
        on_a_terminal("generate", "run", *flags, "--max-requests", 30, columns=80, status=3),
        on_a_terminal("generate", "run", "--num", 300, "--dry-run", columns=80),
        on_a_terminal("build", "run", "--num", 50, columns=80),
        on_a_terminal("status", "run", columns=80),
    ]
    assert [line for shown in seen for line in lines_of(shown) if width_of(line) > 80] == []
    assert "0/1,200 rows" in seen[0] and "busiest rules" in seen[0] and "busiest rules" in seen[2]
    assert "the limit of 30 requests is reached." in " ".join(lines_of(seen[0]))


def test_the_port_of_an_endpoint_is_shown_unless_it_is_the_usual_one(tmp_path: Path) -> None:
    def endpoint(url: str) -> str:
        shown = cli("generate", tmp_path / "run", "--model", "m", "--dry-run", "--base-url", url, OPENAI_API_KEY="sk-none").stdout
        return next(line for line in shown.splitlines() if line.startswith("Endpoint: "))

    assert endpoint("http://127.0.0.1:8000/v1") == "Endpoint: 127.0.0.1:8000"
    assert endpoint("https://api.example.com/v1") == "Endpoint: api.example.com"


def test_usual_ports_and_addresses_in_brackets() -> None:
    assert [host_of(f"{url}/v1") for url in ("http://a.example:80", "https://a.example:443", "https://a.example:80")] == [
        "a.example", "a.example", "a.example:80",
    ]  # fmt: skip
    assert host_of("http://[::1]:8000/v1") == "[::1]:8000" and host_of("http://[::1]/v1") == "::1"


def test_a_text_is_cut_by_the_columns_that_it_takes() -> None:
    assert cut("one  two\nthree", 20) == "one two three"
    assert cut("abcdefghij", 8) == "abcde..." and cut("abcdefgh", 8) == "abcdefgh"
    assert cut("\u6f22\u5b57\u6f22\u5b57\u6f22\u5b57", 8) == "\u6f22\u5b57..." and width_of("\u6f22\u5b57e\u0301") == 5
    assert cut("a\x1b[2J", 20) == "a\\x1b[2J"
