"""The command `seeds`: its output, its exit status and its limits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import cli
from fake_openai import FakeOpenAI

from selfinstruct.inputs import seeds

BUNDLED = seeds.load()
SELF_INSTRUCT = [
    {"id": "a", "name": "rivers", "instruction": "Name a river.", "instances": [{"input": "", "output": "The Niger."}],
     "is_classification": False},
    {"id": "b", "name": "label", "domain": "work", "instruction": " Label this.\r\nOne word. ",
     "instances": [{"input": "Hi\r\n", "output": " greeting"}, {"input": "Go!", "output": "order"}], "is_classification": True},
]  # fmt: skip
ALPACA = [
    {"instruction": "Name a river.", "input": "", "output": "The Niger."},
    {"instruction": "Add these.", "input": "2, 3", "output": "5"},
]


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def write(folder: Path, text: str, name: str = "seeds.jsonl") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def test_the_exit_status_is_0_without_findings(tmp_path: Path) -> None:
    ended = cli("seeds", write(tmp_path, lines(*SELF_INSTRUCT)))
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "no findings" in ended.stdout and "seed tasks" in ended.stdout


def test_the_bundled_seeds_are_checked_by_default() -> None:
    ended = cli("seeds", "--json")
    found = json.loads(ended.stdout)
    assert (ended.returncode, ended.stderr, found["findings"]) == (0, "", [])
    assert found["counts"]["seed tasks"] == len(BUNDLED) and len(found["domains"]) >= 25


@pytest.mark.slow
def test_findings_are_printed_and_the_exit_status_is_1(tmp_path: Path) -> None:
    rows = [
        SELF_INSTRUCT[0],
        {"instruction": "Name a long river.", "output": "The Niger."},
        {"instruction": "Draw nothing.", "output": ""},
        {"instruction": 5, "output": "x"},
    ]
    path = write(tmp_path, lines(*rows))
    ended = cli("seeds", path)
    assert (ended.returncode, ended.stderr) == (1, "")
    assert f"{path}:4: instruction: " in ended.stdout
    assert f"{path}:2: instruction: ROUGE-L 0.86 to {path}:1\n" in ended.stdout
    assert f"{path}:3: output: is empty in every instance\n" in ended.stdout
    assert ended.stdout.endswith("3 findings\n")
    as_json = cli("seeds", path, "--json")
    assert as_json.returncode == 1
    findings = json.loads(as_json.stdout)["findings"]
    assert [finding["kind"] for finding in findings] == ["bad_row", "empty_output", "near_duplicate"]
    assert findings[1] == {"kind": "empty_output", "row": f"{path}:3", "text": "output: is empty in every instance"}


@pytest.mark.slow
def test_the_limit_for_near_duplicates_can_be_set(tmp_path: Path) -> None:
    path = write(tmp_path, lines(ALPACA[0], {"instruction": "Name a long river.", "output": "x"}))
    assert [cli("seeds", path, "--near", near).returncode for near in ("0.5", "0.9")] == [1, 0]


def test_seeds_are_compared_with_another_file(tmp_path: Path) -> None:
    path, other = write(tmp_path, lines(ALPACA[0])), write(tmp_path, lines(*SELF_INSTRUCT), "other.jsonl")
    ended = cli("seeds", path, "--against", other)
    assert ended.returncode == 1 and f"ROUGE-L 1.00 to {other} a\n" in ended.stdout


@pytest.mark.slow
@pytest.mark.parametrize("name", ["absent.jsonl", "absent.csv"])
def test_a_missing_file_gives_one_line_and_exit_status_2(tmp_path: Path, name: str) -> None:
    ended = cli("seeds", tmp_path / name)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert len(ended.stderr.splitlines()) == 1 and name in ended.stderr


def test_a_bad_row_names_its_line_and_a_misspelled_field(tmp_path: Path) -> None:
    rows = ['{"x', {"instrucion": "Name a river.", "output": "x"}, {"instruction": "Name a river.", "outptu": "x"}, ALPACA[0]]
    path = write(tmp_path, lines(*rows, {"instruction": "Name a lake.", "input": ""}))
    shown = cli("seeds", path).stdout
    assert f"{path}:1: is not valid JSON (" in shown
    assert f"{path}:2: instruction: is missing. Fix: rename 'instrucion' to 'instruction'.\n" in shown
    assert f"{path}:3: output: is missing. Fix: rename 'outptu' to 'output'.\n" in shown
    assert f"{path}:5: output: is missing\n" in shown and "instances" not in shown


def test_a_new_run_says_how_many_findings_its_seed_file_has(teacher: FakeOpenAI, tmp_path: Path) -> None:
    path = tmp_path / "mine.jsonl"
    tasks = [{"instruction": text, "input": "", "output": ""} for text in ("Name a river in Mali.", "Name a river of Mali.")]
    path.write_text("".join(json.dumps(task) + "\n" for task in tasks))
    words = ("--base-url", teacher.url, "--model", "m", "--seeds", path, "--num", 2)
    says = f"3 findings, see `selfinstruct seeds {path}`"
    assert f"Seeds: {says}" in cli("generate", tmp_path / "run", *words, "--dry-run", COLUMNS="400").stdout
    assert f"seeds: {says}" in cli("generate", tmp_path / "run", *words, COLUMNS="400").stderr
    assert says not in cli("generate", tmp_path / "run", COLUMNS="400").stderr
