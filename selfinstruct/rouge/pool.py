"""Define encoded texts, and the questions that a pool of them answers."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

NOWHERE = -1


class EncodedTexts:
    """Encoded texts in sequence. The codes of text i, a whole number for each token, are `codes[starts[i] : starts[i + 1]]`."""

    __slots__ = ("codes", "starts")

    def __init__(self, codes: array[int] | None = None, starts: array[int] | None = None) -> None:
        self.codes = array("i") if codes is None else codes
        self.starts = array("q", (0,)) if starts is None else starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    def append(self, codes: Sequence[int]) -> None:
        """Append a text."""
        self.codes.extend(codes)
        self.starts.append(len(self.codes))

    def text(self, number: int) -> array[int]:
        """Return the codes of one text."""
        return self.codes[self.starts[number] : self.starts[number + 1]]

    def only(self, number: int) -> EncodedTexts:
        """Return a batch that has one text of this one."""
        batch = EncodedTexts()
        batch.append(self.text(number))
        return batch

    @property
    def lengths(self) -> NDArray[np.int64]:
        """The number of tokens of each text."""
        starts = np.array(self.starts, np.int64)
        return starts[1:] - starts[:-1]


Found = tuple[list[int], list[int]]  # for each text a place in the pool or NOWHERE, and the number of common tokens


class Pool(Protocol):
    """Encoded texts at places 0, 1, 2, and so on. Texts are near if their F-measure is above the pool's threshold."""

    def __len__(self) -> int:
        """Return the number of texts."""

    def add(self, batch: EncodedTexts) -> None:
        """Append texts."""

    def cut(self, size: int) -> None:
        """Remove all but the first `size` texts, and any text that an error left partly added."""

    def look(self, batch: EncodedTexts) -> Found:
        """Return, for each text, the nearest text that is near. Of equally near texts, the first added counts."""

    def admit(self, batch: EncodedTexts) -> Found:
        """Return, for one text after the other, what `look` returns, and add each text that is near to none."""

    def above(self, batch: EncodedTexts) -> Found:
        """Return all texts that are near to the only text of the batch, in the order of adding."""

    def nearest(self, batch: EncodedTexts, before: Sequence[int], count: int) -> list[Found]:
        """Return, for each text i, the nearest `count` texts at places below before[i].

        They are sorted from near to far, and equally near texts by place.
        """

    def scores(self, batch: EncodedTexts, before: Sequence[int]) -> list[NDArray[np.float64]]:
        """Return, for each text i, its F-measures to all texts at places below before[i], in the order of adding."""

    def texts(self, places: Sequence[int]) -> EncodedTexts:
        """Return the texts at these places."""
