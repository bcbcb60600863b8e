"""Several endpoints for one teacher share its calls. An endpoint that is down gets none until it answers again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import derived, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.client.load_balancer import LoadBalancer
from selfinstruct.client.rate_limiter import RateLimiter
from selfinstruct.errors import RATE_LIMIT, ReplyMissing, TransientError

DEAD = "http://127.0.0.1:9/v1"  # the discard port, where nothing listens


def generate(directory: Path, *teachers: FakeOpenAI | str, num: int = 200, **settings: Any) -> None:
    """Run to the end, with all rows."""
    urls = tuple(teacher if isinstance(teacher, str) else teacher.url for teacher in teachers)
    assert si.Run(directory, base_url=urls, model="m", num=num, **settings).generate().complete


def test_a_slot_is_at_the_endpoint_with_the_fewest_calls() -> None:
    """Endpoint "slow" keeps its calls, endpoint "quick" ends each at once: all new calls go to "quick"."""

    async def use() -> None:
        calls = balancer(4, endpoints=2)
        async with calls.slot(100) as slow, calls.slot(100) as quick:
            assert slow.teacher is not quick.teacher
            busy = [slow.teacher, quick.teacher]
            async with calls.slot(100) as third, calls.slot(100) as fourth:
                assert {id(third.teacher), id(fourth.teacher)} == {id(teacher) for teacher in busy}
        async with calls.slot(100) as slow:
            for _ in range(20):
                async with calls.slot(100) as quick:
                    assert quick.teacher is not slow.teacher

    asyncio.run(use())


@pytest.mark.slow
def test_calls_go_to_the_least_busy_endpoint(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    quick, slow = start_teacher(latency=0.05), start_teacher(latency=3)  # so far apart that a busy machine cannot hide it
    generate(tmp_path / "run", quick, slow, num=500, concurrency=8)
    assert len(quick.requests()) > 2 * len(slow.requests()) > 0
    one = start_teacher()
    generate(tmp_path / "one", one, num=500)
    assert derived(tmp_path / "run")["dataset.jsonl"] == derived(tmp_path / "one")["dataset.jsonl"]


def test_equal_endpoints_get_equal_shares(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    teachers = [start_teacher(latency=0.2) for _ in range(2)]
    generate(tmp_path / "run", *teachers, num=500, concurrency=8)
    first, second = (len(teacher.requests()) for teacher in teachers)
    assert 0.5 < first / second < 2


def test_an_endpoint_that_goes_down_is_left_out_until_it_answers_again(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    steady, mortal = start_teacher(latency=0.4), start_teacher(latency=0.4, die=(5, 1.5))
    generate(tmp_path / "run", steady, mortal, num=900, concurrency=4)
    resets = [line["time"] for line in mortal.log_lines() if line.get("reset")]
    served = [line["time"] for line in mortal.requests()]
    assert resets
    assert any(time > resets[-1] for time in served)  # it is asked again
    assert len(resets) <= 25  # and was not asked all the time
    assert {line["kind"] for line in outcomes(tmp_path / "run")} == {"reply"}
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 900


def test_an_endpoint_that_never_answers_does_no_harm(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    alone, teacher = start_teacher(), start_teacher()
    generate(tmp_path / "alone", alone, num=100)
    orders: list[tuple[FakeOpenAI | str, ...]] = [(DEAD, teacher), (teacher, DEAD)]
    for number, order in enumerate(orders):
        run = tmp_path / str(number)
        generate(run, *order, num=100)
        assert derived(run)["dataset.jsonl"] == derived(tmp_path / "alone")["dataset.jsonl"]
        assert {line["kind"] for line in outcomes(run)} == {"reply"}


def test_a_stated_rate_holds_for_all_endpoints_together(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    teachers = [start_teacher(limit_style="bare", limit_requests=300) for _ in range(2)]
    generate(tmp_path / "run", *teachers, num=300, rpm=600)
    assert all(line["status"] == 200 for teacher in teachers for line in teacher.requests())


def test_addresses_may_change_when_a_run_is_resumed(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    first, second, third = (start_teacher() for _ in range(3))
    generate(tmp_path / "run", first, num=50)
    generate(tmp_path / "run", second, third, num=150)
    assert second.requests()
    assert not set(first.asked()) & (set(second.asked()) | set(third.asked()))  # nothing is asked again
    generate(tmp_path / "whole", first, num=150)
    assert derived(tmp_path / "run")["dataset.jsonl"] == derived(tmp_path / "whole")["dataset.jsonl"]
    assert json.loads((tmp_path / "run" / "run.json").read_text())["generate"]["base_url"] == [second.url, third.url]


def balancer(concurrency: int, endpoints: int = 1) -> LoadBalancer:
    opened = LoadBalancer(lambda: [si.Scripted({}) for _ in range(endpoints)], concurrency)
    opened.open()
    return opened


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ends of calls that the rate limiter hears of."""
    heard: list[str] = []
    for name in ("answered", "throttled", "failed", "abandoned"):
        real = getattr(RateLimiter, name)

        def report(self: RateLimiter, *args: object, name: str = name, real: Callable[..., None] = real) -> None:
            heard.append(name)
            real(self, *args)

        monkeypatch.setattr(RateLimiter, name, report)
    return heard


def test_a_slot_counts_as_abandoned_unless_its_end_is_reported(reports: list[str]) -> None:
    async def use() -> None:
        calls = balancer(1)
        async with calls.slot(100):
            pass
        with pytest.raises(KeyError):
            async with calls.slot(100):
                raise KeyError
        async with calls.slot(100) as slot:
            slot.answered(100, {})
        async with calls.slot(100) as slot:
            slot.failed(TransientError("busy", cause=RATE_LIMIT, wait=0.0))
        async with calls.slot(100) as slot:
            slot.failed(TransientError("broken", cause="connection"))
        assert calls.in_flight == 0

    asyncio.run(use())
    assert reports == ["abandoned", "abandoned", "answered", "throttled", "failed"]


def test_a_cancelled_task_gives_its_slot_back(reports: list[str]) -> None:
    async def call(calls: LoadBalancer) -> None:
        async with calls.slot(100):
            await asyncio.sleep(60)

    async def use() -> None:
        calls = balancer(1)
        tasks = [asyncio.create_task(call(calls)) for _ in range(3)]  # the first one has the slot, the others wait for it
        await asyncio.sleep(0.01)
        tasks[1].cancel()
        tasks[0].cancel()
        await asyncio.wait(tasks, timeout=0.1)
        assert [task.done() for task in tasks] == [True, True, False]
        assert calls.in_flight == 1
        tasks[2].cancel()
        await asyncio.wait(tasks)
        assert calls.in_flight == 0

    asyncio.run(use())
    assert reports == ["abandoned", "abandoned"]


def test_a_stopped_balancer_gives_out_no_slot() -> None:
    async def use() -> None:
        calls = balancer(1)
        async with calls.slot(100):
            waiting = asyncio.ensure_future(calls.slot(100).__aenter__())
            await asyncio.sleep(0)
            calls.stop()
            with pytest.raises(ReplyMissing):
                await waiting
        with pytest.raises(ReplyMissing):
            async with calls.slot(100):
                pass

    asyncio.run(use())
