"""The index: a growing pool of texts that answers exactly as `rouge_score`, pair for pair."""

from __future__ import annotations

import os
import threading
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from selfinstruct.errors import UserMistake
from selfinstruct.records import Neighbour
from selfinstruct.rouge.kernel_ctypes import library
from selfinstruct.rouge.measure import f_measure
from selfinstruct.rouge.pool import NOWHERE, Batch, Found, Pool
from selfinstruct.rouge.pool_compiled import CompiledPool
from selfinstruct.rouge.tokens import Kind
from selfinstruct.rouge.vocabulary import CompiledWords, PortableWords, Words

_QUERIES = 4096  # texts that are encoded at a time when the neighbours of many are looked for
_MEANS = 16  # texts whose scores to all others are held at a time
_SORTED_FROM = 256  # neighbours from which on it is quicker to measure all texts and sort


class RougeIndex:
    """A growing pool of texts that answers: is one of them too near to this one, and which are nearest?

    Too near is a ROUGE-L F-measure (Lin, 2004) above `threshold`, from 0 to 1: above, as in Self-Instruct (Wang et al., 2022),
    so a score of exactly the threshold is not too near. Every answer is that of `rouge_score` on the same tokens, to the last
    bit of the score. `tokens` says how they are made: "unicode" (as `rouge_score` for ASCII text, and for all other scripts
    too) or "ascii" (as `rouge_score` for any text, which finds nothing in other scripts); `stem` stems them as `rouge_score`
    does. A text without tokens is near to nothing.

    `engine` is "compiled", "portable" (the same answers without compiled code of this package, slower) or None for the best
    there is. Long batches use up to `threads` threads of the compiled engine (None: all processors); answers do not depend on
    it. Texts have ids, by which neighbours are named; left out, the id is the place in the pool: "0", "1", ... Give each text
    another id. Several threads may use one index; they take turns. A copy, or a pickle, is made from the texts.

    Raises UserMistake for a threshold that no score can have, and for an engine that is not there. Whatever is raised while
    texts are added, the pool is then as it was before the call.
    """

    def __init__(
        self,
        threshold: float = 0.7,
        *,
        tokens: Kind = "unicode",
        stem: bool = False,
        engine: str | None = None,
        threads: int | None = None,
    ) -> None:
        if not 0 <= threshold <= 1:
            raise UserMistake(f"the threshold of a RougeIndex is a number from 0 to 1 (it is {threshold!r})")
        if threads is not None and threads < 1:
            raise UserMistake(f"a RougeIndex uses one thread or more (threads is {threads!r})")
        self.threshold = float(threshold)
        self.engine = _engine(engine)
        self._settings = {"tokens": tokens, "stem": stem, "threads": threads}
        self._pool = _pool(self.engine, self.threshold, threads)
        self._words: Words = (CompiledWords if self.engine == "compiled" else PortableWords)(tokens, stem)
        self._texts: list[str] = []
        self._ids: dict[int, str] = {}
        self._lengths = array("i")
        self._turn = threading.RLock()

    def __len__(self) -> int:
        return len(self._texts)

    def __reduce__(self) -> Any:
        with self._turn:
            return _again, (self.threshold, self.engine, self._settings, list(self._texts), dict(self._ids))

    @property
    def without_tokens(self) -> int:
        """How many texts of the pool have no tokens, so that nothing can be near to them."""
        return self._lengths.count(0)

    def ids_without_tokens(self) -> list[str]:
        """The ids of these, in the order in which they were added."""
        return [self._name(place) for place, length in enumerate(self._lengths) if not length]

    def add(self, text: str, id: str | None = None) -> None:
        """Put a text into the pool, whatever it is near to."""
        self.add_all([text], None if id is None else [id])

    def add_all(self, texts: Iterable[str], ids: Iterable[str] | None = None) -> None:
        """Put texts into the pool, whatever they are near to."""
        texts, names = _paired(texts, ids)
        with self._growing():
            batch = self._words.encode(texts)
            self._pool.add(batch)
            for text, name, length in zip(texts, names, batch.lengths.tolist(), strict=True):
                self._note(text, name, length)

    def admits(self, text: str) -> bool:
        """Whether no text of the pool is too near to this one."""
        return self.too_near(text) is None

    def too_near(self, text: str) -> Neighbour | None:
        """The nearest of the texts above the threshold, of equals the one that was added first; None if there is none."""
        return self.too_near_all([text])[0]

    def too_near_all(self, texts: Iterable[str]) -> list[Neighbour | None]:
        """The same for each of these texts; the pool stays as it is (decontamination)."""
        with self._turn:
            batch = self._words.encode(texts)
            places, commons = self._pool.look(batch)
            return [self._neighbour(*found) for found in zip(places, commons, batch.lengths.tolist(), strict=True)]

    def admit(self, text: str, id: str | None = None) -> Neighbour | None:
        """What the text is too near to; where that is nothing, the text is put into the pool."""
        return self.admit_all([text], None if id is None else [id])[0]

    def admit_all(self, texts: Iterable[str], ids: Iterable[str] | None = None) -> list[Neighbour | None]:
        """The same for one text after the other: of two that are too near to each other, the first is admitted."""
        texts, names = _paired(texts, ids)
        near: list[Neighbour | None] = []
        with self._growing():
            batch = self._words.encode(texts)
            found = zip(*self._pool.admit(batch), strict=True)
            for text, name, length, (place, common) in zip(texts, names, batch.lengths.tolist(), found, strict=True):
                near.append(self._neighbour(place, common, length))
                if place == NOWHERE:
                    self._note(text, name, length)
        return near

    def above(self, text: str) -> list[Neighbour]:
        """All texts of the pool that are too near to this one, in the order in which they were added."""
        with self._turn:
            batch = self._words.encode([text])
            return self._neighbours(self._pool.above(batch), len(batch.codes))

    def nearest(self, text: str, k: int = 10) -> tuple[Neighbour, ...]:
        """The `k` nearest texts, nearest first; of equals, the one that was added first."""
        return next(self.nearest_all([text], k))

    def nearest_all(self, texts: Sequence[str], k: int = 10) -> Iterator[tuple[Neighbour, ...]]:
        """The same for each of these texts: for many far quicker than one by one.

        Texts that are added before the last answer was taken are not among the answers.
        """
        return self._nearest_of(texts, k, len(self))

    def _nearest_of(self, texts: Sequence[str], k: int, size: int) -> Iterator[tuple[Neighbour, ...]]:
        for start in range(0, len(texts), _QUERIES):
            with self._turn:
                batch = self._words.encode(texts[start : start + _QUERIES])
                answers = self._nearest(batch, [size] * len(batch), k)
            yield from answers

    def nearest_earlier(self, ids: Sequence[str], k: int = 10) -> Iterator[tuple[Neighbour, ...]]:
        """For each of these texts of the pool, the `k` nearest that were added before it, in the order of `nearest`."""
        places = self._places(ids)
        for start in range(0, len(places), _QUERIES):
            chunk = places[start : start + _QUERIES]
            with self._turn:
                answers = self._nearest(self._pool.texts(chunk), chunk, k)
            yield from answers

    def scores(self, text: str) -> NDArray[np.float64]:
        """The ROUGE-L F-measure of `text` to every text of the pool, in the order in which they were added."""
        with self._turn:
            return self._pool.scores(self._words.encode([text]), [len(self)])[0]

    def mean(self, text: str) -> float:
        """The mean F-measure to all texts of the pool, as Alpaca wrote it for each row; 0 for an empty pool."""
        return _mean(self.scores(text))

    def mean_earlier(self, ids: Iterable[str]) -> Iterator[float]:
        """For each of these texts of the pool, the mean F-measure to all that were added before it."""
        places = self._places(ids)
        for start in range(0, len(places), _MEANS):
            chunk = places[start : start + _MEANS]
            with self._turn:
                scores = self._pool.scores(self._pool.texts(chunk), chunk)
            yield from map(_mean, scores)

    @contextmanager
    def _growing(self) -> Iterator[None]:
        """One thread at a time; the pool as it was if anything is raised."""
        with self._turn:
            size = len(self)
            try:
                yield
            except BaseException:
                self._pool.cut(size)
                del self._texts[size:], self._lengths[size:]
                self._ids = {place: id for place, id in self._ids.items() if place < size}
                raise

    def _note(self, text: str, name: str | None, length: int) -> None:
        if name is not None:
            self._ids[len(self._texts)] = name
        self._texts.append(text)
        self._lengths.append(length)

    def _places(self, ids: Iterable[str]) -> list[int]:
        place_of = {self._name(place): place for place in range(len(self))}
        try:
            return [place_of[id] for id in ids]
        except KeyError as error:
            raise UserMistake(f"no text of this RougeIndex has the id {error.args[0]!r}; check what it was added under") from None

    def _name(self, place: int) -> str:
        return self._ids.get(place, str(place))

    def _neighbour(self, place: int, common: int, length: int) -> Neighbour | None:
        if place == NOWHERE:
            return None
        return Neighbour(self._name(place), f_measure(common, length, self._lengths[place]), self._texts[place])

    def _neighbours(self, found: Found, length: int) -> list[Neighbour]:
        ids, texts, lengths = self._ids, self._texts, self._lengths
        return [
            Neighbour(ids.get(place) or self._name(place), f_measure(common, length, lengths[place]), texts[place])
            for place, common in zip(*found, strict=True)
        ]

    def _nearest(self, batch: Batch, before: Sequence[int], k: int) -> list[tuple[Neighbour, ...]]:
        k = max(0, min(k, len(self)))
        if not k:
            return [()] * len(batch)
        if k >= _SORTED_FROM:
            return [self._sorted(batch.only(number), limit, k) for number, limit in enumerate(before)]
        found = self._pool.nearest(batch, before, k)
        return [tuple(self._neighbours(*answer)) for answer in zip(found, batch.lengths.tolist(), strict=True)]

    def _sorted(self, batch: Batch, before: int, k: int) -> tuple[Neighbour, ...]:
        (scores,) = self._pool.scores(batch, [before])
        order = np.argsort(-scores, kind="stable")[:k].tolist()
        return tuple(Neighbour(self._name(place), float(scores[place]), self._texts[place]) for place in order)


