"""The pace of an endpoint, by a simulated clock: limits are used and not broken, overload and outages are heeded."""

from __future__ import annotations

import math

import pytest
from fake_openai.limits import Bucket
from fake_openai.virtual_time import World

from selfinstruct.client.rate_limiter import RateLimiter, Ticket
from selfinstruct.records import Allowance

SETTLED = 10.0  # seconds


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begun(pace: RateLimiter, count: int) -> list[Ticket]:
    return [pace.begin(100) for _ in range(count)]


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("style", ["bucket", "bare"])
def test_a_limit_that_nobody_stated_is_used_and_hardly_ever_broken(style: str, latency: float) -> None:
    world = World(style=style, latency=latency, concurrency=50).run(90)
    assert world.used(SETTLED) >= 0.95
    assert world.refused(SETTLED) <= 0.01


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("style", ["bucket", "bare"])
def test_a_limit_of_tokens_likewise(style: str, latency: float) -> None:
    world = World(style=style, latency=latency, concurrency=50, limit=None, tokens=600_000.0, spread=0.2).run(90)
    assert world.used(SETTLED) >= 0.95
    assert world.refused(SETTLED) <= 0.01


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0, 3.0])
def test_a_stated_limit_is_used_and_not_broken_from_the_start(latency: float) -> None:
    calls = World(style="bare", latency=latency, concurrency=50, rpm=600).run(60)
    assert calls.used(0) >= 0.95
    assert calls.refused(0) == 0
    if latency > 1:
        return  # what a call took is known so late that a limit of tokens is met at first
    tokens = World(style="bare", latency=latency, concurrency=50, limit=None, tokens=6e5, tpm=6e5, spread=0.2).run(60)
    assert tokens.used(SETTLED) >= 0.95
    assert tokens.refused(0) <= 0.01


@pytest.mark.parametrize("style", ["window", "bare-window"])
def test_a_fixed_window_is_used_up_and_not_overrun(style: str) -> None:
    world = World(style=style, concurrency=50, window=20).run(200)
    assert world.used(0) >= 0.95
    assert world.refused(SETTLED) <= 0.01


@pytest.mark.parametrize("style", ["bucket", "bare"])
def test_a_bucket_that_holds_a_minute_is_used_up_and_then_kept_to(style: str) -> None:
    world = World(style=style, latency=1.0, concurrency=50, burst=60).run(150)
    assert world.used(0) >= 1.3  # the bucket was full
    assert world.used(60) >= 0.95
    assert world.refused(60) <= 0.01


def test_a_limit_that_is_raised_is_found_again() -> None:
    world = World(style="bare", concurrency=50).run(30)
    bucket = world.limits.kept["requests"]
    assert isinstance(bucket, Bucket)
    bucket.rate = 20.0  # was 10
    world.run(240)
    late = [kind for when, kind, _ in world.arrived if when >= 180]
    assert late.count("ok") / (20 * 60) >= 0.9


@pytest.mark.parametrize("chance", [0.01, 0.05])
@pytest.mark.parametrize(("latency", "concurrency"), [(1.0, 8), (0.3, 32), (1.0, 200)])
def test_refusals_that_come_by_chance_do_not_throttle_it_for_good(chance: float, latency: float, concurrency: int) -> None:
    world = World(limit=None, latency=latency, concurrency=concurrency, chance_429=chance).run(120)
    late = [kind for when, kind, _ in world.arrived if when >= 30]
    assert late.count("ok") >= 0.65 * 90 * concurrency / latency


def test_a_rate_that_limits_nothing_is_not_raised_without_end() -> None:
    pace = World(limit=None, latency=1.0, concurrency=8, chance_429=0.001).run(3000).limiter
    assert pace.granted is None or pace.granted.per_second < 1000


def test_answers_widen_the_window_by_degrees_and_a_share_of_faults_halves_it(clock: Clock) -> None:
    pace = RateLimiter(32, clock=clock)
    assert pace.window == 32
    before = pace.window
    for ticket in begun(pace, 32):
        pace.failed(ticket)
    assert pace.window == before / 2  # one cut for all faults of a moment
    for _ in range(20):
        clock.now += 40
        pace.failed(pace.begin(100))
    assert pace.window == 1
    widths = []
    for _ in range(300):
        clock.now += 1
        pace.answered(pace.begin(100), 100, {})
        widths.append(pace.window)
    assert widths == sorted(widths)
    assert widths[0] <= 3
    assert widths[-1] == 32


