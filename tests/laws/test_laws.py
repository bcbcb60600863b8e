"""The laws of the design, each against a real server in its own process."""

from __future__ import annotations

import json
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cli, command, derived, outcomes, rows
from fake_openai import FakeOpenAI

from selfinstruct import plugins

METHODS = {
    "alpaca": ("--method", "alpaca"),
    "alpaca as completions": ("--method", "alpaca", "--api", "completions"),
    "alpaca as JSON": ("--method", "alpaca", "--prompt", "alpaca-json"),
    "few_shot": ("--method", "few_shot"),
    "magpie": ("--method", "magpie", "--recipe", "seeded.toml"),
    "alternating": ("--method", "alternating", "--recipe", "seeded.toml"),
}


def generate(directory: Path, teacher: FakeOpenAI, *flags: object, model: str = "m") -> subprocess.CompletedProcess[str]:
    return cli("generate", directory, "--base-url", teacher.url, "--model", model, *flags)


@pytest.mark.slow
@pytest.mark.parametrize("flags", METHODS.values(), ids=METHODS)
def test_law_1_and_2_a_rebuild_and_any_concurrency_give_the_same_bytes(
    flags: tuple[str, ...], start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    teacher = start_teacher(latency=0.02)
    results = []
    (tmp_path / "seeded.toml").write_text("generate.send_seed = true\n")  # an empty user turn is always the same prompt
    flags = tuple(str(tmp_path / flag) if flag.endswith(".toml") else flag for flag in flags)
    for concurrency in (1, 7, 50):
        directory = tmp_path / str(concurrency)
        done = generate(directory, teacher, "--num", 60, "--concurrency", concurrency, *flags)
        assert done.returncode == 0, done.stderr
        results.append(derived(directory))
        for name in results[-1]:
            (directory / name).unlink()
        assert cli("build", directory).returncode == 0
        assert derived(directory) == results[-1]
    assert results[0] == results[1] == results[2]
    assert len(rows(tmp_path / "7" / "dataset.jsonl")) == 60


@pytest.mark.slow
def test_law_1_holds_for_a_directory_moved_elsewhere(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "here", teacher, "--num", 40).returncode == 0
    shutil.move(tmp_path / "here", tmp_path / "elsewhere")
    before = derived(tmp_path / "elsewhere")
    for name in before:
        (tmp_path / "elsewhere" / name).unlink()
    assert cli("build", tmp_path / "elsewhere").returncode == 0
    assert derived(tmp_path / "elsewhere") == before


@pytest.mark.slow
def test_law_3_a_thousand_rows_survive_sigkill_without_asking_again(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    concurrency, kills, rng = 6, 5, random.Random(7)
    calm = start_teacher()
    rough = start_teacher(latency=0.15, stall=[rng.randint(4, 9) for _ in range(kills)])
    assert generate(tmp_path / "calm", calm, "--num", 1000).returncode == 0
    url = ("--base-url", rough.url, "--model", "m", "--num", 1000, "--concurrency", concurrency)
    for killed in range(kills):
        process = subprocess.Popen(command("generate", tmp_path / "rough", *url), stderr=subprocess.DEVNULL)
        while rough.stalls() <= killed:  # then the server holds all further requests
            assert process.poll() is None, "the run ended before it could be killed"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    done = cli("generate", tmp_path / "rough", *url)
    assert done.returncode == 0, done.stderr
    # The server of the other run has another port, which is part of [generate] but of no derived file.
    assert derived(tmp_path / "rough") == derived(tmp_path / "calm")
    assert len(rows(tmp_path / "rough" / "dataset.jsonl")) == 1000
    lines = map(json.loads, whole_lines(tmp_path / "rough" / "journal.jsonl"))
    keys = Counter(line["key"] for line in lines if line["kind"] == "reply")
    assert set(keys.values()) == {1}, "a request whose reply was saved was asked again"
    assert sum(rough.asked().values()) <= len(keys) + kills * concurrency


def whole_lines(path: Path) -> list[bytes]:
    """Return the lines of a journal that hold JSON. A line that a kill tore is skipped."""
    found = []
    for line in path.read_bytes().splitlines():
        try:
            json.loads(line)
        except ValueError:
            continue
        found.append(line)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("model", ["m", "short", "refuses-some", "faulty"])
def test_law_4_every_candidate_has_one_decision(model: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    done = generate(tmp_path / "run", teacher, "--num", 150, model=model)
    assert done.returncode == 0, done.stderr
    notation = plugins.find("notation", "numbered")()
    kept = [row["candidate"] for row in rows(tmp_path / "run" / "provenance.jsonl")]
    dropped = [row["candidate"] for row in rows(tmp_path / "run" / "rejected.jsonl")]
    last = max(int(str(candidate).partition("#")[0]) for candidate in kept)
    expected = []
    for entry in outcomes(tmp_path / "run"):
        if int(str(entry["key"])) <= last:
            count = len(notation.parse(entry["text"], entry["finish_reason"])) if entry["kind"] == "reply" else 1
            expected += [f"{entry['key']}#{position}" for position in range(count)]
    assert sorted(kept + dropped) == sorted(expected)
    assert len(kept) == 150


@pytest.mark.slow
def test_law_7_runtime_never_changes_the_rows(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "one", teacher, "--num", 80).returncode == 0
    flags = ("--num", 80, "--concurrency", 3, "--timeout", 7, "--patience", 9)
    limited = generate(tmp_path / "two", teacher, *flags, "--max-requests", 2)
    assert limited.returncode == 3
    assert "limit of 2 requests" in limited.stderr
    assert sum(teacher.asked().values()) == len(outcomes(tmp_path / "one")) + 2
    assert generate(tmp_path / "two", teacher, *flags, "--max-requests", 100).returncode == 0
    assert derived(tmp_path / "one") == derived(tmp_path / "two")


@pytest.mark.slow
def test_other_filters_ask_for_nothing_and_give_the_rows_of_a_run_that_had_them_from_the_start(
    teacher: FakeOpenAI, tmp_path: Path
) -> None:
    assert generate(tmp_path / "run", teacher, "--num", 60).returncode == 0
    asked = sum(teacher.asked().values())
    built = cli("build", tmp_path / "run", "--rouge", 0.3, "--without", "refusal", "--out", tmp_path / "other")
    assert built.returncode == 0, built.stderr
    assert sum(teacher.asked().values()) == asked
    assert generate(tmp_path / "fresh", teacher, "--num", 60, "--rouge", 0.3, "--without", "refusal").returncode == 0
    fresh = [row["instruction"] for row in rows(tmp_path / "fresh" / "dataset.jsonl")]
    other = [row["instruction"] for row in rows(tmp_path / "other" / "dataset.jsonl")]
    assert other == fresh[: len(other)]
    assert len(other) >= 50
