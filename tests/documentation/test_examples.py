"""Each example runs as a reader runs it: copied, with an endpoint in the environment, and a second time to resume."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from pathlib import Path
from typing import Any

import nbformat
import pytest
from command_line import rows
from fake_openai import FakeOpenAI
from nbclient import NotebookClient

from documentation.code_blocks import ROOT

EXAMPLES = ROOT / "examples"
SCRIPTS = sorted(path.parent.name for path in EXAMPLES.glob("*/run.sh"))
KEY = "sk-a-key-that-must-not-be-written"


@pytest.fixture
def environment(teacher: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeOpenAI:
    """Set what the README tells the reader to set, with `selfinstruct` on the path, and return the server."""
    command = tmp_path / "bin" / "selfinstruct"
    command.parent.mkdir()
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m selfinstruct "$@"\n')
    command.chmod(0o755)
    for name, value in {
        "PATH": f"{command.parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": teacher.url,
        "MODEL": "my-model",
    }.items():
        monkeypatch.setenv(name, value)
    return teacher


def run_script(folder: Path) -> str:
    done = subprocess.run(["sh", "run.sh"], cwd=folder, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run_notebook(folder: Path) -> dict[str, str]:
    """Run the notebook in its folder. Return the text that each cell shows, by the last line of the cell's code."""
    notebook = nbformat.read(folder / "notebook.ipynb", as_version=4)  # type: ignore[no-untyped-call]
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(folder)}}).execute()
    shown = {}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            texts = [output.get("text") or output.data["text/plain"] for output in cell.outputs if output.get("name") != "stderr"]
            shown[cell.source.splitlines()[-1].strip()] = "".join(texts)
    return shown


def no_key_in(folder: Path) -> bool:
    return not any(KEY.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def only_run_of(folder: Path) -> Path:
    (run,) = (folder / "runs").iterdir()
    return run


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_an_example_gives_its_rows_and_resumes(name: str, environment: FakeOpenAI, tmp_path: Path) -> None:
    folder = shutil.copytree(EXAMPLES / name, tmp_path / "my_dataset")
    shown = run_script(folder)
    run = only_run_of(folder)
    recipe = tomllib.loads((folder / "recipe.toml").read_text())
    dataset = rows(run / "dataset.jsonl")
    assert len(dataset) == recipe["curate"]["num"]
    assert f"{len(dataset)} rows accepted" in shown
    assert {line["key"] for line in environment.requests()} == {KEY[-4:]}
    assert no_key_in(tmp_path)
    CHECKS[name](run, dataset, shown)
    requests = len(environment.requests())
    run_script(folder)
    assert len(environment.requests()) == requests  # a complete run sends nothing
    assert rows(run / "dataset.jsonl") == dataset


def check_own_seeds(run: Path, dataset: list[dict[str, Any]], shown: str) -> None:
    assert "no findings" in shown and "limit: $1.00" in shown
    assert len(rows(run / "seeds.jsonl")) == 6


def check_documents(run: Path, dataset: list[dict[str, Any]], shown: str) -> None:
    handbook = "\n".join(path.read_text() for path in (EXAMPLES / "documents" / "handbook").glob("*.md"))
    assert all(row["input"] in handbook for row in dataset)
    for row, origin in zip(dataset, rows(run / "provenance.jsonl"), strict=True):
        assert origin["quote"]["text"] in row["input"]


def check_several_teachers(run: Path, dataset: list[dict[str, Any]], shown: str) -> None:
    origins = rows(run / "provenance.jsonl")
    assert Counter(origin["topic"] for origin in origins) == {"cooking": 8, "repairs": 8, "letters": 4}
    assert {origin["proposed_by"]["teacher"] for origin in origins if "proposed_by" in origin} == {"strong"}
    assert Counter(origin["teacher"] for origin in origins).most_common(1)[0][0] == "cheap"


CHECKS = {"own_seeds": check_own_seeds, "documents": check_documents, "several_teachers": check_several_teachers}


@pytest.mark.slow
def test_the_notebook_runs_and_resumes(environment: FakeOpenAI, tmp_path: Path) -> None:
    folder = tmp_path / "my_notebook"
    folder.mkdir()
    shutil.copy(EXAMPLES / "notebook.ipynb", folder)
    shown = run_notebook(folder)
    assert shown["dataset"].startswith("<Dataset of 40 rows")
    assert "refusal" in shown["dataset.funnel"]
    assert "short_output" in shown["filtered.funnel"] and "short_output" not in shown["strict.funnel"]
    assert shown["table"].startswith("Dataset({")
    assert len(rows(folder / "runs" / "notebook" / "dataset.jsonl")) == 40  # building wrote nothing
    assert no_key_in(folder)
    assert run_notebook(folder) == shown
    assert set(environment.asked().values()) == {1}


def test_the_notebook_is_stored_without_outputs() -> None:
    notebook = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert code and all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert all(cell["metadata"] == {} for cell in notebook["cells"])
    assert set(notebook["metadata"]) == {"kernelspec", "language_info"}


def test_every_example_is_in_the_readme_and_has_a_test() -> None:
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    examples = {path.name for path in EXAMPLES.iterdir() if path.name not in ("README.md", ".ipynb_checkpoints", "runs")}
    assert {name for name in examples if f"({name}{'' if '.' in name else '/'})" not in readme} == set()
    assert examples == {*CHECKS, "notebook.ipynb"}
