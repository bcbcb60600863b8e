"""The sample in data/: a real run of the embedded teacher that every later version must still build to the same bytes."""

from __future__ import annotations

import shutil
from pathlib import Path

from command_line import ROOT, cli, derived, rows

SAMPLE = ROOT / "data" / "sample"


def test_the_sample_is_whole_and_small() -> None:
    assert len(rows(SAMPLE / "dataset.jsonl")) >= 200
    assert len(rows(SAMPLE / "provenance.jsonl")) == len(rows(SAMPLE / "dataset.jsonl"))
    assert sum(path.stat().st_size for path in SAMPLE.iterdir()) < 4_000_000
    assert {"SmolLM2" in str(row["model"]) for row in rows(SAMPLE / "provenance.jsonl")} == {True}


def test_the_sample_still_builds_to_the_same_bytes(tmp_path: Path) -> None:
    shutil.copytree(SAMPLE, tmp_path / "sample")
    before = derived(tmp_path / "sample")
    for name in before:
        (tmp_path / "sample" / name).unlink()
    done = cli("build", tmp_path / "sample")
    assert done.returncode == 0, done.stderr
    assert derived(tmp_path / "sample") == before
