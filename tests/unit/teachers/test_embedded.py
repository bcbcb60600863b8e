"""Each method gives a row with the real embedded model, and a rebuild gives the same files."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import cli, derived, outcomes, rows

import selfinstruct as si

PASSAGE = "A hive is opened on a warm day. A beekeeper gives two puffs of smoke and waits a minute. The queen lays eggs in May.\n"


@pytest.mark.slow
@pytest.mark.parametrize("recipe", ["alpaca", "self-instruct", "evol", "magpie", "documents"])
def test_a_recipe_gives_a_row_with_the_embedded_teacher(recipe: str, tmp_path: Path) -> None:
    (tmp_path / "bees.txt").write_text(PASSAGE)
    more = ("--documents", tmp_path / "bees.txt") if recipe == "documents" else ()
    done = cli("generate", tmp_path / "run", "--recipe", recipe, "--teacher", "local", "--num", 1, "--max-tokens", 60_000, *more)
    assert done.returncode == 0, done.stderr
    (row,) = rows(tmp_path / "run" / "dataset.jsonl")
    assert len(str(row["instruction"]).split()) > 2 and row["output"]
    (origin,) = rows(tmp_path / "run" / "provenance.jsonl")
    assert origin["model"] == "SmolLM2-135M-Instruct" and origin["usage"]
    assert origin["request_key"] in {line["key"] for line in outcomes(tmp_path / "run")}
    assert si.Run(tmp_path / "run").files() == derived(tmp_path / "run")
