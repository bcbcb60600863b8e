"""The rate limiter on a simulated clock: it uses limits without breaking them, and slows down for overload and outages."""

from __future__ import annotations

import math
from typing import Any

import pytest
from fake_openai.limits import Bucket
from fake_openai.virtual_time import World

from selfinstruct.client.rate_estimator import State
from selfinstruct.client.rate_limiter import RateLimiter, Ticket
from selfinstruct.records import Allowance

SETTLED = 10.0  # seconds


class Clock:
    """A clock whose seconds pass when a test changes `now`."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def begin_calls(limiter: RateLimiter, count: int) -> list[Ticket]:
    return [limiter.begin(100) for _ in range(count)]


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("style", ["bucket", "bare"])
def test_an_unstated_limit_is_used_and_rarely_exceeded(style: str, latency: float) -> None:
    world = World(style=style, latency=latency, concurrency=50).run(90)
    assert world.used(SETTLED) >= 0.95
    assert world.refused(SETTLED) <= 0.01


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0, 3.0])
@pytest.mark.parametrize("style", ["bucket", "bare"])
def test_an_unstated_token_limit_is_used_and_rarely_exceeded(style: str, latency: float) -> None:
    world = World(style=style, latency=latency, concurrency=50, limit=None, tokens=600_000.0, spread=0.2).run(90)
    assert world.used(SETTLED) >= 0.95
    assert world.refused(SETTLED) <= 0.01


@pytest.mark.parametrize("latency", [0.05, 0.3, 1.0, 3.0])
def test_a_stated_limit_is_used_and_not_exceeded_from_the_start(latency: float) -> None:
    calls = World(style="bare", latency=latency, concurrency=50, rpm=600).run(60)
    assert calls.used(0) >= 0.95
    assert calls.refused(0) == 0
    if latency > 1:
        return  # replies tell so late what a call takes that a token limit is exceeded at first
    tokens = World(style="bare", latency=latency, concurrency=50, limit=None, tokens=6e5, tpm=6e5, spread=0.2).run(60)
    assert tokens.used(SETTLED) >= 0.95
    assert tokens.refused(0) <= 0.01


@pytest.mark.parametrize("style", ["window", "bare-window"])
def test_a_fixed_window_is_used_up_and_not_exceeded(style: str) -> None:
    world = World(style=style, concurrency=50, window=20).run(200)
    assert world.used(0) >= 0.95
    assert world.refused(SETTLED) <= 0.01


@pytest.mark.parametrize("style", ["bucket", "bare"])
def test_a_bucket_of_one_minute_is_used_up_and_then_not_exceeded(style: str) -> None:
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
def test_refusals_by_chance_do_not_throttle_for_good(chance: float, latency: float, concurrency: int) -> None:
    world = World(limit=None, latency=latency, concurrency=concurrency, chance_429=chance).run(120)
    late = [kind for when, kind, _ in world.arrived if when >= 30]
    assert late.count("ok") >= 0.65 * 90 * concurrency / latency


def test_a_rate_that_limits_nothing_is_not_raised_forever() -> None:
    limiter = World(limit=None, latency=1.0, concurrency=8, chance_429=0.001).run(3000).limiter
    assert limiter.granted is None or limiter.granted.per_second < 1000


class Watched(World):
    """A world that notes the states of the estimator, each once."""

    def _call(self) -> tuple[Any, ...]:
        self.states = dict.fromkeys([*getattr(self, "states", ()), self.limiter._estimator.state])
        return super()._call()


@pytest.mark.parametrize(
    ("world", "states"),
    [
        ({"limit": None}, [State.UNLIMITED]),
        ({"limit": None, "chance_429": 0.05}, [State.UNLIMITED, State.TRIAL]),
        ({"style": "bare"}, [State.UNLIMITED, State.TRIAL, State.MEASURED]),
        ({"style": "bare-window", "window": 20}, [State.UNLIMITED, State.MEASURED]),
        ({"style": "bare", "chance_429": 0.02}, list(State)),
    ],
    ids=["no limit", "refusals by chance", "a limit", "a long fixed window", "a limit and refusals by chance"],
)
def test_the_estimator_goes_through_the_states_of_its_diagram(world: dict[str, Any], states: list[State]) -> None:
    watched = Watched(concurrency=50, **world)
    watched.run(60)
    assert list(watched.states) == states


def test_answers_widen_the_window_slowly_and_many_faults_halve_it(clock: Clock) -> None:
    limiter = RateLimiter(32, clock=clock)
    assert limiter.window == 32
    before = limiter.window
    for ticket in begin_calls(limiter, 32):
        limiter.failed(ticket)
    assert limiter.window == before / 2  # one cut for all faults of a moment
    for _ in range(20):
        clock.now += 40
        limiter.failed(limiter.begin(100))
    assert limiter.window == 1
    widths = []
    for _ in range(300):
        clock.now += 1
        limiter.answered(limiter.begin(100), 100, {})
        widths.append(limiter.window)
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


def test_rare_faults_do_not_narrow_the_window() -> None:
    assert World(limit=None, concurrency=40, chance_500=0.05).run(60).limiter.window >= 30


def test_an_endpoint_that_fails_in_a_row_rests_and_is_tried_by_one_call(clock: Clock) -> None:
    limiter = RateLimiter(10, clock=clock)
    for ticket in begin_calls(limiter, 3):
        limiter.failed(ticket)
    assert limiter.down
    rests = []
    for _ in range(9):
        rests.append(limiter.wait())
        assert 0 < rests[-1] <= 30
        clock.now += rests[-1] + 1e-9
        assert limiter.wait() == 0
        trial = limiter.begin(100)
        assert limiter.wait() == math.inf  # until the trial is over
        limiter.failed(trial)
    assert rests == sorted(rests)
    assert rests[0] < 1
    assert rests[-1] == pytest.approx(30)
    clock.now += 30
    limiter.answered(limiter.begin(100), 100, {})
    assert not limiter.down
    assert limiter.wait() == 0


def test_faults_of_calls_in_flight_do_not_prolong_the_rest(clock: Clock) -> None:
    limiter = RateLimiter(50, clock=clock)
    for ticket in begin_calls(limiter, 50):
        clock.now += 0.001
        limiter.failed(ticket)
    assert limiter.wait() <= 0.5


def test_the_requested_wait_is_kept(clock: Clock) -> None:
    limiter = RateLimiter(4, clock=clock)
    first, second, third = begin_calls(limiter, 3)
    limiter.throttled(first, 7.0)
    assert limiter.wait() == pytest.approx(7)
    limiter.throttled(second, None)  # without a time, the known one stays
    assert limiter.wait() == pytest.approx(7)
    limiter.failed(third, 9.0)
    assert limiter.wait() == pytest.approx(9)


def test_a_long_wait_can_be_cut_short(clock: Clock) -> None:
    limiter = RateLimiter(4, clock=clock)
    limiter.throttled(limiter.begin(100), 3600.0)
    limiter.open_by(5)
    assert limiter.wait() == pytest.approx(5)
    limiter.open_by(8)  # later than the current end of the wait
    assert limiter.wait() == pytest.approx(5)
    limiter.open_by(-1)
    assert limiter.wait() == 0


def test_headers_stop_calls_before_a_limit_is_exceeded(clock: Clock) -> None:
    limiter = RateLimiter(10, clock=clock)
    tickets = begin_calls(limiter, 5)
    limiter.answered(tickets[0], 100, {"requests": Allowance(5, 20.0)})  # four are on their way: one is left
    assert limiter.wait() == 0
    limiter.begin(100)
    limiter.answered(tickets[1], 100, {"requests": Allowance(4, 20.0)})  # four came after it: none is left
    assert limiter.wait() > 0
    clock.now += 21
    assert limiter.wait() == 0


def test_token_headers_are_counted_in_usual_calls(clock: Clock) -> None:
    limiter = RateLimiter(10, clock=clock)
    limiter.answered(limiter.begin(100), 1000, {"tokens": Allowance(3000, 20.0)})
    assert limiter.wait() == 0
    limiter.answered(limiter.begin(100), 1000, {"tokens": Allowance(900, 20.0)})
    assert limiter.wait() > 0


def test_headers_of_a_past_window_are_ignored(clock: Clock) -> None:
    limiter = RateLimiter(10, clock=clock)
    ticket = limiter.begin(100)
    clock.now += 3
    limiter.answered(ticket, 100, {"requests": Allowance(0, 2.0)})
    assert limiter.wait() == 0


def test_an_abandoned_call_leaves_no_trace(clock: Clock) -> None:
    limiter = RateLimiter(1, tpm=60_000, clock=clock)
    ticket = limiter.begin(5000)
    assert limiter.wait() == math.inf
    limiter.abandoned(ticket)
    assert limiter.wait() == 0
    assert (limiter.window, limiter.in_flight, limiter.down) == (1, 0, False)


@pytest.mark.parametrize("stated", [0.0, 0.01])
def test_refusals_that_ask_for_no_wait_are_answered_by_a_growing_one(stated: float, clock: Clock) -> None:
    limiter, moments, began = RateLimiter(8, clock=clock), 0, clock.now
    while clock.now < began + 30:
        tickets = begin_calls(limiter, 8)
        for ticket in tickets:
            limiter.throttled(ticket, stated)
        moments += 1
        clock.now += max(0.001, limiter.wait())
    assert moments <= 12, "the same refusal again and again"
    limiter.answered(limiter.begin(100), 10, {})
    limiter.throttled(limiter.begin(100), stated)
    assert limiter.wait() < 4, "an answer shows that waits help again"
