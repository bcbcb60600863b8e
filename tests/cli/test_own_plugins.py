"""Plugins of the user's own on the command line: found and checked before anything is saved or paid."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import ROOT, cli
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.errors import PluginError, UserMistake

SAMPLE = ROOT / "data" / "sample"
MODULE = """
class NoArguments:
    def __init__(self):
        pass

def fine(example, context, *, at_most=3, word="x"):
    return None

def no_default(example, context, limit):
    return None

async def two_parameters(turn, ask):
    return []

def shard(rows, files, *, shard=25, name="part"):
    files.open(f"{name}.txt").write(b"".join(b"row" for row in rows))

def required(rows, files, *, shard):
    files.open("x")
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "own_rules.py").write_text(MODULE)
    return tmp_path


def test_a_refused_command_does_not_change_the_settings_of_the_run(teacher: FakeOpenAI, place: Path) -> None:
    run, module = place / "run", place / "own_rules.py"
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 10, "--with", "own_rules:fine")
    assert cli("generate", run, *flags, PYTHONPATH=f"{ROOT}:{place}").returncode == 0
    before = (run / "run.json").read_bytes()
    module.unlink()
    refused = cli("generate", run, "--num", 20, "--rouge", 0.5, PYTHONPATH=f"{ROOT}:{place}")
    assert refused.returncode == 2 and "'own_rules' cannot be imported" in refused.stderr
    assert (run / "run.json").read_bytes() == before
    values = json.loads(before)
    assert (values["curate"]["num"], values["curate"]["rouge"]) == (10, 0.7)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--with", "own_rules:no_default"), "'limit' has no default. Fix: write limit=VALUE in its signature"),
        (("--method", "own_rules:two_parameters"), "must accept (turn, ask, context). Fix: change its signature."),
        (("--teacher", "own_rules:NoArguments"), "must accept (generate, timeout). Fix: change its signature."),
        (("--with", "own_rules:fine:at_most"), "Fix: write at_most=VALUE."),
        (("--with", "own_rules:fine:at_most=1.5"), "at_most must be a whole number (got 1.5)"),
        (("--with", "own_rules:fien"), "has no 'fien'. Fix: write own_rules:fine."),
    ],
)
def test_a_plugin_that_cannot_work_is_refused_before_anything_is_paid(
    flags: tuple[str, ...], message: str, teacher: FakeOpenAI, place: Path
) -> None:
    address = () if "--teacher" in flags else ("--base-url", teacher.url)
    done = cli("generate", place / "run", *address, "--model", "m", *flags, PYTHONPATH=f"{ROOT}:{place}")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1) and message in done.stderr
    assert not teacher.requests() and not (place / "run" / "run.json").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--to", "own_rules:shard", "--option", "shard=1.5"), "shard must be a whole number (got 1.5)"),
        (("--to", "own_rules:required"), "'shard' has no default"),
    ],
)
def test_an_export_that_cannot_work_is_refused(words: tuple[str, ...], message: str, place: Path) -> None:
    done = cli("export", SAMPLE, *words, "--out", place / "out", PYTHONPATH=f"{ROOT}:{place}")
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1) and message in done.stderr


def test_an_option_with_a_text_as_its_default_stays_a_text(place: Path) -> None:
    words = ("--to", "own_rules:shard", "--option", "name=true", "--out", place / "out")
    assert cli("export", SAMPLE, *words, PYTHONPATH=f"{ROOT}:{place}").returncode == 0
    assert [file.name for file in (place / "out").iterdir()] == ["true.txt"]


def test_an_object_that_is_not_a_teacher_is_refused_with_the_way_out(tmp_path: Path) -> None:
    function, other = lambda key, request: "text", object()
    with pytest.raises(UserMistake, match=r"Fix: pass selfinstruct\.Scripted\(function\)"):
        si.Run(tmp_path / "run", teacher=function)  # type: ignore[arg-type]
    with pytest.raises(PluginError, match="teacher: has no `reply`"):
        si.Run(tmp_path / "run", teacher=other)  # type: ignore[arg-type]
