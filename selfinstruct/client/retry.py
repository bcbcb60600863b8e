"""The one place where a request is tried again.

Rate limits, 5xx, timeouts, broken connections and unreadable bodies are tried again after a random, growing wait (full
jitter). A rate limit needs no wait of its own: the pace of the endpoint holds all calls back for as long as it asked. What
no retry can mend passes through at once.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from selfinstruct.errors import RATE_LIMIT, TransientError

T = TypeVar("T")
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_backoff = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)


async def persist(
    attempt: Callable[[], Awaitable[T]],
    enough: Callable[[TransientError], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Attempt until there is a result, or until `enough` says so of a fault, which is then raised.

    `sleep` waits between two attempts. Any other error is raised as it comes.
    """

    def fault(state: RetryCallState) -> TransientError:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, TransientError)
        return error

    try:
        return await attempt()  # most requests need no more, and tenacity's bookkeeping costs a good part of a call
    except TransientError as error:
        if enough(error):
            raise
        await sleep(0.0 if error.cause == RATE_LIMIT else random.uniform(0, _FIRST_WAIT))
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=lambda state: enough(fault(state)),
        wait=lambda state: 0.0 if fault(state).cause == RATE_LIMIT else _backoff(state),
        sleep=sleep,
        reraise=True,
    )
    async for trial in retrying:
        with trial:
            return await attempt()
    raise AssertionError("tenacity ends with a result or an error")
