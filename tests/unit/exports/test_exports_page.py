"""The code of `docs/exports.md` runs as it stands there."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT, cli, rows

import selfinstruct as si

PAGE = (ROOT / "docs" / "exports.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "runs" / "first")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands_of_the_page_run(place: Path) -> None:
    (shell,) = blocks("sh")
    for line in shell.splitlines():
        done = cli(*shlex.split(line)[1:], PYTHONPATH=str(ROOT))
        assert done.returncode == 0, done.stderr
    data = rows(place / "runs" / "first" / "dataset.jsonl")
    assert json.loads((place / "alpaca.json").read_text(encoding="utf-8")) == data
    assert len(rows(place / "chat.jsonl")) == len(data)


def test_the_python_of_the_page_runs(place: Path) -> None:
    notebook, own = blocks("python")
    exec(compile(notebook, "docs/exports.md", "exec"), {})
    (first, *_) = rows(place / "chat.jsonl")
    messages: Any = first["messages"]
    assert messages[0] == {"role": "system", "content": "Answer briefly."}
    names: dict[str, Any] = {}
    exec(compile(own, "docs/exports.md", "exec"), names)
    exported = si.Run("runs/first").export(names["prompt_only"], "prompts.jsonl")
    assert exported.rows == len(rows(place / "prompts.jsonl")) > 0