@pytest.mark.parametrize("seed", range(5))
def test_the_window_stays_between_one_and_the_concurrency(seed: int) -> None:
    world = World(limit=None, concurrency=9, chance_500=0.4, chance_429=0.2, seed=seed)
    for second in range(1, 120):
        world.run(second)
        assert 1 <= world.limiter.window <= 9
        assert world.limiter.in_flight <= 9


def test_a_fault_now_and_then_does_not_narrow_the_window() -> None:
    assert World(limit=None, concurrency=40, chance_500=0.05).run(60).limiter.window >= 30


def test_an_endpoint_that_fails_in_a_row_is_left_alone_and_tried_by_one_call(clock: Clock) -> None:
    pace = RateLimiter(10, clock=clock)
    for ticket in begun(pace, 3):
        pace.failed(ticket)
    assert pace.down
    rests = []
    for _ in range(9):
        rests.append(pace.wait())
        assert 0 < rests[-1] <= 30
        clock.now += rests[-1] + 1e-9
        assert pace.wait() == 0
        trial = pace.begin(100)
        assert pace.wait() == math.inf  # until the trial is over
        pace.failed(trial)
    assert rests == sorted(rests)
    assert rests[0] < 1
    assert rests[-1] == pytest.approx(30)
    clock.now += 30
    pace.answered(pace.begin(100), 100, {})
    assert not pace.down
    assert pace.wait() == 0


def test_calls_that_were_under_way_when_it_went_down_do_not_prolong_the_rest(clock: Clock) -> None:
    pace = RateLimiter(50, clock=clock)
    for ticket in begun(pace, 50):
        clock.now += 0.001
        pace.failed(ticket)
    assert pace.wait() <= 0.5


def test_what_the_endpoint_asks_to_wait_is_waited(clock: Clock) -> None:
    pace = RateLimiter(4, clock=clock)
    first, second, third = begun(pace, 3)
    pace.throttled(first, 7.0)
    assert pace.wait() == pytest.approx(7)
    pace.throttled(second, None)  # no word of how long: what is known stays
    assert pace.wait() == pytest.approx(7)
    pace.failed(third, 9.0)
    assert pace.wait() == pytest.approx(9)


def test_however_long_it_asks_a_call_may_try_by_a_given_time(clock: Clock) -> None:
    pace = RateLimiter(4, clock=clock)
    pace.throttled(pace.begin(100), 3600.0)
    pace.open_by(5)
    assert pace.wait() == pytest.approx(5)
    pace.open_by(8)  # later than what holds already
    assert pace.wait() == pytest.approx(5)
    pace.open_by(-1)
    assert pace.wait() == 0


def test_headers_stop_it_before_a_limit_is_broken(clock: Clock) -> None:
    pace = RateLimiter(10, clock=clock)
    tickets = begun(pace, 5)
    pace.answered(tickets[0], 100, {"requests": Allowance(5, 20.0)})  # four are on their way: one is left
    assert pace.wait() == 0
    pace.begin(100)
    pace.answered(tickets[1], 100, {"requests": Allowance(4, 20.0)})  # four came after it: none is left
    assert pace.wait() > 0
    clock.now += 21
    assert pace.wait() == 0


def test_headers_about_tokens_count_what_a_call_usually_takes(clock: Clock) -> None:
    pace = RateLimiter(10, clock=clock)
    pace.answered(pace.begin(100), 1000, {"tokens": Allowance(3000, 20.0)})
    assert pace.wait() == 0
    pace.answered(pace.begin(100), 1000, {"tokens": Allowance(900, 20.0)})
    assert pace.wait() > 0


def test_old_headers_are_past(clock: Clock) -> None:
    pace = RateLimiter(10, clock=clock)
    ticket = pace.begin(100)
    clock.now += 3
    pace.answered(ticket, 100, {"requests": Allowance(0, 2.0)})
    assert pace.wait() == 0


def test_a_call_that_was_given_up_leaves_no_trace(clock: Clock) -> None:
    pace = RateLimiter(1, tpm=60_000, clock=clock)
    ticket = pace.begin(5000)
    assert pace.wait() == math.inf
    pace.abandoned(ticket)
    assert pace.wait() == 0
    assert (pace.window, pace.in_flight, pace.down) == (1, 0, False)
