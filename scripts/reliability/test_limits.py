"""The programs for rate limits and for limits on money pass with small sizes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


def ran(script: str, *flags: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(HERE / script), *map(str, flags)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.mark.slow
def test_a_rate_limit_that_only_refusals_show_is_found() -> None:
    # A low rate and wide bounds, so that a busy machine passes. A run that ignored the limit would have 90 % refused.
    flags = (
        "--seconds",
        7,
        "--settling",
        4,
        "--cases",
        "bare",
        "--used",
        0.4,
        "--refused",
        0.5,
        "--concurrency",
        12,
        "--rate",
        240,
    )
    done = ran("limits.py", *flags)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_no_limit_on_money_is_exceeded() -> None:
    done = ran("money.py", "--settings", 4, "--seed", 290, "--largest", 5)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 settings" in done.stdout
    assert " 0 violations" in done.stdout
