"""Small versions of the two scripts that hold a run's limits against real servers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent


def ran(script: str, *flags: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / script), *map(str, flags)], capture_output=True, text=True, timeout=120, check=False
    )


def test_a_limit_that_is_only_told_by_refusals_is_found() -> None:
    flags = ("--seconds", 7, "--settling", 4, "--cases", "bare", "--used", 0.4, "--refused", 0.5, "--concurrency", 12)
    done = ran("limits.py", *flags)  # wide bounds, for the machine may be busy; unheeded, nine in ten are refused
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_limit_on_money_is_ever_passed() -> None:
    done = ran("money.py", "--settings", 4, "--seed", 290, "--largest", 5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 settings" in done.stdout
    assert " 0 violations" in done.stdout
