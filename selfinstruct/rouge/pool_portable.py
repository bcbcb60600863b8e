"""Keep the pool on numpy and rapidfuzz, without compiled code of this package.

It decides exactly as the compiled pool. The longest common subsequence comes from rapidfuzz's bit-parallel distance of
insertions and deletions, over one character for each token.

Texts above the threshold t are found by prefix filtering (Xiao et al., 2008). Two near texts of m and n tokens share at least
`least(m)` tokens, and at least `least(n)`. The second `the` of a text counts here as another token than the first.

Sort the tokens of every text by one order. If two texts share s tokens, s - 3 of them come after the third shared one. So the
third is among the first m - s + 3 tokens of the one text and n - s + 3 of the other. It is therefore enough to index and to
look up the first m - least(m) + 3 tokens. Only texts that are found 3 times (or `least(m)` times, if that is less) are
measured. Any order gives exact results. Here, tokens that were met later come first. They are rarer, and later texts cannot
change that order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from selfinstruct.rouge.measure import f_measure, f_measures
from selfinstruct.rouge.pool import NOWHERE, EncodedTexts, Found

_SURROGATES = (0xD800, 0xE000)  # code points that are not used, because they are not characters
_MOST_TOKENS = 0x110000 - (_SURROGATES[1] - _SURROGATES[0])
_SHARED = 3  # tokens that two prefixes must share: with 1 too many texts are measured, with 6 the prefixes are long
_FEW = 50  # up to this many texts, measuring one by one is faster than a vector operation
_SHORTLIST = 64  # distances in a group, which counts as its least one in the search for a bound
_CELLS = 1 << 23  # distances in memory at a time (32 MB) in a search for the neighbours of many


class PortablePool:
    """A pool (see `pool.Pool`) on numpy and rapidfuzz."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self._bound = threshold * (1 - 1e-9)  # slightly less, so that rounding makes prefixes longer and never shorter
        self._encoded: list[str] = []
        self._places: dict[str, array[int]] = {}  # by token: the places of the texts with the token in their prefix

    def __len__(self) -> int:
        return len(self._encoded)

    def add(self, batch: EncodedTexts) -> None:
        for encoded in _characters(batch):
            self._add(encoded, self._prefix(encoded))

    def cut(self, size: int) -> None:
        del self._encoded[size:]
        for places in self._places.values():
            while places and places[-1] >= size:
                places.pop()

    def look(self, batch: EncodedTexts) -> Found:
        return _split([self._best(encoded, self._prefix(encoded)) for encoded in _characters(batch)])

    def admit(self, batch: EncodedTexts) -> Found:
        found = []
        for encoded in _characters(batch):
            prefix = self._prefix(encoded)
            found.append(self._best(encoded, prefix))
            if found[-1][0] == NOWHERE:
                self._add(encoded, prefix)
        return _split(found)

    def above(self, batch: EncodedTexts) -> Found:
        (encoded,) = _characters(batch)
        places = self._sharing(self._prefix(encoded), min(_SHARED, self._least(len(encoded))))
        pairs = sorted((place, self._common(encoded, place)) for place in places)
        return _split([pair for pair in pairs if self._score(encoded, *pair) > self.threshold])

    def nearest(self, batch: EncodedTexts, before: Sequence[int], count: int) -> list[Found]:
        found = []
        lengths = _lengths(self._encoded)
        rough = lengths.astype(np.float32)
        queries = list(_characters(batch))
        size = max(1, min(256, _CELLS // max(1, len(self._encoded))))
        for start in range(0, len(queries), size):
            chunk, limits = queries[start : start + size], before[start : start + size]
            table = cdist(chunk, self._encoded[: max(limits)], scorer=Indel.distance, dtype=np.float32, workers=-1)
            for query, limit, distances in zip(chunk, limits, table, strict=True):
                near = np.arange(min(count, limit))  # a text without tokens is equally far from all
                if query:
                    near = _promising(distances[:limit] / (rough[:limit] + np.float32(len(query))), count)
                commons = ((len(query) + lengths[near] - distances[near]) / 2).astype(np.int64)
                order = np.argsort(-f_measures(commons, len(query), lengths[near]), kind="stable")[:count]
                found.append((near[order].tolist(), commons[order].tolist()))
        return found

    def scores(self, batch: EncodedTexts, before: Sequence[int]) -> list[NDArray[np.float64]]:
        return [self._scores(query, self._encoded[:limit]) for query, limit in zip(_characters(batch), before, strict=True)]

    def texts(self, places: Sequence[int]) -> EncodedTexts:
        batch = EncodedTexts()
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
        """Return the fewest tokens that a text of this length shares with any near text."""
        return int(length * self._bound / (2 - self._bound)) + 1

    def _prefix(self, encoded: str) -> list[str]:
        """Return the tokens of a text to index and look up. A repeated token counts as another token than the first."""
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
        """Return the places of the texts that share at least `least` tokens with this prefix, in the order of adding."""
        found = list(filter(None, map(self._places.get, prefix)))
        if len(found) < least:
            return []
        places = np.frombuffer(bytearray().join(found), dtype=np.intc)
        places.sort()
        later = places[least - 1 :]
        often = later[later == places[: len(later)]]
        return list(dict.fromkeys(often.tolist()))


def _characters(batch: EncodedTexts) -> Iterator[str]:
    """Yield each text as a string with one character for each token."""
    first, last = _SURROGATES
    if batch.codes and max(batch.codes) >= _MOST_TOKENS:
        raise OverflowError(f"RougeIndex: more than {_MOST_TOKENS:,} different tokens. Fix: use the compiled engine.")
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
    """Return the places of the `count` least distances, and of all that rounding may have exchanged with them."""
    least, groups = distances, len(distances) // _SHORTLIST
    if groups > count:  # the least of each group gives a bound sooner than all distances
        least = distances[: groups * _SHORTLIST].reshape(_SHORTLIST, groups).min(axis=0)
    if not 0 < count < len(least):
        return np.arange(len(distances))
    return np.flatnonzero(distances <= np.partition(least, count - 1)[count - 1] + np.float32(1e-5))
