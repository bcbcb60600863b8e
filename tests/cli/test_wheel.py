"""The package as users get it: a wheel, built here, installed into a clean environment, used from there."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from command_line import ROOT, rows
from fake_openai import FakeOpenAI

PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
SOURCES = ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "selfinstruct", "seeds", "prompts")


def wheel_of(directory: Path, **variables: str) -> Path:
    """A wheel made from a copy of the sources, so that nothing is left among them and nothing old gets in."""
    copied = directory / "sources"
    copied.mkdir(parents=True)
    for name in SOURCES:
        path = ROOT / name
        if path.is_dir():
            shutil.copytree(path, copied / name, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(path, copied)
    command: list[str | Path] = [*PIP, "wheel", "--no-deps", "--wheel-dir", directory, copied]
    subprocess.run(command, check=True, env={**os.environ, **variables})
    (wheel,) = directory.glob("selfinstruct-*.whl")
    return wheel


@pytest.mark.slow
def test_without_a_c_compiler_the_package_installs_and_decides_the_same(tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path / "made", CC="/bin/false")
    with zipfile.ZipFile(wheel) as packed:
        assert not [name for name in packed.namelist() if name.endswith(".so")]
        packed.extractall(tmp_path / "installed")
    lines = "".join(json.dumps({"instruction": text}) + "\n" for text in ("Name a river.", "Name a river!", "Sing."))
    (tmp_path / "in.jsonl").write_text(lines)
    code = (
        "import sys, selfinstruct as si\nfrom selfinstruct.dedup.deduplicate import dedup\n"
        "from selfinstruct.errors import UserMistake\n"
        "done = dedup([sys.argv[1]], sys.argv[2]); print(si.RougeIndex().engine, done.kept)\n"
        "try: si.RougeIndex(engine='compiled')\n"
        "except UserMistake as error: print(error)\n"
    )
    elsewhere = {**os.environ, "PYTHONPATH": str(tmp_path / "installed")}
    command: list[str | Path] = [sys.executable, "-c", code, tmp_path / "in.jsonl", tmp_path / "out"]
    done = subprocess.run(command, cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False)
    assert done.stdout.startswith("portable 2\nRougeIndex: the compiled engine was not built. Fix: install"), (
        done.stdout + done.stderr
    )


@pytest.mark.slow
def test_the_wheel_ships_kernel_seeds_and_prompts_and_generates(teacher: FakeOpenAI, tmp_path: Path) -> None:
    wheel = wheel_of(tmp_path / "made")
    names = zipfile.ZipFile(wheel).namelist()
    assert [name for name in names if name.startswith("selfinstruct/rouge/_kernel") and name.endswith(".so")]
    for folder in ("seeds", "prompts"):
        for path in (ROOT / folder).iterdir():
            assert f"selfinstruct/bundled/{folder}/{path.name}" in names
    assert "selfinstruct/py.typed" in names
    assert not [name for name in names if name.startswith(("tests", "data", "scripts"))]

    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    constraints = ROOT / "constraints.txt"
    subprocess.run([python, *PIP[1:], "install", "-c", constraints, wheel], check=True)
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    program = tmp_path / "clean" / "bin" / "selfinstruct"
    command: list[str | Path] = [program, "generate", "run", "--base-url", teacher.url, "--model", "m"]
    done = subprocess.run([*command, "--num", "30"], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 30
    assert len(rows(tmp_path / "run" / "seeds.jsonl")) >= 200
    code = "import selfinstruct; print(selfinstruct.RougeIndex().engine)"
    engine = subprocess.run([python, "-c", code], cwd=tmp_path, env=elsewhere, capture_output=True, text=True, check=False)
    assert engine.stdout == "compiled\n", engine.stderr
    extra = subprocess.run(
        [program, "generate", "local", "--teacher", "local"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert extra.returncode == 2
    assert "pip install 'selfinstruct[local]'" in extra.stderr
    assert not (tmp_path / "local").exists()
