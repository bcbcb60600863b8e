"""Batches give the rows of live calls, with no reply lost or paid twice, after any fault or interruption."""

from __future__ import annotations

import asyncio
import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openai
import pytest
from command_line import cli, command, derived, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.client import batch_collection, batch_submission, retry
from selfinstruct.errors import BatchGone, TeacherStop, TeacherUnavailable, TransientError
from selfinstruct.generate.lookahead import Lookahead
from selfinstruct.records import Request
from selfinstruct.report.integrity import fsck
from selfinstruct.report.status import status
from selfinstruct.teachers._batches import OpenAIBatches
from selfinstruct.teachers.openai import OpenAI
from selfinstruct.text import counted

Start = Callable[..., FakeOpenAI]
QUICK = {"batch_seconds": 0.1}
HELLO = [{"role": "user", "content": "Hello"}]
PRICE = {"input": 1.0, "output": 1.0, "batch": 0.5}
SAME = ("dataset.jsonl", "provenance.jsonl")


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Shorten the waits of runs in this process. Runs of the command line keep the real ones."""
    monkeypatch.setattr(batch_submission, "_QUIET", 0.05)
    monkeypatch.setattr(batch_collection, "_FIRST_LOOK", 0.02)
    monkeypatch.setattr(batch_collection, "_SETTLING", 0.05)
    monkeypatch.setattr(retry, "_backoff", lambda state: 0.01)


def generate(directory: Path, teacher: FakeOpenAI, **settings: Any) -> Any:
    """Run in this process, by batch unless `settings` say otherwise. Return the dataset."""
    merged: dict[str, Any] = {"model": "m", "batch": True} | settings
    return si.Run(directory, teacher="openai", base_url=teacher.url, **merged).generate()


def by_command(directory: Path, teacher: FakeOpenAI, *flags: object, model: str = "m") -> subprocess.CompletedProcess[str]:
    return cli("generate", directory, "--base-url", teacher.url, "--model", model, "--batch", *flags)


def batches(directory: Path) -> dict[str, list[str]]:
    """Return the states of each batch in the journal, in order and without polls."""
    found: dict[str, list[str]] = {}
    for line in rows(directory / "journal.jsonl"):
        if line["kind"] == "batch" and line["state"] != "polled":
            found.setdefault(str(line["key"]), []).append(str(line["state"]))
    return found


def ends(directory: Path) -> list[str]:
    return [states[-1] for states in batches(directory).values()]


def calls(teacher: FakeOpenAI, api: str) -> int:
    return sum(line.get("api") == api and "held" not in line for line in teacher.log_lines())


def live(teacher: FakeOpenAI) -> list[dict[str, Any]]:
    """Return the requests that were not asked by batch."""
    return [line for line in teacher.requests() if line["path"] != "/v1/batches"]


def nothing_twice(directory: Path) -> bool:
    """Return True if no request has two outcomes in the journal."""
    return max(Counter(str(line["key"]) for line in outcomes(directory)).values()) == 1


def same(one: Path, other: Path) -> bool:
    """Return True if two runs gave the same rows with the same provenance."""
    return all((one / name).read_bytes() == (other / name).read_bytes() for name in SAME)


def wait_until(process: subprocess.Popen[str], condition: Callable[[], bool]) -> None:
    while not condition():
        assert process.poll() is None
        time.sleep(0.02)


def interrupted(directory: Path, teacher: FakeOpenAI, *flags: object, model: str = "batch-slow") -> str:
    """Start a run, interrupt it while its batch is open, and return its messages."""
    words = command("generate", directory, "--base-url", teacher.url, "--model", model, "--batch", *flags)
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True)
    wait_until(process, lambda: bool(teacher.requests()))
    wait_until(process, lambda: "submitted" in str(batches(directory)))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=300)
    assert process.returncode == 130, said
    return said


@pytest.mark.parametrize("method", ["alpaca", "few_shot", "alternating"])
def test_batches_give_the_same_rows_as_live_calls(method: str, start_teacher: Start, tmp_path: Path) -> None:
    teacher, other, run = start_teacher(**QUICK), start_teacher(), tmp_path / "batch"
    settings = {"num": 40, "method": method, "send_seed": True}
    generate(tmp_path / "live", other, **settings, batch=False)
    generate(run, teacher, **settings)
    assert same(run, tmp_path / "live")
    assert live(teacher) == []
    assert max(teacher.asked().values()) == 1
    assert calls(teacher, "POST /v1/batches") == len(batches(run)) <= 8
    assert len(teacher.asked()) <= 1.2 * len(other.asked()), "rounds ask for far more than they need"
    before = derived(run)
    si.Run(run).write()
    assert derived(run) == before


def test_failed_and_missing_lines_are_asked_again_and_duplicates_count_once(start_teacher: Start, tmp_path: Path) -> None:
    calm, rough, run = start_teacher(), start_teacher(**QUICK), tmp_path / "run"
    settings = {"num": 30, "method": "few_shot", "model": "batch-partial"}
    generate(tmp_path / "calm", calm, **settings, batch=False)
    generate(run, rough, **settings)
    assert {"500", "missing", "twice"} <= {line["fault"] for line in rough.requests()}, "nothing was tested"
    assert nothing_twice(run)
    assert same(run, tmp_path / "calm")
    again = {line["mark"] for line in rough.requests() if line["fault"] in ("500", "missing")}
    assert {mark for mark, count in rough.asked().items() if count > 1} <= again
    assert status(run)["tokens"]["lost_at_most"] > 0, "a line that is missing from a completed batch may have been billed"
    assert "for requests in batches without a reply" in " ".join(cli("status", run).stdout.split())


def test_requests_missing_from_an_expired_batch_are_asked_again(start_teacher: Start, tmp_path: Path) -> None:
    calm, rough, run = start_teacher(), start_teacher(**QUICK), tmp_path / "run"
    generate(tmp_path / "calm", calm, num=60, model="batch-expires", batch=False)
    generate(run, rough, num=60, model="batch-expires")
    assert ends(run)[0] == "expired"
    assert set(ends(run)[1:]) == {"completed"}
    assert max(rough.asked().values()) == 1, "a reply of an expired batch was asked again"
    assert nothing_twice(run)
    assert same(run, tmp_path / "calm")


def test_after_three_batches_a_request_is_asked_live(start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(**QUICK, faults="500=0.5")
    generate(tmp_path / "run", teacher, num=20, method="few_shot")
    assert live(teacher), "nothing was tested"
    by_batch = Counter(line["mark"] for line in teacher.requests() if line["path"] == "/v1/batches")
    assert max(by_batch.values()) == batch_submission.BATCHES_AT_MOST
    assert all(by_batch[line["mark"]] == batch_submission.BATCHES_AT_MOST for line in live(teacher))
    assert nothing_twice(tmp_path / "run")


@pytest.mark.slow
def test_a_failed_batch_ends_the_command_and_the_next_command_resumes(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(**QUICK), tmp_path / "run"
    done = by_command(run, teacher, "--num", 20, model="batch-fails")
    assert done.returncode == 1
    assert "Enqueued token limit reached" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    si.Run(run).generate()
    assert ends(run)[:2] == ["failed", "completed"]
    assert max(teacher.asked().values()) == 1
    assert live(teacher) == []


def test_refused_lines_are_recorded_and_not_asked_again(start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(**QUICK)
    generate(tmp_path / "run", teacher, num=60, model="refuses-some")
    failures = [line for line in outcomes(tmp_path / "run") if line["kind"] == "failure"]
    assert {line["status"] for line in failures} == {400}
    assert all("against the policy" in str(line["message"]) for line in failures)
    assert max(teacher.asked().values()) == 1


def test_lines_that_only_the_user_can_correct_end_the_run(start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(**QUICK)
    with pytest.raises(TeacherStop, match="used up"):
        generate(tmp_path / "run", teacher, num=10, model="batch-no-credit")
    assert calls(teacher, "POST /v1/batches") == 1


@pytest.mark.parametrize("limit", ["MOST_REQUESTS", "MOST_BYTES"])
def test_requests_are_spread_over_batches_within_the_providers_limits(
    limit: str, start_teacher: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher = start_teacher(**QUICK)
    monkeypatch.setattr(batch_submission, limit, 3 if limit == "MOST_REQUESTS" else 4_000)
    assert len(generate(tmp_path / "run", teacher, num=10, method="few_shot").rows) == 10
    planned = [line["requests"] for line in rows(tmp_path / "run" / "journal.jsonl") if line.get("state") == "planned"]
    assert len(planned) >= 4
    if limit == "MOST_REQUESTS":
        assert max(map(len, planned)) == 3
    sizes = [file["bytes"] for file in client(teacher).files.list(purpose="batch").model_dump()["data"]]
    assert limit == "MOST_REQUESTS" or max(sizes) <= 4_000
    keys = [key for requests in planned for key in requests]
    assert len(keys) == len(set(keys))
    assert max(teacher.asked().values()) == 1


def client(teacher: FakeOpenAI) -> openai.OpenAI:
    return openai.OpenAI(base_url=teacher.url, api_key="k", max_retries=0)


def killed_at(directory: Path, teacher: FakeOpenAI, *flags: object) -> None:
    """Start a run and kill it while the provider delays an answer."""
    words = command("generate", directory, "--base-url", teacher.url, "--model", "m", "--batch", *flags)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, text=True)
    wait_until(process, lambda: any("held" in line for line in teacher.log_lines()))
    process.kill()
    process.wait()


@pytest.mark.slow
def test_a_batch_of_a_killed_run_is_found_among_many_in_the_account(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run, foreign = start_teacher(batch_seconds=0.1, hold=(2, "after")), tmp_path / "run", 230
    killed_at(run, teacher, "--num", 20)
    assert ends(run) == ["planned"]
    there = client(teacher)
    line = {"custom_id": "0", "method": "POST", "url": "/v1/chat/completions", "body": {"model": "other", "messages": HELLO}}
    file = there.files.create(file=("theirs.jsonl", json.dumps(line).encode() + b"\n"), purpose="batch")
    for _ in range(foreign):
        there.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    before = calls(teacher, "GET /v1/batches")
    si.Run(run).generate()
    assert calls(teacher, "GET /v1/batches") - before == 3
    assert calls(teacher, "POST /v1/batches") == foreign + len(batches(run))
    assert next(iter(batches(run).values())) == ["planned", "submitted", "completed"]
    assert max(count for mark, count in teacher.asked().items() if mark in ours(teacher)) == 1


def ours(teacher: FakeOpenAI) -> set[str]:
    return {line["mark"] for line in teacher.requests() if line["model"] == "m"}


@pytest.mark.slow
def test_ctrl_c_leaves_a_batch_running_and_the_next_command_collects_it(start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(batch_seconds=0.05)  # a slow batch takes five seconds
    run = tmp_path / "run"
    said = interrupted(run, teacher, "--num", 12)
    assert "open batches continue at the provider" in said
    assert f"selfinstruct cancel {run}" in said
    assert f"selfinstruct generate {run}" in said
    found = json.loads(cli("status", run, "--json").stdout)
    (batch,) = found["batches"]
    assert (batch["state"], batch["requests"]) == ("submitted", found["requests"]["in_batches"])
    assert batch["id"].startswith("batch_")
    assert batch["id"] in cli("status", run).stdout
    checked = cli("fsck", run)
    assert checked.returncode == 1
    assert batch["id"] in checked.stdout
    said = cli("generate", run, "--no-batch").stderr
    assert (
        f"waiting for batch {batch['name'][:8]} ({counted(batch['requests'], 'request')}), which is open at the provider\n"
        in said
    )
    assert ends(run)[0] == "completed"
    assert calls(teacher, "POST /v1/batches") == 1
    assert max(teacher.asked().values()) == 1
    assert fsck(run) == []
    assert cli("cancel", run).stdout.strip() == f"{run}: no open batch at the provider"


@pytest.mark.slow
def test_cancel_keeps_finished_replies_and_live_calls_do_the_rest(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(batch_seconds=1.0), tmp_path / "run"
    interrupted(run, teacher, "--num", 100)
    cancelled = cli("cancel", run)
    assert cancelled.returncode == 0, cancelled.stderr
    assert "cancelled (" in cancelled.stdout
    kept = outcomes(run)
    assert kept
    assert len(kept) == len(teacher.requests())
    si.Run(run, batch=False).generate()
    assert max(teacher.asked().values()) == 1
    assert nothing_twice(run)
    assert live(teacher)
    assert outcomes(run)[: len(kept)] == kept


@pytest.mark.slow
def test_a_batch_cancelled_elsewhere_is_not_submitted_again_by_itself(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(batch_seconds=0.2), tmp_path / "run"
    interrupted(run, teacher, "--num", 60)
    there = client(teacher)
    (batch,) = there.batches.list()
    there.batches.cancel(batch.id)
    with pytest.raises(TeacherStop, match="was cancelled at the provider"):
        si.Run(run).generate()
    kept = outcomes(run)
    assert len(kept) == len(teacher.requests()) > 0
    si.Run(run, batch=False).generate()
    assert max(teacher.asked().values()) == 1


@pytest.mark.slow
def test_cancel_is_refused_while_another_process_writes(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(batch_seconds=1.0), tmp_path / "run"
    words = command("generate", run, "--base-url", teacher.url, "--model", "batch-slow", "--batch", "--num", 20)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, text=True)
    try:
        wait_until(process, lambda: bool(teacher.requests()))
        refused = cli("cancel", run)
        assert refused.returncode == 1
        assert f"process {process.pid} is writing to this run" in refused.stderr
    finally:
        process.kill()
        process.wait()


def test_cancel_collects_every_batch_even_when_one_failed(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(**QUICK), tmp_path / "run"
    generate(run, teacher, num=5, max_requests=1)
    lines = rows(run / "journal.jsonl")
    planned, submitted = (next(line for line in lines if line.get("state") == state) for state in ("planned", "submitted"))
    failing = {"key": "0" * 32, "requests": {"7": next(iter(planned["requests"].values()))}}
    journal = [planned | failing, submitted | {"key": "0" * 32, "id": made_batch(teacher, "7", "unknown")}, planned, submitted]
    (run / "journal.jsonl").write_text("".join(json.dumps(line) + "\n" for line in journal))
    ended = si.Run(run).cancel()
    assert [state.partition(" ")[0] for state in ended.values()] == ["failed", "completed"]
    assert ends(run) == ["failed", "completed"]
    assert len(outcomes(run)) == 1


def made_batch(teacher: FakeOpenAI, key: str, model: str) -> str:
    """Make a batch with one request and return its id."""
    line = {"custom_id": key, "method": "POST", "url": "/v1/chat/completions", "body": {"model": model, "messages": HELLO}}
    file = client(teacher).files.create(file=("one.jsonl", json.dumps(line).encode()), purpose="batch")
    made = client(teacher).batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    return made.id


@pytest.mark.slow
def test_cancel_gives_up_a_batch_that_the_provider_no_longer_has(start_teacher: Start, tmp_path: Path) -> None:
    first, other, run = start_teacher(batch_seconds=0.1), start_teacher(), tmp_path / "run"
    interrupted(run, first, "--num", 12)
    first.process.communicate("")
    definition = run / "run.json"
    definition.write_text(definition.read_text().replace(first.url, other.url))
    with pytest.raises(BatchGone, match=r"has no batch batch_.*selfinstruct cancel"):
        si.Run(run).generate()
    assert list(si.Run(run).cancel().values()) == ["gone (given up)"]
    assert status(run)["tokens"]["lost_at_most"] > 0
    assert len(si.Run(run, batch=False).generate().rows) == 12


def test_a_teacher_without_batches_says_so(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text(json.dumps({"key": "0", "text": "1. Instruction: Name a river.\n1. Output: The Niger."}) + "\n")
    done = cli("generate", tmp_path / "run", "--teacher", "scripted", "--model", script, "--num", 1, "--batch")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "selfinstruct: this teacher takes no batches. Fix: set --no-batch."


def test_batch_replies_cost_the_batch_price(start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(**QUICK)
    generate(tmp_path / "run", teacher, num=30, price=PRICE)
    _, prompt, completion = teacher.spent()
    assert status(tmp_path / "run")["money"]["usd"] == pytest.approx((prompt + completion) / 2e6, abs=1e-6)


def test_a_limit_bounds_a_batch_before_it_is_submitted(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run, limit = start_teacher(**QUICK), tmp_path / "run", 0.0125
    generate(run, teacher, num=60, price=PRICE, max_usd=limit)
    planned = [line["requests"].values() for line in rows(run / "journal.jsonl") if line.get("state") == "planned"]
    assert all(sum(fields[2] + fields[3] for fields in requests) / 2e6 <= limit for requests in planned)
    assert len(planned[0]) == 3, "a batch holds as many requests as fit"
    assert len(planned) > 1


@pytest.mark.parametrize(
    ("limit", "value", "requests", "says"),
    [
        ("max_requests", 2, 2, "limit of 2 requests is reached"),
        ("max_tokens", 100, 0, "limit of 100 tokens leaves no room"),
        ("max_usd", 0.0001, 0, "limit of 0.0001 US dollars leaves no room"),
    ],
)
def test_a_reached_limit_ends_the_run_with_the_rows_so_far(
    limit: str, value: float, requests: int, says: str, start_teacher: Start, tmp_path: Path
) -> None:
    teacher = start_teacher(**QUICK)
    settings: dict[str, Any] = {"num": 60, "model": "m", "batch": True, "price": PRICE}
    limited: dict[str, Any] = {**settings, limit: value}
    run = si.Run(tmp_path / "run", teacher="openai", base_url=teacher.url, **limited)
    dataset = run.generate()
    assert says in run.shortfall(dataset)
    assert dataset.requests == requests
    assert len(generate(tmp_path / "run", teacher, **settings, **{limit: 1_000_000}).rows) == 60
    assert max(teacher.asked().values()) == 1


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bad-key", "no-credit"])
def test_a_refused_batch_ends_with_one_sentence_and_leaves_no_file_at_the_provider(
    model: str, start_teacher: Start, tmp_path: Path
) -> None:
    teacher = start_teacher(**QUICK)
    done = by_command(tmp_path / "run", teacher, "--num", 10, model=model)
    assert done.returncode == 1
    assert "the batch was not taken: " in done.stderr.splitlines()[-1]
    assert "--no-batch" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert ends(tmp_path / "run") == ["unsent"]
    assert client(teacher).files.list().data == []


@pytest.mark.parametrize("call", [1, 2])
def test_a_broken_submission_makes_no_second_batch(call: int, start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(batch_seconds=0.1, hold=(call, "after"))  # held for five seconds, and the client waits for one
    assert len(generate(tmp_path / "run", teacher, num=10, timeout=1).rows) == 10
    assert calls(teacher, "POST /v1/batches") == len(batches(tmp_path / "run"))
    assert max(teacher.asked().values()) == 1
    used = {batch.input_file_id for batch in client(teacher).batches.list(limit=100)}
    assert {file.id for file in client(teacher).files.list(purpose="batch")} == used


def test_a_key_that_expires_during_the_search_for_a_batch_loses_no_batch(
    start_teacher: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    teacher, run = start_teacher(batch_seconds=0.1, hold=(2, "after")), tmp_path / "run"

    async def refused(self: OpenAIBatches, name: str) -> str:
        raise TeacherStop("the key has expired")

    with monkeypatch.context() as patch:
        patch.setattr(OpenAIBatches, "find", refused)
        with pytest.raises(TeacherStop, match="the key has expired"):
            generate(run, teacher, num=5, timeout=1)
    assert ends(run) == ["planned"]
    si.Run(run).generate()
    assert calls(teacher, "POST /v1/batches") == 1
    assert max(teacher.asked().values()) == 1


def test_submission_waits_for_a_provider_that_is_down(start_teacher: Start, tmp_path: Path) -> None:
    teacher = start_teacher(batch_seconds=0.1, die=(0, 2))
    generate(tmp_path / "run", teacher, num=10)
    assert any("reset" in line for line in teacher.log_lines()), "nothing was tested"
    assert calls(teacher, "POST /v1/batches") == len(batches(tmp_path / "run"))
    gone = start_teacher(die=(0, 1000))
    with pytest.raises(TeacherUnavailable, match="a batch could not be submitted"):
        generate(tmp_path / "gone", gone, num=10, patience=0.1)


@pytest.mark.slow
def test_a_batch_that_no_row_needs_is_still_collected(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(batch_seconds=0.05), tmp_path / "run"
    interrupted(run, teacher, "--num", 40)
    while next(iter(client(teacher).batches.list())).status != "completed":
        time.sleep(0.1)
    si.Run(run, num=3).generate()  # the first reply alone is enough for a target this small
    assert ends(run) == ["completed"]
    assert len(outcomes(run)) == len(teacher.requests()) > 1
    assert fsck(run) == []


@pytest.mark.slow
def test_a_finished_run_reports_a_batch_that_goes_on(start_teacher: Start, tmp_path: Path) -> None:
    teacher, run = start_teacher(batch_seconds=0.5), tmp_path / "run"
    generate(run, teacher, num=5)
    lines = rows(run / "journal.jsonl")
    planned, submitted = (next(line for line in lines if line.get("state") == state) for state in ("planned", "submitted"))
    more = {"key": "f" * 32, "requests": {"99": next(iter(planned["requests"].values()))}}
    with (run / "journal.jsonl").open("a") as journal:
        for line in (planned | more, submitted | {"key": "f" * 32, "id": made_batch(teacher, "99", "batch-slow")}):
            journal.write(json.dumps(line) + "\n")
    done = cli("generate", run)
    assert done.returncode == 0
    assert "open batches continue at the provider" in done.stderr
    assert list(si.Run(run).cancel()) == ["f" * 32]
    assert ends(run)[-1] == "cancelled"


async def _serve(content: bytes, promised: int) -> tuple[asyncio.Server, str]:
    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while first := (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")[0]:
            if b"/content" in first:
                writer.write(b"HTTP/1.1 200 X\r\ncontent-length: %d\r\n\r\n" % promised + content)
                break
            body = b'{"id": "b", "status": "completed", "output_file_id": "f"}' if b"/batches/b" in first else b"{}"
            status = b"200" if b"/batches/b" in first else b"404"
            head = b"HTTP/1.1 %s X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n" % (status, len(body))
            writer.write(head + body)
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"


def test_broken_results_are_a_transient_fault_and_strange_lines_are_skipped() -> None:
    lines = b'\xff\n[]\n{"custom_id": "1", "response": {"status_code": 200, "body": 3}}\n{"custom_id": "2"}\n'

    async def read() -> list[str]:
        server, url = await _serve(lines, 10_000)
        teacher, keys = OpenAI(url, "m", "k", 5.0), []
        with pytest.raises(TransientError, match="no connection"):
            async for key, outcome in teacher.batches.results("b"):
                assert isinstance(outcome, TransientError)
                keys.append(key)
        with pytest.raises(BatchGone, match="has no batch nowhere"):
            await teacher.batches.look("nowhere")
        await teacher.close()
        server.close()
        return keys

    assert asyncio.run(read()) == ["1", "2"]


@pytest.mark.parametrize("good", [0.9, 0.5, 0.1])
def test_rounds_ask_for_few_requests_that_no_row_needs(good: float) -> None:
    rng, lookahead, rows_had, begun, rounds = random.Random(3), Lookahead(500, 1, in_rounds=True), 0, 0, 0
    collected = 0
    while rows_had < 500:
        begun += lookahead.to_begin(begun, 0, 20_000)
        rounds += 1
        while collected < begun and rows_had < 500:
            rows_had, collected = rows_had + (rng.random() < good), collected + 1
            lookahead.record(rows_had, collected)
    assert begun <= 1.1 * collected
    assert rounds <= 4


def test_a_teacher_without_batches_is_refused_before_the_first_request(teacher: FakeOpenAI, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(key: str, request: Request) -> str:
        asked.append(key)
        return ""

    script = si.Scripted(answer)
    near = {"base_url": teacher.url, "model": "m"}
    for name, given in (("one", {"teacher": script}), ("two", {"teachers": {"a": near, "b": script}})):
        with pytest.raises(TeacherStop, match="takes no batches"):
            si.Run(tmp_path / name, method="few_shot", batch=True, **given).generate()
        assert not asked and not teacher.log_lines() and not (tmp_path / name).exists()
