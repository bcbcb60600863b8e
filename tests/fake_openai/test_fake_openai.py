"""The stand-in server does what the other tests rely on, as seen by OpenAI's SDK."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import openai
import pytest

from fake_openai import FakeOpenAI
from fake_openai.limits import Limits, duration

Start = Callable[..., FakeOpenAI]


def client(teacher: FakeOpenAI, key: str = "k") -> openai.OpenAI:
    return openai.OpenAI(base_url=teacher.url, api_key=key, max_retries=0, timeout=60)


def body(number: int, model: str = "m") -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": f"Say {number}"}], "seed": number}


def ask(teacher: FakeOpenAI, number: int, model: str = "m") -> Any:
    return client(teacher).chat.completions.with_raw_response.create(**body(number, model))


def ask_all(teacher: FakeOpenAI, count: int) -> None:
    there = client(teacher)
    for number in range(count):
        with contextlib.suppress(openai.OpenAIError, ValueError):
            there.chat.completions.create(**body(number))


def start_batch(teacher: FakeOpenAI, count: int, model: str = "m", **metadata: str) -> Any:
    lines = [
        {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body(number, model)}
        for number in range(count)
    ]
    content = "".join(json.dumps(line) + "\n" for line in lines).encode()
    file = client(teacher).files.create(file=("in.jsonl", content), purpose="batch")
    return client(teacher).batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", metadata=metadata
    )


def ended(teacher: FakeOpenAI, batch: Any) -> Any:
    while batch.status not in ("completed", "failed", "expired", "cancelled"):
        time.sleep(0.02)
        batch = client(teacher).batches.retrieve(batch.id)
    return batch


def results(teacher: FakeOpenAI, file: str | None) -> list[dict[str, Any]]:
    text = client(teacher).files.content(file).text if file else ""
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_a_batch_answers_as_live_requests_do(start_teacher: Start) -> None:
    teacher = start_teacher(batch_seconds=0.2)
    live = {str(number): json.loads(ask(teacher, number).content) for number in range(30)}
    batch = start_batch(teacher, 30, run="r1")
    assert batch.status == "validating"
    batch = ended(teacher, batch)
    assert (batch.status, batch.request_counts.completed, batch.metadata) == ("completed", 30, {"run": "r1"})
    lines = results(teacher, batch.output_file_id)
    assert {line["custom_id"]: line["response"]["body"] for line in lines} == live
    assert [line["custom_id"] for line in lines] != sorted(live, key=int)
    assert set(teacher.asked().values()) == {2}
    assert teacher.spent()[0] == 60
    assert {line["path"] for line in teacher.requests()} == {"/v1/chat/completions", "/v1/batches"}
    assert [line["api"] for line in teacher.log_lines() if "api" in line][:2] == ["POST /v1/files", "POST /v1/batches"]


def test_files_and_batches_are_listed_by_pages_and_files_deleted(start_teacher: Start) -> None:
    teacher = start_teacher(batch_seconds=0.01)
    there = client(teacher)
    names = [ended(teacher, start_batch(teacher, 1)).id for _ in range(5)]
    first = there.batches.list(limit=2)
    assert ([batch.id for batch in first.data], first.has_more) == (names[:2:-1], True)
    assert [batch.id for batch in there.batches.list(limit=2)] == names[::-1]
    inputs = [file.id for file in there.files.list(purpose="batch")]
    assert len(inputs) == 5
    assert there.files.retrieve(inputs[0]).filename == "in.jsonl"
    assert there.files.delete(inputs[0]).deleted
    with pytest.raises(openai.NotFoundError):
        there.files.retrieve(inputs[0])


def test_a_batch_may_lose_lines_the_first_time(start_teacher: Start) -> None:
    teacher = start_teacher(batch_seconds=0.1)
    batch = ended(teacher, start_batch(teacher, 300, "batch-partial"))
    done = [line["custom_id"] for line in results(teacher, batch.output_file_id)]
    failed = results(teacher, batch.error_file_id)
    assert 15 < len(failed) < 50
    assert {line["response"]["status_code"] for line in failed} == {500}
    assert 4 < 300 - len(set(done)) - len(failed) < 30
    assert 1 < len(done) - len(set(done)) < 25
    again = ended(teacher, start_batch(teacher, 300, "batch-partial"))
    assert (len(results(teacher, again.output_file_id)), again.error_file_id) == (300, None)


@pytest.mark.slow
def test_a_batch_may_expire_fail_or_be_cancelled(start_teacher: Start) -> None:
    teacher = start_teacher(batch_seconds=0.1)
    expired = ended(teacher, start_batch(teacher, 10, "batch-expires"))
    assert (expired.status, len(results(teacher, expired.output_file_id))) == ("expired", 5)
    assert {line["error"]["code"] for line in results(teacher, expired.error_file_id)} == {"batch_expired"}
    assert ended(teacher, start_batch(teacher, 10, "batch-expires")).status == "completed"
    failed = ended(teacher, start_batch(teacher, 10, "batch-fails"))
    assert (failed.status, failed.errors.data[0].code) == ("failed", "token_limit_exceeded")
    assert ended(teacher, start_batch(teacher, 10, "batch-fails")).status == "completed"
    assert ended(teacher, start_batch(teacher, 10, "unknown")).status == "failed"
    slowly = start_teacher(batch_seconds=1)  # its slow batch does the second half of its lines after 60 seconds
    slow = start_batch(slowly, 10, "batch-slow")
    while (counts := client(slowly).batches.retrieve(slow.id).request_counts) is None or counts.completed < 5:
        time.sleep(0.1)
    assert client(slowly).batches.cancel(slow.id).status == "cancelling"
    slow = ended(slowly, slow)
    assert (slow.status, len(results(slowly, slow.output_file_id))) == ("cancelled", 5)
    refused = ended(teacher, start_batch(teacher, 50, "refuses-some"))
    assert {line["response"]["status_code"] for line in results(teacher, refused.error_file_id)} == {400}
    with pytest.raises(openai.AuthenticationError):
        start_batch(teacher, 1, "bad-key")
    with pytest.raises(openai.AuthenticationError):
        client(teacher, "bad-key").batches.list()


@pytest.mark.slow
@pytest.mark.parametrize(("when", "files"), [("before", 1), ("after", 2)])
def test_a_held_call_takes_effect_only_if_it_is_held_after_its_effect(when: str, files: int, start_teacher: Start) -> None:
    teacher = start_teacher(hold=(2, when))
    client(teacher).files.create(file=("one", b"{}"), purpose="user_data")
    code = f"import openai; openai.OpenAI(base_url={teacher.url!r}, api_key='k').files.create(file=b'{{}}', purpose='user_data')"
    process = subprocess.Popen([sys.executable, "-c", code])
    while not any("held" in line for line in teacher.log_lines()):
        time.sleep(0.05)
    process.kill()
    process.wait()
    assert len(client(teacher).files.list().data) == files


@pytest.mark.slow
def test_faults_have_their_shares_and_the_log_has_the_charged_tokens(start_teacher: Start) -> None:
    shares = {"429": 0.1, "500": 0.1, "reset": 0.1, "cut": 0.1, "garbage": 0.1, "empty": 0.1, "length": 0.2, "refused": 0.1}
    teacher = start_teacher(faults=",".join(f"{name}={share}" for name, share in shares.items()))
    count = 400
    ask_all(teacher, count)
    lines = teacher.requests()
    assert len(lines) == count
    for fault, expected in {
        "rate_limit_exceeded": 0.1,
        "500": 0.1,
        "reset": 0.1,
        "cut": 0.1,
        "garbage": 0.1,
        "empty": 0.1,
    }.items():
        assert expected / 2 < sum(line["fault"] == fault for line in lines) / count < expected * 2
    charged = {line["status"] for line in lines if line["usage"]}
    assert charged == {200, 0, -2}
    assert {line["status"] for line in lines if not line["usage"]} == {429, 500, 400}
    lasting = {line["mark"]: line["fault"] for line in lines if line["fault"] in ("length", "content_policy_violation")}
    ask_all(teacher, count)
    again = [line for line in teacher.requests()[count:] if line["mark"] in lasting and line["fault"] in lasting.values()]
    assert all(line["fault"] == lasting[line["mark"]] for line in again)
    assert again


@pytest.mark.slow
def test_a_stall_holds_requests_until_the_client_is_killed(start_teacher: Start) -> None:
    teacher = start_teacher(stall=(2, 0))
    code = (
        f"import openai; client = openai.OpenAI(base_url={teacher.url!r}, api_key='k', max_retries=0)\n"
        "while True: client.chat.completions.create(model='m', messages=[{'role': 'user', 'content': 'Say it'}])"
    )
    for stalls, arrived in ((1, 3), (2, 4)):
        process = subprocess.Popen([sys.executable, "-c", code])
        while teacher.stalls() < stalls:
            assert process.poll() is None
            time.sleep(0.01)
        process.kill()
        process.wait()
        assert len(teacher.requests()) == arrived
    assert ask(teacher, 1).status_code == 200


def test_a_stall_holds_requests_until_the_test_ends_it(start_teacher: Start) -> None:
    teacher = start_teacher(stall=(0,))
    with ThreadPoolExecutor() as threads:
        answers = [threads.submit(ask, teacher, number) for number in (1, 2)]
        while len(teacher.requests()) < 2 or not teacher.stalls():
            time.sleep(0.01)
        assert not any(answer.done() for answer in answers)
        teacher.end_stall()
        assert [answer.result().status_code for answer in answers] == [200, 200]


def test_a_hanging_request_is_never_answered(start_teacher: Start) -> None:
    teacher = start_teacher(faults="hang=1")
    with pytest.raises(openai.APITimeoutError):
        client(teacher).with_options(timeout=openai.Timeout(60, read=0.3)).chat.completions.create(**body(1))
    while not teacher.requests():  # the server may note it after the client has gone
        time.sleep(0.02)
    assert teacher.requests()[0]["status"] == "hang"
    assert teacher.spent()[0] == 1


def test_a_dead_server_resets_connections_and_comes_back(start_teacher: Start) -> None:
    teacher = start_teacher(die=(0, 1))
    with pytest.raises(openai.APIConnectionError):
        ask(teacher, 1)
    time.sleep(1)
    assert ask(teacher, 1).status_code == 200
    assert sum(teacher.asked().values()) == 1


def test_limits_are_stated_in_headers_and_a_refusal_states_the_wait(start_teacher: Start) -> None:
    bucket = start_teacher(limit_requests=2, limit_tokens=1000, limit_burst=60)  # one is refilled in 30 seconds
    headers = ask(bucket, 1).headers
    assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("2", "1")
    assert headers["x-ratelimit-reset-requests"] == "30s"
    assert int(headers["x-ratelimit-remaining-tokens"]) == 1000 - sum(bucket.spent()[1:])
    ask(bucket, 2)
    with pytest.raises(openai.RateLimitError) as refusal:
        ask(bucket, 3)
    assert refusal.value.code == "rate_limit_exceeded"
    told = refusal.value.response.headers
    assert 0 < float(told["retry-after-ms"]) / 1000 <= int(told["retry-after"]) <= 30
    bare = start_teacher(limit_requests=2, limit_style="bare-window", limit_window=60)
    assert not any(name.startswith("x-rate") for name in [*ask(bare, 1).headers, *ask(bare, 2).headers])
    with pytest.raises(openai.RateLimitError) as refusal:
        ask(bare, 3)
    assert 0 < float(refusal.value.response.headers["retry-after"]) <= 60
    assert bare.spent()[0] == 2


def test_each_style_of_limit_refuses_until_the_time_that_it_states() -> None:
    bucket = Limits("bucket", 120, None, 1, 60)  # two a second
    assert [bucket.admit(0, 100.0)[0] for _ in range(3)] == [True, True, False]
    assert "retry-after: 1\r\nretry-after-ms: 500.000\r\n" in bucket.admit(0, 100.0)[1]
    assert bucket.admit(0, 100.5)[0]
    window = Limits("window", 60, None, 1, 60)
    assert [window.admit(0, 100.0 + second / 2)[0] for second in range(61)] == [True] * 60 + [False]
    assert "reset-requests: 30s" in window.admit(0, 130.0)[1]
    assert window.admit(0, 160.0)[0]
    tokens = Limits("bare", None, 600, 1, 60)  # ten a second
    assert tokens.admit(30, 100.0) == (True, "")  # more than a bucket holds, so the next call waits longer
    assert tokens.admit(10, 101.0) == (False, "retry-after: 2.000000\r\n")
    assert tokens.admit(10, 103.0)[0]
    assert [duration(seconds) for seconds in (0.12, 1.5, 60, 360, 3661)] == ["120ms", "1.5s", "1m0s", "6m0s", "1h1m1s"]