def _again(threshold: float, engine: str, settings: dict[str, Any], texts: list[str], ids: dict[int, str]) -> RougeIndex:
    """A copy; by the best engine there is where this one is not."""
    there = engine == "portable" or library() is not None
    index = RougeIndex(threshold, engine=engine if there else None, **settings)
    index.add_all(texts)
    index._ids.update(ids)
    return index


def _paired(texts: Iterable[str], ids: Iterable[str] | None) -> tuple[list[str], list[str | None]]:
    """Texts, and for each an id or None; raises UserMistake where there are not as many."""
    if isinstance(texts, str):
        raise UserMistake("a RougeIndex was given one text where it takes several; put it into a list")
    texts = list(texts)
    names: list[str | None] = list(repeat(None, len(texts)) if ids is None else ids)
    if len(names) != len(texts):
        raise UserMistake(f"{len(texts):,} texts were given to a RougeIndex with {len(names):,} ids; give each text one")
    return texts, names


def _mean(scores: NDArray[np.float64]) -> float:
    return float(scores.mean()) if len(scores) else 0.0


def _engine(wanted: str | None) -> str:
    if wanted not in (None, "compiled", "portable"):
        raise UserMistake(f"the engine of a RougeIndex is compiled or portable (it is {wanted!r})")
    there = library() is not None
    if wanted == "compiled" and not there:
        raise UserMistake(
            "the compiled ROUGE engine was not built; install this package again where there is a C compiler (such as gcc)"
        )
    return wanted or ("compiled" if there else "portable")


def _pool(engine: str, threshold: float, threads: int | None) -> Pool:
    if engine == "compiled":
        return CompiledPool(threshold, threads or _processors())
    from selfinstruct.rouge.pool_portable import PortablePool

    return PortablePool(threshold)


def _processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
