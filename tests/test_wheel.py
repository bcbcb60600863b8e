"""The package as users get it: a wheel, built here, installed into a clean environment, used from there."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

from conftest import HERE, Teacher, rows


def test_the_wheel_ships_seeds_and_prompts_and_generates(teacher: Teacher, tmp_path: Path) -> None:
    pip = (sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet")
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", tmp_path, HERE.parent], check=True)
    (wheel,) = tmp_path.glob("selfinstruct-*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    for folder in ("seeds", "prompts"):
        for path in (HERE.parent / folder).iterdir():
            assert f"selfinstruct/bundled/{folder}/{path.name}" in names
    assert not [name for name in names if name.startswith(("tests", "data", "scripts"))]

    venv.create(tmp_path / "clean", with_pip=True)
    python = tmp_path / "clean" / "bin" / "python"
    constraints = HERE.parent / "constraints.txt"
    subprocess.run([python, *pip[1:], "install", "-c", constraints, wheel], check=True)
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [tmp_path / "clean" / "bin" / "selfinstruct", "generate", "run", "--base-url", teacher.url, "--model", "m"]
    done = subprocess.run([*command, "--num", "30"], cwd=tmp_path, env=elsewhere, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 30
    assert len(rows(tmp_path / "run" / "seeds.jsonl")) >= 200
    extra = subprocess.run([command[0], "generate", "local", "--teacher", "local"], cwd=tmp_path, capture_output=True, text=True)
    assert extra.returncode == 2
    assert "pip install 'selfinstruct[local]'" in extra.stderr
    assert not (tmp_path / "local").exists()
