"""The flags --with and --without, which set filters."""

from __future__ import annotations

import fcntl
import json
import shlex
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
        (("--with", "word_count:at_most"), "has no value after 'at_most'. Fix: write at_most=VALUE."),
        (("--with", "word_count:9"), "has no value after '9'. Fix: write NAME:option=value"),
        (("--with", "refusal", "--without", "refusal"), "--with and --without: both name 'refusal'. Fix: remove one"),
        (("--with", "word_count:at_most=true"), "at_most must be a whole number (got True)"),
    ],
)
def test_flags_that_cannot_be_used_are_refused_in_one_line(flags: tuple[str, ...], message: str, tmp_path: Path) -> None:
    done = cli("build", SAMPLE, "--out", tmp_path / "out", *flags)
    assert done.returncode == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_build_elsewhere_with_too_few_rows_says_how_to_get_more(tmp_path: Path) -> None:
    flags = ("--rouge", "0.5", "--with", 'unfit_for_text:words=["photo"]')
    done = cli("build", SAMPLE, "--out", tmp_path / "out", *flags)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    short = next(number for number, line in enumerate(lines) if " of 220 rows: " in line)
    assert "that is all that the saved replies give" in lines[short]
    to_request = lines.index(
        f"To request more replies, first replace the dataset in {SAMPLE} by this one, then resume the run:", short
    )
    assert lines[to_request + 1 : to_request + 3] == [
        f"  selfinstruct build {SAMPLE} --rouge 0.5 --with 'unfit_for_text:words=[\"photo\"]'",
        f"  selfinstruct generate {SAMPLE}",
    ]


@pytest.mark.slow
def test_the_hints_of_a_build_add_to_its_flags_and_leave_the_run_as_it_is(tmp_path: Path) -> None:
    run, out = tmp_path / "my run", tmp_path / "out"
    shutil.copytree(SAMPLE, run)
    before = {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()}
    done = cli("build", run, "--out", out, "--num", "100", "--rouge", "0.6", "--with", "truncated-output", "--without", "refusal")
    hint = next(line for line in done.stderr.splitlines() if line.startswith("  selfinstruct build ") and " --out " in line)
    assert hint == (
        f"  selfinstruct build '{run}' --num 100 --rouge 0.6 --without truncated_output --without refusal --out {out}-2"
    )
    assert cli(*shlex.split(hint)[1:]).returncode == 0
    assert json.loads((out.parent / "out-2" / "rejected.jsonl").read_text().split("\n")[0])["rule"] != "truncated_output"
    assert {path.name: path.read_bytes() for path in run.iterdir() if path.is_file()} == before


@pytest.mark.slow
def test_a_build_says_which_rows_came_and_went_and_if_more_are_accepted(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    with (run / "provenance.jsonl").open() as lines:
        before = [json.loads(line)["candidate"] for line in lines]
    same = cli("build", run)
    assert f"compared with the dataset in {run}: the same rows\n" in same.stderr and "raise --num" not in same.stderr
    fewer = cli("build", run, "--without", "truncated_output", "--num", "100")
    with (run / "provenance.jsonl").open() as lines:
        after = [json.loads(line)["candidate"] for line in lines]
    came, went = ([one for one in ids if one not in others] for ids, others in ((after, before), (before, after)))
    assert f"{len(came)} rows added ({', '.join(came[:5])}, ...), {len(went)} rows removed ({', '.join(went[:5])}" in fewer.stderr
    (run / "provenance.jsonl").unlink()
    first = cli("build", run)
    assert first.returncode == 0 and "compared with" not in first.stderr


def test_a_build_that_accepts_more_than_it_keeps_says_so(tmp_path: Path) -> None:
    path = tmp_path / "script.jsonl"
    tasks = "\n###\n".join(f"{n}. Instruction: Explain the number {n} to me\n{n}. Output: It is {n}." for n in (1, 2, 3))
    path.write_text(json.dumps({"key": "0", "text": tasks}) + "\n")
    flags = ("--teacher", "scripted", "--model", path, "--rouge", 1, "--num")
    assert cli("generate", tmp_path / "run", *flags, 3).returncode == 0
    assert (
        "at least 2 more candidates are accepted: raise --num to keep them\n" in cli("build", tmp_path / "run", "--num", 1).stderr
    )
    assert "at least 1 more candidate is accepted: raise --num to keep it\n" in cli("build", tmp_path / "run", "--num", 2).stderr


@pytest.mark.slow
def test_a_build_beside_a_running_run_tells_to_wait(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    with (run / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4711\n")
        lock.flush()
        done = cli("build", run, "--num", 400, "--out", tmp_path / "out")
    said = " ".join(done.stderr.split())
    assert "so far. Process 4711 is still requesting replies. Repeat this command when it ends." in said
    assert "selfinstruct generate" not in said


@pytest.mark.slow
def test_a_build_elsewhere_that_would_give_up_names_what_to_read_there(tmp_path: Path) -> None:
    done = cli("build", SAMPLE, "--out", tmp_path / "out", "--with", "word_count:at_most=4")
    assert f"check `selfinstruct show {tmp_path / 'out'} --rejected any`" in done.stderr
    assert "selfinstruct generate" not in done.stderr


def test_the_list_shows_the_options_of_filters() -> None:
    assert "at_most=150" in cli("list", COLUMNS="80").stdout


def test_a_missing_function_of_a_plugin_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from selfinstruct import plugins
    from selfinstruct.errors import PluginError
    from selfinstruct.filters import refusal

    monkeypatch.delattr(refusal, "refusal")
    with pytest.raises(PluginError, match=r"has no function 'refusal'\. Fix: give the function the name of its file"):
        plugins.find("filter", "refusal")
