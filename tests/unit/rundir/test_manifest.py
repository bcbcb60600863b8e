"""run.json: read back, and refused where it cannot be used."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from command_line import ROOT

from selfinstruct.errors import RecipeError, RunDirectoryError
from selfinstruct.rundir import manifest


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "sample")
    return tmp_path / "sample"


def change(path: Path, **values: Any) -> None:
    stored = json.loads((path / "run.json").read_text(encoding="utf-8"))
    (path / "run.json").write_text(json.dumps({**stored, **values}), encoding="utf-8")


def test_a_definition_is_written_as_it_was_read(sample: Path) -> None:
    before = (sample / "run.json").read_bytes()
    manifest.update(sample, manifest.read(sample))
    assert (sample / "run.json").read_bytes() == before


def test_another_format_is_refused_with_both_numbers(sample: Path) -> None:
    change(sample, version=1)
    with pytest.raises(
        RunDirectoryError, match=r"run\.json: was written by another version .*got format 1, this version reads 2"
    ):
        manifest.read(sample)


@pytest.mark.parametrize("values", [{"seeds": None}, {"generate": 5}, {"prompts": {}}, {"admission": {}}, {"digest": "0" * 64}])
def test_a_changed_run_json_is_refused_in_one_line(sample: Path, values: dict[str, Any]) -> None:
    change(sample, **values)
    with pytest.raises((RunDirectoryError, RecipeError)) as caught:
        manifest.read(sample)
    assert "\n" not in str(caught.value) and "Fix: " in str(caught.value)
