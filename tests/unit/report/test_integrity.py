"""`fsck` as a function: each kind of damage gives one problem, and nothing is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import selfinstruct as si
from selfinstruct.errors import UserMistake
from selfinstruct.journal.events import Sent
from selfinstruct.report.integrity import fsck

NewRun = Callable[..., si.Run]


def replies(journal: Path) -> list[bytes]:
    return [line for line in journal.read_bytes().splitlines(keepends=True) if b'"kind": "reply"' in line]


def append(path: Path, content: bytes) -> None:
    path.write_bytes(path.read_bytes() + content)


def test_a_run_without_damage_has_no_problems(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    assert fsck(run.path) == []
    assert fsck(str(run.path)) == []


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a foreign file": (lambda run: (run / "thesis.txt").touch(), "/thesis.txt: not a file of a run. Fix: move it elsewhere."),
    "a temporary file": (
        lambda run: (run / ".dataset.jsonl.new").touch(),
        "/.dataset.jsonl.new: temporary file of a killed process. Fix: remove it.",
    ),
    "a missing file": (lambda run: (run / "README.md").unlink(), "/README.md: missing. Fix: run `selfinstruct build {run}`."),
    "a changed file": (
        lambda run: append(run / "dataset.jsonl", b"{}\n"),
        "/dataset.jsonl: differs from what the journal gives. Fix: run `selfinstruct build {run}`.",
    ),
    "torn lines": (
        lambda run: append(run / "journal.jsonl", b'{"v": 1, "ki\n{"v\n'),
        "/journal.jsonl: 2 torn lines (5, 6), left by a crash and ignored. No action needed.",
    ),
    "an incomplete line": (
        lambda run: append(run / "journal.jsonl", b'{"v": 1, "ki'),
        "/journal.jsonl: last line is incomplete (12 bytes). Fix: resume with `selfinstruct generate {run}`.",
    ),
    "a repeated key": (
        lambda run: append(run / "journal.jsonl", replies(run / "journal.jsonl")[0]),
        "/journal.jsonl: 1 repeated key (0), the first reply counts. No action needed.",
    ),
    "an unknown line": (
        lambda run: append(run / "journal.jsonl", b'{"v": 1, "kind": "song"}\n'),
        "/journal.jsonl: 1 line of an unknown kind. Fix: install the version of this package that wrote them.",
    ),
    "an open call": (
        lambda run: append(run / "journal.jsonl", Sent("7", None, 0.0).as_line()),
        "/journal.jsonl: 1 call (7) without an outcome, perhaps billed. No action needed.",
    ),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_found_and_left_as_it_is(kind: str, new_run: NewRun) -> None:
    damage, problem = DAMAGES[kind]
    run = new_run()
    run.generate()
    damage(run.path)
    before = {path.name: path.read_bytes() for path in run.path.iterdir()}
    assert fsck(run.path) == [f"{run.path}{problem.format(run=run.path)}"]
    assert {path.name: path.read_bytes() for path in run.path.iterdir()} == before


def test_a_missing_journal_is_found(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    (run.path / "journal.jsonl").unlink()
    assert fsck(run.path) == [f"{run.path}/journal.jsonl: missing, and all replies with it. Fix: put it back from a copy."]


def test_a_running_run_is_named_as_such(new_run: NewRun) -> None:
    run = new_run()
    problems: list[str] = []
    run.generate(lambda dataset, ask: problems.extend(fsck(run.path)))
    assert all("is writing, so the derived files cannot be checked now. Fix: check again" in problem for problem in problems)
    assert problems


def test_only_the_first_keys_are_named(new_run: NewRun) -> None:
    run = new_run(num=21)
    run.generate()
    append(run.path / "journal.jsonl", b"".join(replies(run.path / "journal.jsonl")))
    assert fsck(run.path) == [
        f"{run.path}/journal.jsonl: 7 repeated keys (0, 1, 2, 3, 4, ...), the first reply counts. No action needed."
    ]


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="has no run"):
        fsck(tmp_path)
