"""The flags --with and --without, which set filters."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import ROOT, cli

SAMPLE = ROOT / "data" / "sample"


def test_options_are_numbers_texts_and_lists_and_a_repeated_flag_adds_to_them(tmp_path: Path) -> None:
    flags = (
        "--with",
        'unfit_for_text:words=["photo","map"]',
        "--with",
        "word_count:at_most=9",
        "--with",
        "word_count:more_than=2",
    )
    shutil.copytree(SAMPLE, tmp_path / "run")
    done = cli("build", tmp_path / "run", *flags, "--without", "refusal")
    assert done.returncode == 0, done.stderr
    stored = json.loads((tmp_path / "run" / "run.json").read_text())["curate"]["filters"]
    assert stored["unfit_for_text"] == {"words": ["photo", "map"]}
    assert (stored["word_count"], stored["refusal"]) == ({"at_most": 9, "more_than": 2}, False)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--with", "word_count:at_most"), "--with word_count:at_most: is not understood. Fix: write NAME:option=value"),
        (("--with", "word_count:9"), "--with word_count:9: is not understood"),
        (("--with", "refusal", "--without", "refusal"), "--with and --without: both name 'refusal'. Fix: remove one"),
        (("--with", "word_count:at_most=true"), "at_most must be a number (got True)"),
    ],
)
def test_flags_that_cannot_be_used_are_refused_in_one_line(flags: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = cli("build", SAMPLE, "--out", tmp_path / "out", *flags)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_build_elsewhere_with_too_few_rows_says_how_to_get_more(tmp_path: Path) -> None:
    done = cli("build", SAMPLE, "--out", tmp_path / "out", "--rouge", "0.1")
    assert done.returncode == 0 and "Fix: repeat this command without --out, then run" in done.stderr


def test_the_list_shows_the_options_of_filters() -> None:
    assert "at_most=150" in cli("list", COLUMNS="80").stdout


def test_a_missing_function_of_a_plugin_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfinstruct import plugins
    from selfinstruct.errors import PluginError
    from selfinstruct.filters import refusal

    monkeypatch.delattr(refusal, "refusal")
    with pytest.raises(PluginError, match=r"has no function 'refusal'\. Fix: give the function the name of its file"):
        plugins.find("filter", "refusal")
