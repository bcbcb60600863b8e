"""Run a coroutine from ordinary code, also where an event loop is running already, as in a notebook."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(make: Callable[[], Coroutine[Any, Any, T]], on_interrupt: Callable[[], None] = lambda: None) -> T:
    """Return the result of the coroutine that `make` gives, or raise what it raised.

    If an event loop is running in this thread, the coroutine runs in a loop of another thread, and the running loop is left as
    it is. Then the first KeyboardInterrupt calls `on_interrupt` and waits for the coroutine to end, and a second one does not
    wait.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    return _in_thread(make, on_interrupt)


def _in_thread(make: Callable[[], Coroutine[Any, Any, T]], on_interrupt: Callable[[], None]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []
    ended = threading.Event()  # not Thread.join: interrupted, it may take a living thread for an ended one

    def work() -> None:
        try:
            results.append(asyncio.run(make()))
        except BaseException as error:  # noqa: BLE001 (raised again in the caller's thread)
            errors.append(error)
        finally:
            ended.set()

    threading.Thread(target=work, name="selfinstruct").start()
    interrupted = False
    while not ended.is_set():
        try:
            ended.wait()
        except KeyboardInterrupt:
            if interrupted:
                raise
            interrupted = True
            on_interrupt()
    if errors:
        raise errors[0]
    if interrupted:
        raise KeyboardInterrupt
    return results[0]
