"""The first signal ends a run in order within its grace, the second one ends it at once. No saved reply is lost."""

from __future__ import annotations

import json
import os
import re
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cli, command, derived, outcomes, rows
from fake_openai import FakeOpenAI


def start(directory: Path, teacher: FakeOpenAI, *flags: object, arrived: int = 4) -> subprocess.Popen[str]:
    """Start a run and return when it has sent some requests."""
    words = command("generate", directory, "--base-url", teacher.url, "--model", "m", *flags)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    while len(teacher.requests()) < arrived:
        assert process.poll() is None
        time.sleep(0.01)
    return process


@pytest.mark.slow
def test_calls_without_an_answer_are_given_up_after_the_grace(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    silent = start_teacher(faults="hang=1")
    process = start(tmp_path / "run", silent, "--num", 400, "--concurrency", 4, "--grace", 1)
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    assert "stopping: waiting up to 1 s for 4 replies in flight" in said
    assert "To resume: selfinstruct generate" in said
    faults = [line["cause"] for line in rows(tmp_path / "run" / "journal.jsonl") if line["kind"] == "fault"]
    assert faults == ["given_up"] * 4
    found = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    assert found["requests"]["lost"] == 4
    assert found["tokens"]["lost_at_most"] > 4 * 4096
    assert found["requests"]["in_flight"] == 0


@pytest.mark.slow
def test_the_second_signal_ends_at_once_and_the_resumed_run_gives_the_same_bytes(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    calm, slow = start_teacher(), start_teacher(latency=600)
    process = start(tmp_path / "run", slow, "--num", 200, "--concurrency", 4)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "stopping" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(1.1)  # two signals within a second are one
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)
    assert process.returncode == 130
    assert slow.requests() and not outcomes(tmp_path / "run"), "no reply came, so the second signal ended the run"
    assert cli("generate", tmp_path / "run", "--base-url", calm.url).returncode == 0
    assert cli("generate", tmp_path / "calm", "--base-url", calm.url, "--model", "m", "--num", 200).returncode == 0
    assert derived(tmp_path / "run") == derived(tmp_path / "calm")


@pytest.mark.slow
def test_calls_of_a_killed_process_count_as_lost(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    slow = start_teacher(latency=600)
    process = start(tmp_path / "run", slow, "--num", 200, "--concurrency", 3, arrived=3)
    during = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    assert (during["running"], during["requests"]["in_flight"], during["requests"]["lost"]) == (process.pid, 3, 0)
    assert "3 in flight" in cli("status", tmp_path / "run").stdout
    process.kill()
    process.communicate()
    after = json.loads(cli("status", tmp_path / "run", "--json").stdout)
    assert (after["running"], after["requests"]["in_flight"], after["requests"]["lost"]) == (None, 0, 3)
    found = cli("fsck", tmp_path / "run")
    assert found.returncode == 1
    assert re.search(r"3 calls \(.*\) without an outcome", found.stdout)


@pytest.mark.slow
def test_commands_that_write_are_refused_with_the_number_of_the_writing_process(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    slow = start_teacher(latency=600)
    process = start(tmp_path / "run", slow, "--num", 400, "--concurrency", 2, arrived=1)
    for words in (("generate", tmp_path / "run"), ("build", tmp_path / "run"), ("cancel", tmp_path / "run")):
        second = cli(*words)
        assert second.returncode == 1
        assert f"process {process.pid} is writing to this run" in second.stderr
        assert len(second.stderr.splitlines()) == 1, "nothing is announced before the lock is taken"
    checked = cli("fsck", tmp_path / "run")
    assert f"process {process.pid} is writing" in checked.stdout and "selfinstruct build" not in checked.stdout
    process.kill()
    process.communicate()


@pytest.mark.slow
@pytest.mark.parametrize("umask", [0o077, 0o022])
def test_files_follow_the_umask(umask: int, teacher: FakeOpenAI, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        assert cli("generate", tmp_path / "a" / "run", "--base-url", teacher.url, "--model", "m", "--num", 5).returncode == 0
    finally:
        os.umask(before)
    for path in (tmp_path / "a").rglob("*"):
        assert not stat.S_IMODE(path.stat().st_mode) & umask, path


@pytest.mark.slow
def test_a_run_that_gives_few_new_rows_warns_early_and_ends_as_saturated(teacher: FakeOpenAI, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text("[curate]\nleast_acceptance = 0.2\n")
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 100_000, "--rouge", 0.1, "--recipe", recipe)
    done = cli("generate", tmp_path / "run", *flags)
    assert done.returncode == 3, done.stderr
    assert "saturated: only " in done.stderr
    assert "of the latest candidates were accepted. Most were rejected by `rouge`" in done.stderr
    judged = [line["candidate"] for line in rows(tmp_path / "run" / "rejected.jsonl")]
    assert max(int(str(candidate).partition("#")[0]) for candidate in judged) == 99
    before = derived(tmp_path / "run")
    assert cli("build", tmp_path / "run").returncode == 0
    assert derived(tmp_path / "run") == before


@pytest.mark.slow
def test_fsck_reports_damage_and_changes_nothing(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli("generate", run, "--base-url", teacher.url, "--model", "m", "--num", 40).returncode == 0
    assert cli("fsck", run).stdout == "no findings\n"
    journal = (run / "journal.jsonl").read_bytes()
    reply = next(line for line in journal.splitlines() if b'"kind": "reply"' in line)
    (run / "journal.jsonl").write_bytes(journal + b'{"v": 1, "kind": "re\n' + reply + b"\n" + reply[:50])
    (run / "dataset.jsonl").write_bytes(b"{}\n")
    (run / "provenance.jsonl").unlink()
    (run / ".dataset.jsonl.new").touch()
    (run / "thesis.txt").touch()
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    found = cli("fsck", run)
    assert found.returncode == 1
    for what in (
        ": 1 torn line (",
        f"last line is incomplete ({len(reply[:50])} bytes)",
        ": 1 repeated key (",
        "dataset.jsonl: differs from what the journal gives",
        "provenance.jsonl: missing",
        ".dataset.jsonl.new: temporary file of a killed process",
        "thesis.txt: not a file of a run",
    ):
        assert what in found.stdout
    assert len(json.loads(cli("fsck", run, "--json").stdout)["findings"]) == 7
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    assert cli("fsck", tmp_path / "nowhere").returncode == 2
