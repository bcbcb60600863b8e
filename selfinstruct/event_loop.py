"""Running a coroutine from ordinary code, whether or not an event loop is running already (as in a notebook)."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def run(make: Callable[[], Coroutine[Any, Any, T]], on_interrupt: Callable[[], None] = lambda: None) -> T:
    """The result of a coroutine. Under a running loop it gets a loop and a thread of its own: nothing is patched.

    In that thread, KeyboardInterrupt in the caller calls `on_interrupt` once and then waits for the coroutine to end.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(make())
    return _in_thread(make, on_interrupt)


def _in_thread(make: Callable[[], Coroutine[Any, Any, T]], on_interrupt: Callable[[], None]) -> T:
    results: list[T] = []
    errors: list[BaseException] = []

    ended = threading.Event()  # an interrupted `join` would take a living thread for a dead one

    def work() -> None:
        try:
            results.append(asyncio.run(make()))
        except BaseException as error:  # carried over to the caller's thread
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
