"""The index: a growing pool of texts, which gives for each pair exactly the score of `rouge_score`."""

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
from selfinstruct.rouge.pool import NOWHERE, EncodedTexts, Found, Pool
from selfinstruct.rouge.pool_compiled import CompiledPool
from selfinstruct.rouge.tokens import Kind
from selfinstruct.rouge.vocabulary import CompiledVocabulary, PortableVocabulary, Vocabulary

_QUERIES = 4096  # texts encoded at a time in a search for the neighbours of many
_MEANS = 16  # texts whose scores to all others are in memory at a time
_SORTED_FROM = 256  # from this many neighbours on, it is faster to measure all texts and sort them


class RougeIndex:
    """A growing pool of texts that finds near-duplicates and nearest neighbours.

    Two texts are too near when their ROUGE-L F-measure (Lin, 2004) is above `threshold`, a number from 0 to 1. A score
    that equals the threshold is not too near, as in Self-Instruct (Wang et al., 2022). Every score equals that of
    `rouge_score` on the same tokens, to the last bit. A text without tokens is near to no text.

    Each text has an id, which names it as a neighbour and must be unique. By default it is the place in the pool: "0", "1",
    and so on. Several threads may use one index, one at a time. Copying and pickling rebuild the index from its texts.

    If an error is raised while texts are added, the pool stays as it was before the call.

    Args:
        threshold: The highest F-measure of two texts that are not too near.
        tokens: "unicode" gives the tokens of `rouge_score` for ASCII text, and tokens of all other scripts too. "ascii"
            gives the tokens of `rouge_score` for any text, which are none in other scripts.
        stem: Stem the tokens as `rouge_score` does.
        engine: "compiled", "portable" (the same answers without compiled code of this package, but slower), or None for
            the compiled one if it was built.
        threads: The most threads of the compiled engine for long batches, or None for all processors. Answers do not
            depend on it.

    Raises:
        UserMistake: `threshold`, `tokens`, `engine` or `threads` cannot be used.

    Examples:
        >>> index = RougeIndex(0.7)
        >>> index.add("Name three uses of a bicycle.")
        >>> index.too_near("Name three uses of an old bicycle.").score
        0.7692307692307692
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
            raise UserMistake(f"RougeIndex: threshold must be a number from 0 to 1 (got {threshold!r}). Fix: set it to one.")
        if threads is not None and threads < 1:
            raise UserMistake(f"RougeIndex: threads must be 1 or more (got {threads!r}). Fix: set it to 1 or more, or to None.")
        self.threshold = float(threshold)
        self.engine = _engine(engine)
        self._settings = {"tokens": tokens, "stem": stem, "threads": threads}
        self._pool = _pool(self.engine, self.threshold, threads)
        self._vocabulary: Vocabulary = (CompiledVocabulary if self.engine == "compiled" else PortableVocabulary)(tokens, stem)
        self._texts: list[str] = []
        self._ids: dict[int, str] = {}
        self._lengths = array("i")
        self._lock = threading.RLock()

    def __len__(self) -> int:
        return len(self._texts)

    def __reduce__(self) -> Any:
        with self._lock:
            return _rebuild, (self.threshold, self.engine, self._settings, list(self._texts), dict(self._ids))

    @property
    def without_tokens(self) -> int:
        """The number of texts in the pool that have no tokens, and so no near texts."""
        return self._lengths.count(0)

    def ids_without_tokens(self) -> list[str]:
        """Return the ids of the texts that have no tokens, in the order of adding."""
        return [self._name(place) for place, length in enumerate(self._lengths) if not length]

    def add(self, text: str, id: str | None = None) -> None:
        """Add a text to the pool, even if it is too near to another."""
        self.add_all([text], None if id is None else [id])

    def add_all(self, texts: Iterable[str], ids: Iterable[str] | None = None) -> None:
        """Add texts to the pool, even if some are too near to others."""
        texts, names = _paired(texts, ids)
        with self._adding():
            batch = self._vocabulary.encode(texts)
            self._pool.add(batch)
            for text, name, length in zip(texts, names, batch.lengths.tolist(), strict=True):
                self._record(text, name, length)

    def admits(self, text: str) -> bool:
        """Return True if no text of the pool is too near to `text`."""
        return self.too_near(text) is None

    def too_near(self, text: str) -> Neighbour | None:
        """Return the nearest text of the pool if it is too near, else None. Of equally near texts, the first added counts."""
        return self.too_near_all([text])[0]

    def too_near_all(self, texts: Iterable[str]) -> list[Neighbour | None]:
        """Return, for each text, what `too_near` returns. The pool does not change. Use it for decontamination."""
        with self._lock:
            batch = self._vocabulary.encode(texts)
            places, commons = self._pool.look(batch)
            return [self._neighbour(*found) for found in zip(places, commons, batch.lengths.tolist(), strict=True)]

    def admit(self, text: str, id: str | None = None) -> Neighbour | None:
        """Return the nearest text that is too near. If there is none, add `text` to the pool and return None."""
        return self.admit_all([text], None if id is None else [id])[0]

    def admit_all(self, texts: Iterable[str], ids: Iterable[str] | None = None) -> list[Neighbour | None]:
        """Return, for one text after the other, what `admit` returns. Of two texts too near to each other, the first is added."""
        texts, names = _paired(texts, ids)
        near: list[Neighbour | None] = []
        with self._adding():
            batch = self._vocabulary.encode(texts)
            found = zip(*self._pool.admit(batch), strict=True)
            for text, name, length, (place, common) in zip(texts, names, batch.lengths.tolist(), found, strict=True):
                near.append(self._neighbour(place, common, length))
                if place == NOWHERE:
                    self._record(text, name, length)
        return near

    def above(self, text: str) -> list[Neighbour]:
        """Return all texts of the pool that are too near to `text`, in the order of adding."""
        with self._lock:
            batch = self._vocabulary.encode([text])
            return self._neighbours(self._pool.above(batch), len(batch.codes))

    def nearest(self, text: str, k: int = 10) -> tuple[Neighbour, ...]:
        """Return the `k` nearest texts, nearest first. Equally near texts are in the order of adding."""
        return next(self.nearest_all([text], k))

    def nearest_all(self, texts: Sequence[str], k: int = 10) -> Iterator[tuple[Neighbour, ...]]:
        """Yield, for each text, what `nearest` returns. For many texts this is much faster than one call for each.

        Texts that are added between this call and the last answer are not among the answers.
        """
        return self._nearest_of(texts, k, len(self))

    def _nearest_of(self, texts: Sequence[str], k: int, size: int) -> Iterator[tuple[Neighbour, ...]]:
        for start in range(0, len(texts), _QUERIES):
            with self._lock:
                batch = self._vocabulary.encode(texts[start : start + _QUERIES])
                answers = self._nearest(batch, [size] * len(batch), k)
            yield from answers

    def nearest_earlier(self, ids: Sequence[str], k: int = 10) -> Iterator[tuple[Neighbour, ...]]:
        """Yield, for each text of the pool with one of these ids, the `k` nearest texts that were added before it."""
        places = self._places(ids)
        for start in range(0, len(places), _QUERIES):
            chunk = places[start : start + _QUERIES]
            with self._lock:
                answers = self._nearest(self._pool.texts(chunk), chunk, k)
            yield from answers

    def scores(self, text: str) -> NDArray[np.float64]:
        """Return the F-measure (0 to 1) of `text` to every text of the pool, in the order of adding."""
        with self._lock:
            return self._pool.scores(self._vocabulary.encode([text]), [len(self)])[0]

    def mean(self, text: str) -> float:
        """Return the mean F-measure to all texts of the pool, as Alpaca has it for each row, or 0 for an empty pool."""
        return _mean(self.scores(text))

    def mean_earlier(self, ids: Iterable[str]) -> Iterator[float]:
        """Yield, for each text of the pool with one of these ids, the mean F-measure to all texts added before it."""
        places = self._places(ids)
        for start in range(0, len(places), _MEANS):
            chunk = places[start : start + _MEANS]
            with self._lock:
                scores = self._pool.scores(self._pool.texts(chunk), chunk)
            yield from map(_mean, scores)

    @contextmanager
    def _adding(self) -> Iterator[None]:
        """Let one thread at a time add texts, and restore the pool if an error is raised."""
        with self._lock:
            size = len(self)
            try:
                yield
            except BaseException:
                self._pool.cut(size)
                del self._texts[size:], self._lengths[size:]
                self._ids = {place: id for place, id in self._ids.items() if place < size}
                raise

    def _record(self, text: str, name: str | None, length: int) -> None:
        if name is not None:
            self._ids[len(self._texts)] = name
        self._texts.append(text)
        self._lengths.append(length)

    def _places(self, ids: Iterable[str]) -> list[int]:
        place_of = {self._name(place): place for place in range(len(self))}
        try:
            return [place_of[id] for id in ids]
        except KeyError as error:
            raise UserMistake(
                f"RougeIndex: no text has the id {error.args[0]!r}. Fix: check the id that it was added with."
            ) from None

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

    def _nearest(self, batch: EncodedTexts, before: Sequence[int], k: int) -> list[tuple[Neighbour, ...]]:
        k = max(0, min(k, len(self)))
        if not k:
            return [()] * len(batch)
        if k >= _SORTED_FROM:
            return [self._sorted(batch.only(number), limit, k) for number, limit in enumerate(before)]
        found = self._pool.nearest(batch, before, k)
        return [tuple(self._neighbours(*answer)) for answer in zip(found, batch.lengths.tolist(), strict=True)]

    def _sorted(self, batch: EncodedTexts, before: int, k: int) -> tuple[Neighbour, ...]:
        (scores,) = self._pool.scores(batch, [before])
        order = np.argsort(-scores, kind="stable")[:k].tolist()
        return tuple(Neighbour(self._name(place), float(scores[place]), self._texts[place]) for place in order)


def _rebuild(threshold: float, engine: str, settings: dict[str, Any], texts: list[str], ids: dict[int, str]) -> RougeIndex:
    """Return a copy of an index, on another engine where its own is missing."""
    available = engine == "portable" or library() is not None
    index = RougeIndex(threshold, engine=engine if available else None, **settings)
    index.add_all(texts)
    index._ids.update(ids)
    return index


def _paired(texts: Iterable[str], ids: Iterable[str] | None) -> tuple[list[str], list[str | None]]:
    """Return the texts as a list, and an id or None for each. Raises UserMistake if their numbers differ."""
    if isinstance(texts, str):
        raise UserMistake("RougeIndex: texts must be a list (got one text). Fix: put the text into a list.")
    texts = list(texts)
    names: list[str | None] = list(repeat(None, len(texts)) if ids is None else ids)
    if len(names) != len(texts):
        raise UserMistake(f"RougeIndex: got {len(texts):,} texts and {len(names):,} ids. Fix: give each text one id.")
    return texts, names


def _mean(scores: NDArray[np.float64]) -> float:
    return float(scores.mean()) if len(scores) else 0.0


def _engine(wanted: str | None) -> str:
    if wanted not in (None, "compiled", "portable"):
        raise UserMistake(f"RougeIndex: engine must be compiled or portable (got {wanted!r}). Fix: set it to one, or to None.")
    available = library() is not None
    if wanted == "compiled" and not available:
        raise UserMistake(
            "RougeIndex: the compiled engine was not built. Fix: install a C compiler such as gcc, then this package again."
        )
    return wanted or ("compiled" if available else "portable")


def _pool(engine: str, threshold: float, threads: int | None) -> Pool:
    if engine == "compiled":
        return CompiledPool(threshold, threads or _processors())
    from selfinstruct.rouge.pool_portable import PortablePool

    return PortablePool(threshold)


def _processors() -> int:
    """Return the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
