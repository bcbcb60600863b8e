"""The journal on a real disk: its lock, cut lines, unknown lines, and a full disk."""

from __future__ import annotations

import asyncio
import json
import resource
import subprocess
from pathlib import Path

import pytest
from command_line import cli, command, derived, outcomes
from fake_openai import FakeOpenAI

from selfinstruct.errors import JournalError, RunLocked
from selfinstruct.journal.events import Entry, Fault, Sent
from selfinstruct.journal.file import Journal
from selfinstruct.journal.totals import Counts
from selfinstruct.records import Failure, Reply, Usage


def entry(key: str, text: str = "text") -> Entry:
    return Entry(key, "digest", Reply(text, "stop", "m", Usage(1, 2), "host", 3, {"id": 4}), {"temperature": 1.0}, 0.5, 2, 9.0)


def filled(path: Path, *keys: str) -> Path:
    with Journal.writing(path) as journal:
        for key in keys:
            journal.append(entry(key))
        asyncio.run(journal.saved())
    return path


def test_appended_lines_are_read_back(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    odd = "línea\nwith \u2028 and a lone \ud800 surrogate"
    with Journal.writing(path) as journal:
        journal.append(entry("0", odd))
        journal.append(Entry("1", "d", Failure("refused", "no", 400), {}))
        assert journal.get("0") == entry("0", odd)
    with Journal.reading(path) as journal:
        assert journal.get("0") == entry("0", odd)
        failure = journal.get("1")
        assert failure is not None
        assert failure.outcome == Failure("refused", "no", 400)
        assert journal.get("2") is None
        assert (journal.counts.replies, journal.counts.failures, journal.counts.retries) == (1, {"refused": 1}, 1)
        assert journal.counts.usage == Usage(1, 2)


def test_a_line_without_its_newline_is_recovered_and_a_torn_line_is_closed(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "0", "1")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    with Journal.writing(path) as journal:
        assert "1" in journal
        assert journal.counts.torn == 0
    assert path.read_bytes() == whole
    path.write_bytes(whole[:-5])
    with Journal.writing(path) as journal:
        assert "1" not in journal
        assert journal.counts.torn == 1
        journal.append(entry("1"))
        assert journal.get("1") == entry("1")
    with Journal.reading(path) as journal:
        assert (len(journal), journal.counts.torn) == (2, 1)
        assert journal.get("1") == entry("1")


def test_unknown_kinds_are_skipped_other_versions_refused_and_the_first_outcome_counts(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "0")
    with path.open("a") as file:
        file.write('{"v": 1, "kind": "weather", "key": "1"}\n')
        file.write(entry("0", "later").as_line().decode())
        file.write('[1]\n"x"\n{"v": 1, "kind": "reply", "key": "2"}\n')
    with Journal.reading(path) as journal:
        assert (journal.counts.unknown, journal.counts.duplicates, journal.counts.torn) == (1, 1, 3)
        assert journal.get("0") == entry("0")
    with path.open("a") as file:
        file.write('{"v": 2, "kind": "reply", "key": "1"}\n')
    with pytest.raises(JournalError, match=r"journal\.jsonl:7: was written by another version"):
        Journal.reading(path)


def test_a_reader_sees_only_whole_lines(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "0")
    with path.open("ab") as file:
        file.write(entry("1").as_line()[:-9])
    before = path.read_bytes()
    with Journal.reading(path) as journal:
        assert (len(journal), journal.counts.torn) == (1, 0)
    assert path.read_bytes() == before


@pytest.mark.slow
def test_a_build_reads_a_line_without_its_newline(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli("generate", run, "--base-url", teacher.url, "--model", "m", "--num", 30).returncode == 0
    before = derived(run)
    journal = run / "journal.jsonl"
    journal.write_bytes(journal.read_bytes()[:-1])
    assert cli("build", run).returncode == 0
    assert derived(run) == before


def test_only_one_process_writes(tmp_path: Path) -> None:
    path = filled(tmp_path / "journal.jsonl", "0")
    with Journal.writing(path), pytest.raises(RunLocked, match=r"process \d+ is writing"):
        Journal.writing(path)
    Journal.writing(path).close()


def test_many_appends_share_few_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    synced: list[int] = []
    real = os.fsync

    def noted(file: int) -> None:
        synced.append(file)
        real(file)

    monkeypatch.setattr(os, "fsync", noted)

    async def many(journal: Journal) -> None:
        async def one(number: int) -> None:
            journal.append(entry(str(number)))
            await journal.saved()

        await asyncio.gather(*(one(number) for number in range(200)))

    with Journal.writing(tmp_path / "journal.jsonl") as journal:
        synced.clear()
        asyncio.run(many(journal))
        assert journal._synced == journal._end
    assert 1 <= len(synced) <= 20


@pytest.mark.slow
def test_a_second_process_is_refused_with_the_number_of_the_first(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with Journal.writing(_made(run) / "journal.jsonl"):
        done = cli("generate", run, "--base-url", teacher.url, "--model", "m")
    assert done.returncode == 1
    assert "is writing to this run" in done.stderr
    assert sum(teacher.asked().values()) == 0


def _made(path: Path) -> Path:
    path.mkdir()
    return path


@pytest.mark.slow
def test_a_full_disk_loses_nothing_and_the_run_resumes_later(teacher: FakeOpenAI, tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.jsonl"  # small, so that only the journal grows too large
    words = ("one river", "two rivers in the north", "all colours of the rainbow", "a bread that rises")
    seeds.write_text("".join(json.dumps({"instruction": f"Name {text}.", "output": "Yes."}) + "\n" for text in words))
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 300, "--concurrency", 4, "--seeds", seeds)
    assert cli("generate", tmp_path / "calm", *flags).returncode == 0
    full = subprocess.run(
        command("generate", tmp_path / "run", *flags),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
    )
    assert full.returncode == 1
    assert "a reply could not be saved" in full.stderr
    assert "make room" in full.stderr
    assert "Traceback" not in full.stderr
    saved = (tmp_path / "run" / "journal.jsonl").read_bytes()
    assert len(saved) == 60_000
    assert cli("generate", tmp_path / "run", *flags).returncode == 0
    assert derived(tmp_path / "run") == derived(tmp_path / "calm")
    assert (tmp_path / "run" / "journal.jsonl").read_bytes().startswith(saved)


def test_a_half_written_line_does_not_damage_the_next_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    with Journal.writing(path) as journal:
        journal.append(entry("0"))
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 50, hard))
        try:
            for key in ("1", "2"):
                with pytest.raises(JournalError, match="could not be saved"):
                    journal.append(entry(key))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        journal.append(entry("3"))
        assert journal.get("3") == entry("3")
    with Journal.reading(path) as journal:
        assert ("0" in journal, "1" in journal, "2" in journal, journal.get("3")) == (True, False, False, entry("3"))
        assert journal.counts.torn == 1


@pytest.mark.slow
def test_a_reply_to_another_request_is_not_used(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert cli("generate", run, "--base-url", teacher.url, "--model", "m", "--num", 5).returncode == 0
    first, *_ = outcomes(run)
    (run / "journal.jsonl").write_text(json.dumps({**first, "request": "0" * 64}) + "\n")
    done = cli("build", run)
    assert done.returncode == 1
    assert "answers another request" in done.stderr


def test_each_call_counts_once_even_for_a_failed_request() -> None:
    counts = Counts()
    counts.add(entry("0"))  # from before each call was noted: its two attempts
    for number in range(8):
        counts.add(Sent("1", Usage(1, 2), number))
        counts.add(Fault("1", "http_500", False, number))
    counts.add(Entry("1", "d", Failure("http_500", "oops"), {}, attempts=8))
    assert counts.calls == 2 + 8
    assert counts.requests == 2
    assert not counts.open
