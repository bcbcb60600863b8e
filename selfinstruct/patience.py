"""The one place where a request is tried again.

Rate limits, 5xx, timeouts, broken connections and unreadable bodies are tried again after a random, growing wait (full
jitter), or after the wait that the server asks for. What no retry can mend passes through at once.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay, wait_random_exponential

from selfinstruct.errors import TransientError
from selfinstruct.records import Reply

_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_backoff = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)


@dataclass(frozen=True, slots=True)
class Answered:
    """A reply, and how many seconds the attempt took that got it."""

    reply: Reply
    seconds: float


async def persist(
    attempt: Callable[[], Awaitable[Reply]],
    seconds: float,
    *,
    on_fault: Callable[[str], None],
    sleep: Callable[[float], Awaitable[None]],
) -> Answered:
    """Attempt until there is a reply, or until one has failed after `seconds`: then raise its TransientError.

    `on_fault` hears the cause of each failed attempt; `sleep` waits between two. Any other error is raised as it comes.
    """

    def waiting(state: RetryCallState) -> float:
        fault = state.outcome.exception() if state.outcome else None
        assert isinstance(fault, TransientError)
        on_fault(fault.cause)
        wait = _backoff(state) if fault.wait is None else fault.wait + _backoff(state) / 10
        return min(wait, max(0.0, seconds - (state.seconds_since_start or 0.0)))  # the last attempt is when patience ends

    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=stop_after_delay(seconds),
        wait=waiting,
        sleep=sleep,
        reraise=True,
    )
    async for trial in retrying:
        with trial:
            started = time.monotonic()
            reply = await attempt()
            return Answered(reply, time.monotonic() - started)
    raise AssertionError("tenacity ends with a reply or an error")
