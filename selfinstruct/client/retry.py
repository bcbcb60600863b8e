"""Retry a request.

Rate limits, 5xx, timeouts, broken connections and unreadable bodies are retried. The wait before each retry is random and
grows (exponential backoff with full jitter). A rate limit needs no wait here, because the endpoint's limiter holds all calls
back for as long as the endpoint asked. A request that was refused for a field is sent again at once without it. Every other
error is raised at once. This is the only place where a call is retried.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_random_exponential

from selfinstruct.errors import RATE_LIMIT, TransientError

T = TypeVar("T")
FIELD_REFUSED, THINKING = "field_refused", "thinking"  # causes of faults after which the request is sent again, changed
AT_ONCE = {RATE_LIMIT, FIELD_REFUSED, THINKING}  # causes after which no wait is needed here
_FIRST_WAIT, _LONGEST_WAIT = 0.5, 30.0  # seconds
_backoff = wait_random_exponential(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT)


async def call_with_retries(
    attempt: Callable[[], Awaitable[T]],
    give_up: Callable[[TransientError], bool],
    sleep: Callable[[float], Awaitable[None]],
) -> T:
    """Call `attempt` until it returns, and return its result.

    `give_up` is called with each fault, and True ends the retries. `sleep` waits a number of seconds between two attempts.

    Raises:
        TransientError: the last fault, when `give_up` returned True.
    """

    def fault(state: RetryCallState) -> TransientError:
        error = state.outcome.exception() if state.outcome else None
        assert isinstance(error, TransientError)
        return error

    try:
        return await attempt()  # most requests need no more, and tenacity's bookkeeping costs a good part of a call
    except TransientError as error:
        if give_up(error):
            raise
        await sleep(0.0 if error.cause in AT_ONCE else random.uniform(0, _FIRST_WAIT))
    retrying = AsyncRetrying(
        retry=retry_if_exception_type(TransientError),
        stop=lambda state: give_up(fault(state)),
        wait=lambda state: 0.0 if fault(state).cause in AT_ONCE else _backoff(state),
        sleep=sleep,
        reraise=True,
    )
    async for trial in retrying:
        with trial:
            return await attempt()
    raise AssertionError("tenacity ends with a result or an error")
