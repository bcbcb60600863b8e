"""The reliability programs pass with small sizes, and their checks can fail."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections import Counter
from contextlib import nullcontext
from pathlib import Path

import faults
import pytest
from faults import Sample
from harness import GrowingFile, Ledger, Violation
from kill import KilledRun
from torn import tear

from selfinstruct.journal.file import Journal

HERE = Path(__file__).parent
SMALL = {
    "kill": ("--kills", 6, "--rows", 60, "--concurrency", 8, "--latency", 0.05),
    "kill of two methods and two teachers": ("--mixed", "--kills", 8, "--rows", 120, "--concurrency", 8, "--latency", 0.1),
    "torn": ("--rows", 2, "--every", 29),
    "faults": ("--requests", 200, "--concurrency", 8),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_a_reliability_program_finds_that_all_properties_hold(name: str) -> None:
    words = [sys.executable, str(HERE / f"{name.partition(' ')[0]}.py"), *map(str, SMALL[name])]
    done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("all properties hold\n")


def line_of(kind: str, key: str = "1") -> dict[str, object]:
    return {"kind": kind, "key": key, "cause": "connection", "attempts": 1, "raw": {"id": f"x-0000000{key}"}}


@pytest.mark.parametrize(
    ("kinds", "problem"),
    [
        (("sent", "fault", "sent", "reply"), ""),
        (("sent", "failure"), ""),
        (("sent", "reply", "sent"), "1 was sent though its outcome was saved"),
        (("sent", "sent", "reply"), "1 was sent twice at a time"),
        (("sent", "fault", "reply"), "1 has a reply that ends no call"),
        (("sent", "reply", "sent", "reply"), "1 was sent though its outcome was saved, 1 has two outcomes"),
    ],
)
def test_a_journal_in_the_wrong_order_is_found(kinds: tuple[str, ...], problem: str) -> None:
    ledger = Ledger()
    for kind in kinds:
        ledger.add(line_of(kind))
    assert ", ".join(ledger.problems) == problem


def test_a_growing_file_gives_each_whole_line_once(tmp_path: Path) -> None:
    path, growing = tmp_path / "lines", GrowingFile(tmp_path / "lines")
    assert growing.new_lines() == []
    pieces = [b'{"a": 1}\n{"a"', b": 2}", b'\n{"a": 3', b"\n", b'{"a": 4}\n']
    found = []
    for piece in pieces:
        with path.open("ab") as file:
            file.write(piece)
        found.append([line["a"] for line in growing.new_lines()])
    assert found == [[1], [2], [], [], [4]]
    assert growing.torn == 1


def test_a_journal_that_is_truncated_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut_back(journal: Journal) -> None:
        content = journal.path.read_bytes()
        os.truncate(journal.path, content.rfind(b"\n") + 1)

    monkeypatch.setattr(Journal, "_seal", cut_back)
    with pytest.raises(Violation, match=r"the remaining journal was changed|saved, but asked again"):
        tear(tmp_path, rows=1, every=10_000)


def test_a_journal_that_is_not_sealed_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "_seal", lambda journal: None)
    with pytest.raises((Violation, ValueError)):
        tear(tmp_path, rows=1, every=10_000)


def test_a_request_that_is_sent_again_after_a_kill_is_found(tmp_path: Path) -> None:
    class Server:
        log = tmp_path / "log.jsonl"

    (tmp_path / "run").mkdir()
    run = KilledRun(tmp_path / "run", Server, [], random.Random(0))  # type: ignore[arg-type]
    (tmp_path / "run" / "journal.jsonl").write_text(
        "".join(f"{line}\n" for line in map(json.dumps, (line_of("sent"), line_of("reply"))))
    )
    Server.log.write_text('{"mark": "00000001aa"}\n')
    run.read_logs()
    run.check()
    Server.log.write_text('{"mark": "00000001aa"}\n{"mark": "00000001aa"}\n')
    run.read_logs()
    with pytest.raises(Violation, match="2 requests arrived, but only 1 are saved"):
        run.check()
    run.in_flight = 1
    with pytest.raises(Violation, match="asked again after it"):
        run.check()


SEEN = {"reply": 500, "connection": 4, "rate_limit": 9, "timeout": 1}


@pytest.mark.parametrize(
    ("noted", "problem"),
    [
        ({}, ""),
        ({"connection": 6}, ""),  # two calls that never reached the server
        ({"timeout": 3, "reply": 498}, ""),  # two answers that came too late
        ({"connection": 5, "rate_limit": 8}, "connection: 5 in the journal, 4 at the server"),
        ({"http_500": 1, "rate_limit": 8}, "in the journal"),
        ({"reply": 499}, "-1 calls are unknown"),
        ({"reply": 510}, "10 calls are unknown"),
        ({"timeout": 21, "reply": 480}, "a longer --timeout"),
        ({"timeout": 0, "connection": 5}, "a longer --timeout"),
    ],
)
def test_calls_on_which_journal_and_server_disagree_are_found(noted: dict[str, int], problem: str) -> None:
    with pytest.raises(Violation, match=problem) if problem else nullcontext():
        faults.check_counts(Counter({**SEEN, **noted}), Counter(SEEN))


def test_memory_that_grows_without_a_reason_is_found() -> None:
    samples = [Sample(number, 50_000_000 + 9_000 * number) for number in range(10_000)]
    faults.check_growth(samples, 4_000, 10_000, each=7_000)
    with pytest.raises(Violation, match="more than the requests explain"):
        faults.check_growth(samples, 4_000, 10_000, each=6_000)


@pytest.mark.slow
def test_a_batch_run_that_is_killed_at_some_calls_loses_and_doubles_nothing() -> None:
    script = [sys.executable, str(HERE / "batch.py")]
    sizes = ["--rows", "12", "--rounds-rows", "0", "--random", "0", "--first", "2", "--every", "100"]
    done = subprocess.run([*script, *sizes], check=False, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " 0 violations" in done.stdout
