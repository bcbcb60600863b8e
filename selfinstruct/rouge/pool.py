"""Texts as whole numbers: what the index hands to a pool, and what a pool is."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1


class Batch:
    """Encoded texts, one after the other: those of text i are `codes[starts[i] : starts[i + 1]]`."""

    __slots__ = ("codes", "starts")

    def __init__(self, codes: array[int] | None = None, starts: array[int] | None = None) -> None:
        self.codes = array("i") if codes is None else codes
        self.starts = array("q", (0,)) if starts is None else starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def append(self, codes: Sequence[int]) -> None:
        """One more text."""
        self.codes.extend(codes)
        self.starts.append(len(self.codes))

    def text(self, number: int) -> array[int]:
        """The codes of one text."""
        return self.codes[self.starts[number] : self.starts[number + 1]]

    def only(self, number: int) -> Batch:
        """A batch of this text alone."""
        batch = Batch()
        batch.append(self.text(number))
        return batch

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The tokens of each text."""
        starts = np.array(self.starts, np.int64)
        return starts[1:] - starts[:-1]


Found = tuple[list[int], list[int]]  # for each text a place in the pool or NOWHERE, and the tokens in common


class Pool(Protocol):
    """Encoded texts at places 0, 1, 2, ...; near is what has a ROUGE-L F-measure above the pool's threshold."""

    def __len__(self) -> int:
        """How many texts there are."""

    def add(self, batch: Batch) -> None:
        """Put texts at the end."""

    def cut(self, size: int) -> None:
        """Forget all but the first `size` texts, and what an error left half added."""

    def look(self, batch: Batch) -> Found:
        """For each text the nearest that is near, of equals the one that was added first."""

    def admit(self, batch: Batch) -> Found:
        """The same for one text after the other, where each that is near to none is added before the next one."""

    def above(self, batch: Batch) -> Found:
        """All that are near to the only text of the batch, in the order of adding."""

    def nearest(self, batch: Batch, before: Sequence[int], count: int) -> list[Found]:
        """For each text i the nearest `count` of those at places below before[i], nearest first, of equals the earliest."""

    def scores(self, batch: Batch, before: Sequence[int]) -> list[NDArray[np.float64]]:
        """For each text i its F-measures to all at places below before[i], in the order of adding."""

    def texts(self, places: Sequence[int]) -> Batch:
        """The texts at these places."""
