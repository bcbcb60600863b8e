"""The task pool: horizons, waiting, and decisions by the settings that a run began with."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.errors import ReplyMissing
from selfinstruct.generate.task_pool import TaskPool, blocks, horizon
from selfinstruct.records import Candidate, Decision, ParsedTask


@given(st.integers(0, 5000), st.integers(1, 300))
def test_the_horizon_is_between_lag_and_twice_the_lag_back(index: int, lag: int) -> None:
    starts = []
    for start in blocks(lag):
        if start > index:
            break
        starts.append(start)
    assert horizon(index, lag) == (starts[-2] if len(starts) > 1 else 0)
    assert index - horizon(index, lag) < 2 * lag or index < 2 * lag
    assert index - horizon(index, lag) >= min(lag, index // 2)


def admitted(*instructions: str, root: int = 0) -> list[Decision]:
    return [Decision(Candidate(str(root), place, ParsedTask(text))) for place, text in enumerate(instructions)]


def test_a_wait_ends_when_the_root_requests_are_added_or_never_will_be() -> None:
    async def scene() -> list[str]:
        pool, seen = TaskPool(), []

        async def look(root: int) -> None:
            try:
                await pool.wait_below(root)
                seen.append(f"{root}: {pool.size_below(root)}")
            except ReplyMissing:
                seen.append(f"{root}: never")

        tasks = [asyncio.create_task(look(root)) for root in (2, 1, 4, 2)]
        await asyncio.sleep(0)
        pool.add([], admitted("a", "b"))
        pool.add([], [*admitted("c"), Decision(Candidate("1", 1, ParsedTask("d")), "rouge")])
        pool.close(2)
        await asyncio.gather(*tasks)
        return seen

    assert sorted(asyncio.run(scene())) == ["1: 2", "2: 3", "2: 3", "4: never"]


def test_a_curator_of_earlier_settings_decides_only_when_the_pool_is_read() -> None:
    calls: list[Sequence[Candidate]] = []

    class Strict:
        def admit(self, candidates: Sequence[Candidate]) -> list[Decision]:
            calls.append(candidates)
            return [Decision(one, "too long" if len(one.task.instruction) > 3 else None) for one in candidates]

    async def scene() -> list[str]:
        pool = TaskPool(Strict)  # type: ignore[arg-type]
        for number in range(3):
            decisions = admitted("abc", "abcd", root=number)
            pool.add([decision.candidate for decision in decisions], [])
        assert calls == []
        await pool.wait_below(2)
        assert pool.size_below(2) == 2 and len(calls) == 2
        return [one.id for one in pool.admitted]

    assert asyncio.run(scene()) == ["0#0", "1#0"]
