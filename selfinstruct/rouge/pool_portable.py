"""The pool without code of our own that must be compiled: numpy and rapidfuzz, which come as wheels.

Decides exactly as the compiled pool. LCS comes from rapidfuzz's bit-parallel insertion/deletion distance over one character
per token. Whether a text is above the threshold t is found by prefix filtering (Xiao et al., 2008): two texts that near share
`least(m)` tokens or more, and `least(n)` or more, where the second `the` of a text counts as another token than the first. Put
the tokens of every text into one and the same order. If s are shared, s - 3 of them come after the third, so the third is among
the first m - s + 3 of the one text and n - s + 3 of the other: it is enough to index and to look up the first
m - least(m) + 3, and to measure the texts found there 3 times (or `least(m)` times, where that is less). Any order is exact.
Here a token that was met later comes first: such tokens are rarer, and no later text can change that.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from selfinstruct.rouge.measure import f_measure, f_measures
from selfinstruct.rouge.pool import NOWHERE, Batch, Found

_SURROGATES = (0xD800, 0xE000)  # code points that rapidfuzz need not see
_MOST_TOKENS = 0x110000 - (_SURROGATES[1] - _SURROGATES[0])
_SHARED = 3  # tokens that two prefixes must share: with 1 many texts are measured for nothing, with 6 the prefixes are long
_FEW = 50  # texts that are measured faster one by one than by a vector operation
_SHORTLIST = 64  # distances of which only the least is looked at when the bound of the nearest is sought
_CELLS = 1 << 23  # distances held at a time when the neighbours of many texts are looked for: 32 MB


class PortablePool:
    """A pool (see `encoding.Pool`) on numpy and rapidfuzz."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._bound = threshold * (1 - 1e-9)  # a hair less, so that rounding makes prefixes longer and never shorter
        self._encoded: list[str] = []
        self._places: dict[str, array[int]] = {}  # of each token of a prefix, the texts in whose prefix it is

    def __len__(self) -> int:
        return len(self._encoded)

    def add(self, batch: Batch) -> None:
        for encoded in _characters(batch):
            self._add(encoded, self._prefix(encoded))

    def cut(self, size: int) -> None:
        del self._encoded[size:]
        for places in self._places.values():
            while places and places[-1] >= size:
                places.pop()

    def look(self, batch: Batch) -> Found:
        return _split([self._best(encoded, self._prefix(encoded)) for encoded in _characters(batch)])

    def admit(self, batch: Batch) -> Found:
        found = []
        for encoded in _characters(batch):
            prefix = self._prefix(encoded)
            found.append(self._best(encoded, prefix))
            if found[-1][0] == NOWHERE:
                self._add(encoded, prefix)
        return _split(found)

    def above(self, batch: Batch) -> Found:
        (encoded,) = _characters(batch)
        places = self._sharing(self._prefix(encoded), min(_SHARED, self._least(len(encoded))))
        pairs = sorted((place, self._common(encoded, place)) for place in places)
        return _split([pair for pair in pairs if self._score(encoded, *pair) > self.threshold])

    def nearest(self, batch: Batch, before: Sequence[int], count: int) -> list[Found]:
        found = []
        lengths = _lengths(self._encoded)
        rough = lengths.astype(np.float32)
        queries = list(_characters(batch))
        size = max(1, min(256, _CELLS // max(1, len(self._encoded))))
        for start in range(0, len(queries), size):
            chunk, limits = queries[start : start + size], before[start : start + size]
            table = cdist(chunk, self._encoded[: max(limits)], scorer=Indel.distance, dtype=np.float32, workers=-1)
            for query, limit, distances in zip(chunk, limits, table, strict=True):
                near = np.arange(min(count, limit))  # where no text is nearer than another
                if query:
                    near = _promising(distances[:limit] / (rough[:limit] + np.float32(len(query))), count)
                commons = ((len(query) + lengths[near] - distances[near]) / 2).astype(np.int64)
                order = np.argsort(-f_measures(commons, len(query), lengths[near]), kind="stable")[:count]
                found.append((near[order].tolist(), commons[order].tolist()))
        return found

    def scores(self, batch: Batch, before: Sequence[int]) -> list[NDArray[np.float64]]:
        return [self._scores(query, self._encoded[:limit]) for query, limit in zip(_characters(batch), before, strict=True)]

    def texts(self, places: Sequence[int]) -> Batch:
        batch = Batch()
        for place in places:
            batch.append([_code(character) for character in self._encoded[place]])
        return batch

    def _scores(self, query: str, others: Sequence[str]) -> NDArray[np.float64]:
        if not query or not others:
            return np.zeros(len(others))
        lengths = _lengths(others)
        distances = cdist([query], others, scorer=Indel.distance, dtype=np.float32, workers=1)[0]
        return f_measures((len(query) + lengths - distances) / 2, len(query), lengths)

    def _least(self, length: int) -> int:
        """Tokens that a text of this length shares at least with any text that is near."""
        return int(length * self._bound / (2 - self._bound)) + 1

    def _prefix(self, encoded: str) -> list[str]:
        """The tokens of a text that are indexed and looked up, the second of a kind as another token than the first."""
        ordered = sorted(encoded, reverse=True)
        if len(set(ordered)) < len(ordered):
            seen: dict[str, int] = {}
            for place, code in enumerate(ordered):
                seen[code] = seen.get(code, 0) + 1
                if seen[code] > 1:
                    ordered[place] = f"{code}{seen[code]}"
            ordered.sort(reverse=True)
        return ordered[: len(ordered) - self._least(len(ordered)) + _SHARED]

    def _add(self, encoded: str, prefix: list[str]) -> None:
        place, places = len(self._encoded), self._places
        for token in prefix:
            if token in places:
                places[token].append(place)
            else:
                places[token] = array("i", (place,))
        self._encoded.append(encoded)

    def _best(self, encoded: str, prefix: list[str]) -> tuple[int, int]:
        best, score = (NOWHERE, 0), self.threshold
        found = self._sharing(prefix, min(_SHARED, self._least(len(encoded))))
        if len(found) > _FEW:
            others = [self._encoded[place] for place in found]
            lengths = _lengths(others)
            distances = cdist([encoded], others, scorer=Indel.distance, dtype=np.float32, workers=1)[0]
            commons = (len(encoded) + lengths - distances) / 2
            scores = f_measures(commons, len(encoded), lengths)
            at = int(scores.argmax())
            return (found[at], int(commons[at])) if scores[at] > score else best
        for place in found:
            common = self._common(encoded, place)
            if (measure := self._score(encoded, place, common)) > score:
                best, score = (place, common), measure
        return best

    def _common(self, encoded: str, place: int) -> int:
        other = self._encoded[place]
        return (len(encoded) + len(other) - Indel.distance(encoded, other)) // 2

    def _score(self, encoded: str, place: int, common: int) -> float:
        return f_measure(common, len(encoded), len(self._encoded[place]))

    def _sharing(self, prefix: list[str], least: int) -> list[int]:
        """The places of texts whose prefix shares so many tokens with this one, in the order of adding."""
        found = list(filter(None, map(self._places.get, prefix)))
        if len(found) < least:
            return []
        places = np.frombuffer(bytearray().join(found), dtype=np.intc)
        places.sort()
        later = places[least - 1 :]
        often = later[later == places[: len(later)]]
        return list(dict.fromkeys(often.tolist()))


def _characters(batch: Batch) -> Iterator[str]:
    """Each text as a string with one character for each token."""
    first, last = _SURROGATES
    if batch.codes and max(batch.codes) >= _MOST_TOKENS:
        raise OverflowError(f"more than {_MOST_TOKENS:,} different tokens in one pool; the compiled index has no such limit")
    for number in range(len(batch)):
        yield "".join([chr(code if code < first else code + last - first) for code in batch.text(number)])


def _code(character: str) -> int:
    code = ord(character)
    return code if code < _SURROGATES[0] else code - (_SURROGATES[1] - _SURROGATES[0])


def _split(pairs: Sequence[tuple[int, int]]) -> Found:
    return [place for place, _ in pairs], [common for _, common in pairs]


def _lengths(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.fromiter(map(len, texts), dtype=np.float64, count=len(texts))


def _promising(distances: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The places of the `count` least, and of all that rounding might have put among them or beside them."""
    least, groups = distances, len(distances) // _SHORTLIST
    if groups > count:  # as many groups as that have a member at or below the bound: quicker to find than the least themselves
        least = distances[: groups * _SHORTLIST].reshape(_SHORTLIST, groups).min(axis=0)
    if not 0 < count < len(least):
        return np.arange(len(distances))
    return np.flatnonzero(distances <= np.partition(least, count - 1)[count - 1] + np.float32(1e-5))
