"""The commands of scripts/demo, with three rows, and without its first part, which installs the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import ROOT, rows


@pytest.mark.slow
def test_the_demo_makes_rows_and_shows_two(tmp_path: Path) -> None:
    script = (ROOT / "scripts" / "demo").read_text()
    commands = script[script.index("selfinstruct generate") :]
    assert "--num 25" in commands
    shell = f"set -euo pipefail\ndirectory=runs/demo\n{commands.replace('--num 25', '--num 3')}"
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    command = ["bash", "-c", shell]
    done = subprocess.run(command, cwd=tmp_path, env=environment, check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(rows(tmp_path / "runs" / "demo" / "dataset.jsonl")) == 3
    assert done.stdout.count("instruction: ") == 2 and "Dataset: runs/demo/dataset.jsonl" in done.stdout
