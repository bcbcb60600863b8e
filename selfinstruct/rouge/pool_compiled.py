"""Keep the pool in compiled code (the folder `kernel`)."""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfinstruct.rouge.kernel_ctypes import address, handle, library
from selfinstruct.rouge.pool import NOWHERE, EncodedTexts, Found

_NOWHERE = 0xFFFF_FFFF
_BLOCK = 4096  # texts that threads look up in parallel before they are admitted one after the other
_SHARE = 128  # texts that a thread takes at a time
_FEWEST = 512  # texts in a block and in the pool from which on threads save time

COUNTERS = ("queries", "visited", "length_or_position", "sketch", "repeated", "whole_sketch", "stopped", "finished")


class CompiledPool:
    """A pool (see `pool.Pool`) in compiled code. Up to `threads` threads work on a long batch."""

    def __init__(self, threshold: float, threads: int) -> None:
        calls = library()
        assert calls is not None
        self._calls = calls
        self._threads = threads
        self._pool = handle(self, calls.pool_new(threshold), calls.pool_free)
        self._free_queries: list[int] = []
        self._all_queries: list[int] = []
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __reduce__(self) -> Any:
        raise TypeError("CompiledPool: cannot be copied, because it is memory of this process. Fix: copy the RougeIndex.")

    @property
    def counters(self) -> dict[str, int]:
        """The number of pairs of texts that each step has handled so far, over all threads."""
        sums = [0] * len(COUNTERS)
        for query in self._all_queries:
            values = (ctypes.c_uint64 * len(COUNTERS))()
            self._calls.query_counters(query, values)
            sums = [one + other for one, other in zip(sums, values, strict=True)]
        return dict(zip(COUNTERS, sums, strict=True))

    @property
    def bytes(self) -> int:
        """The memory (bytes) that the compiled code holds."""
        return int(self._calls.pool_bytes(self._pool))

    def add(self, batch: EncodedTexts) -> None:
        self._meet(batch)
        with self._query() as query:
            _checked(self._calls.pool_add(self._pool, query, address(batch.codes), address(batch.starts), len(batch)))
        self._count += len(batch)

    def cut(self, size: int) -> None:
        self._calls.pool_cut(self._pool, size)
        self._count = size

    def look(self, batch: EncodedTexts) -> Found:
        places, commons = _room(len(batch))
        self._look(batch, 0, len(batch), places, commons)
        return _found(places, commons)

    def admit(self, batch: EncodedTexts) -> Found:
        self._meet(batch)
        places, commons = _room(len(batch))
        first = 0
        while first < len(batch):
            last = min(len(batch), first + _BLOCK)
            looked_up = 0
            if self._threads > 1 and min(last - first, self._count) >= _FEWEST:
                looked_up = self._count
                self._look(batch, first, last, places, commons)
            with self._query() as query:
                ends = (address(batch.starts, first), last - first, looked_up, address(places, first), address(commons, first))
                _checked(self._calls.pool_admit(self._pool, query, address(batch.codes), *ends))
            self._count += places[first:last].count(_NOWHERE)
            first = last
        return _found(places, commons)

    def above(self, batch: EncodedTexts) -> Found:
        places, commons = _room(len(self))
        with self._query() as query:
            sizes = (len(batch.codes), address(places), address(commons), len(places))
            count = self._calls.pool_above(self._pool, query, address(batch.codes), *sizes)
        if count < 0:
            raise MemoryError
        pairs = sorted(zip(places[:count], commons[:count], strict=True))
        return [place for place, _ in pairs], [common for _, common in pairs]

    def nearest(self, batch: EncodedTexts, before: Sequence[int], count: int) -> list[Found]:
        with self._query() as query:
            _checked(self._calls.pool_mention(self._pool, query))
        limits = array("I", before)

        def some(first: int) -> tuple[array[int], array[int], array[int]]:
            size = min(_SHARE, len(batch) - first)
            places, commons = _room(size * count)
            counts = array("I", bytes(size * limits.itemsize))
            with self._query() as query:
                ends = (address(limits, first), count, address(places), address(commons), address(counts))
                _checked(
                    self._calls.pool_nearest(self._pool, query, address(batch.codes), address(batch.starts, first), size, *ends)
                )
            return places, commons, counts

        return [
            (places[start : start + found].tolist(), commons[start : start + found].tolist())
            for places, commons, counts in self._spread(some, 0, len(batch))
            for start, found in zip(range(0, len(places), count), counts, strict=True)
        ]

    def scores(self, batch: EncodedTexts, before: Sequence[int]) -> list[NDArray[np.float64]]:
        def some(number: int) -> NDArray[np.float64]:
            scores = np.zeros(min(before[number], len(self)))
            ends = (batch.starts[number + 1] - batch.starts[number], before[number], scores.ctypes.data)
            with self._query() as query:
                start = address(batch.codes, batch.starts[number])
                _checked(self._calls.pool_scores(self._pool, query, start, *ends))
            return scores

        return self._spread(some, 0, len(batch), 1)

    def texts(self, places: Sequence[int]) -> EncodedTexts:
        batch = EncodedTexts()
        starts = (ctypes.c_int64 * (len(self) + 1)).from_address(self._calls.pool_starts(self._pool))
        if not starts[len(self)]:  # no text has tokens, so no array of tokens was allocated
            return EncodedTexts(starts=array("q", [0] * (len(places) + 1)))
        tokens = (ctypes.c_int32 * starts[len(self)]).from_address(self._calls.pool_tokens(self._pool))
        for place in places:
            batch.append(tokens[starts[place] : starts[place + 1]])
        return batch

    def _meet(self, batch: EncodedTexts) -> None:
        """Count the tokens of a new batch, and sort the tokens of all texts again where that saves time."""
        _checked(self._calls.pool_meet(self._pool, address(batch.codes), len(batch.codes)))
        if self._calls.pool_is_out_of_order(self._pool):
            with self._query() as query:
                _checked(self._calls.pool_order(self._pool, query))

    def _look(self, batch: EncodedTexts, first: int, last: int, places: array[int], commons: array[int]) -> None:
        def some(start: int) -> None:
            ends = (address(batch.starts, start), min(_SHARE, last - start), address(places, start), address(commons, start))
            with self._query() as query:
                _checked(self._calls.pool_look(self._pool, query, address(batch.codes), *ends))

        self._spread(some, first, last)

    def _spread(self, work: Callable[[int], Any], first: int, last: int, share: int | None = None) -> list[Any]:
        """Return the results of `work` for each share of the texts, in order. The compiled calls run in parallel threads.

        All threads have ended when this returns, so that none reads the pool while it changes.
        """
        shares = range(first, last, share or _SHARE)
        if self._threads == 1 or len(shares) == 1:
            return list(map(work, shares))
        with ThreadPoolExecutor(self._threads, "rouge") as threads:
            return list(threads.map(work, shares))

    @contextmanager
    def _query(self) -> Iterator[int]:
        """Yield a query object, which is the working memory of one thread at a time."""
        try:
            query = self._free_queries.pop()
        except IndexError:
            query = handle(self, self._calls.query_new(), self._calls.query_free)
            self._all_queries.append(query)
        try:
            yield query
        finally:
            self._free_queries.append(query)


def _checked(done: int) -> None:
    if not done:
        raise MemoryError


def _room(count: int) -> tuple[array[int], array[int]]:
    """Return arrays for the places and the common tokens of so many texts."""
    return array("I", bytes(4 * count)), array("q", bytes(8 * count))


def _found(places: array[int], commons: array[int]) -> Found:
    return [NOWHERE if place == _NOWHERE else place for place in places], commons.tolist()
