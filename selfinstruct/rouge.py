"""ROUGE-L against everything that came before, deciding as `rouge_score` does.

ROUGE-L (Lin, 2004): with LCS the length of the longest common subsequence of two token lists of lengths m and n,
precision = LCS/m, recall = LCS/n, F = 2·precision·recall/(precision + recall). The tokens are `rouge_score`'s own; the
LCS comes from rapidfuzz's bit-parallel insertion/deletion distance over one character per token; precision, recall and
F are then computed by the same floating-point operations as in `rouge_score`, so that a tie at a threshold falls alike.

Whether a text of the pool is above the threshold t is found without measuring the whole pool, by prefix filtering (Xiao
et al., 2008). F = 2·LCS/(m + n) > t needs LCS > t(m + n)/2; as n is at least the LCS, this makes LCS > m·t/(2 - t), and
likewise with n. So two texts that near share `least(m)` tokens or more, and `least(n)` or more, where the second `the` of
a text counts as another token than the first. Put the tokens of every text into one and the same order. If s are shared,
s - 3 of them come after the third, so the third is among the first m - s + 3 of the one text and n - s + 3 of the other:
it is enough to index and to look up the first m - least(m) + 3, and to measure the texts found there 3 times (or
`least(m)` times, where that is less). Any order is exact. Here a token that was seen later comes first, which is quick,
for such tokens are rarer, and which no later text can change.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Indel
from rapidfuzz.process import cdist

from selfinstruct.errors import UserMistake
from selfinstruct.records import Neighbour

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TOKEN = re.compile(r"[a-z0-9]+")
_SURROGATES = (0xD800, 0xE000)  # code points that rapidfuzz need not see
_MOST_TOKENS = 0x110000 - (_SURROGATES[1] - _SURROGATES[0])
_SHARED = 3  # tokens that two prefixes must share: with 1 many texts are measured for nothing, with 6 the prefixes are long
_FEW = 50  # texts that are measured faster one by one than by a vector operation
_SHORTLIST = 64  # distances of which only the least is looked at when the bound of the nearest is sought
_CELLS = 1 << 23  # distances held at a time when the neighbours of many texts are looked for: 32 MB


def tokens(text: str) -> list[str]:
    """The tokens of a text as `rouge_score` makes them without stemming: lower case, runs of a-z and 0-9."""
    found: list[str] = _TOKEN.findall(text.lower())
    return found


class RougeIndex:
    """A growing pool of texts that answers: is one of them too near to this one, and which are nearest?

    Too near is a ROUGE-L F-measure above `threshold`, from 0 to 1.
    """

    def __init__(self, threshold: float = 0.7) -> None:
        if not 0 <= threshold <= 1:
            raise UserMistake(f"the threshold of a RougeIndex is a number from 0 to 1 (it is {threshold!r})")
        self.threshold = threshold
        self._bound = threshold * (1 - 1e-9)  # a hair less, so that rounding makes prefixes longer and never shorter
        self._codes = _Codes()
        self._encoded: list[str] = []
        self._ids: list[str] = []
        self._texts: list[str] = []
        self._places: dict[str, array[int]] = {}  # of each token of a prefix, the texts in whose prefix it is

    def __len__(self) -> int:
        return len(self._encoded)

    def add(self, id: str, text: str) -> None:
        """Put a text into the pool; `id` is how neighbours will name it."""
        encoded = self._encode(text)
        self._add(id, text, encoded, self._prefix(encoded))

    def too_near(self, text: str) -> Neighbour | None:
        """The nearest of the texts above the threshold, of equals the one that was added first; None if there is none."""
        encoded = self._encode(text)
        return self._too_near(encoded, self._prefix(encoded))

    def admit(self, id: str, text: str) -> Neighbour | None:
        """What the text is too near to; where that is nothing, the text is put into the pool."""
        encoded = self._encode(text)
        prefix = self._prefix(encoded)
        found = self._too_near(encoded, prefix)
        if found is None:
            self._add(id, text, encoded, prefix)
        return found

    def scores(self, text: str) -> NDArray[np.float64]:
        """The ROUGE-L F-measure of `text` to every text of the pool, in the order in which they were added."""
        return _scores(self._encode(text), self._encoded)

    def nearest(self, text: str, count: int = 10) -> tuple[Neighbour, ...]:
        """The `count` nearest texts, nearest first; of equals, the one that was added first."""
        scores = self.scores(text)
        places = np.arange(len(scores))
        if 0 < count < len(scores):
            places = np.flatnonzero(scores >= np.partition(scores, len(scores) - count)[len(scores) - count])
        return self._neighbours(places, scores[places], count)

    def nearest_earlier(self, ids: Sequence[str], count: int = 10) -> Iterator[tuple[Neighbour, ...]]:
        """For each of these texts of the pool, the `count` nearest that were added before it, in the order of `nearest`.

        Works in chunks of bounded memory, on all cores: for many texts far quicker than `nearest` for each.
        """
        place_of = {id: place for place, id in enumerate(self._ids)}
        places = [place_of[id] for id in ids]
        lengths = _lengths(self._encoded)
        rough = lengths.astype(np.float32)
        size = max(1, min(256, _CELLS // max(1, len(self._encoded))))
        for start in range(0, len(places), size):
            chunk = places[start : start + size]
            queries, earlier = [self._encoded[place] for place in chunk], self._encoded[: max(chunk)]
            table = cdist(queries, earlier, scorer=Indel.distance, dtype=np.float32, workers=-1)
            for query, place, distances in zip(queries, chunk, table, strict=True):
                near = np.arange(min(count, place))  # where no text is nearer than another
                if query:
                    near = _promising(distances[:place] / (rough[:place] + np.float32(len(query))), count)
                yield self._neighbours(near, _measured(len(query), lengths[near], distances[near]), count)

    def _encode(self, text: str) -> str:
        codes = self._codes
        return "".join([codes[token] for token in tokens(text)])

    def _least(self, length: int) -> int:
        """Tokens that a text of this length shares at least with any text that is too near."""
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

    def _add(self, id: str, text: str, encoded: str, prefix: list[str]) -> None:
        place, places = len(self._encoded), self._places
        for token in prefix:
            if token in places:
                places[token].append(place)
            else:
                places[token] = array("i", (place,))
        self._encoded.append(encoded)
        self._ids.append(id)
        self._texts.append(text)

    def _too_near(self, encoded: str, prefix: list[str]) -> Neighbour | None:
        best, score = -1, self.threshold
        found = self._sharing(prefix, min(_SHARED, self._least(len(encoded))))
        if len(found) > _FEW:
            scores = _scores(encoded, [self._encoded[place] for place in found])
            if scores.max() > score:
                best, score = found[int(scores.argmax())], float(scores.max())
        else:
            for place in found:
                other = self._encoded[place]
                common = (len(encoded) + len(other) - Indel.distance(encoded, other)) / 2
                precision, recall = common / len(encoded), common / len(other)
                if common and (measure := 2 * precision * recall / (precision + recall)) > score:
                    best, score = place, measure
        return None if best < 0 else Neighbour(self._ids[best], score, self._texts[best])

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

    def _neighbours(self, places: NDArray[np.intp], scores: NDArray[np.float64], count: int) -> tuple[Neighbour, ...]:
        """The best `count` of these places, given in the order of adding."""
        order = np.argsort(-scores, kind="stable")[: max(0, count)]
        best = zip(places[order].tolist(), scores[order].tolist(), strict=True)
        return tuple(Neighbour(self._ids[place], score, self._texts[place]) for place, score in best)


class _Codes(dict[str, str]):
    """One character for each token, the next one for a token that was not seen before."""

    def __missing__(self, token: str) -> str:
        number = len(self)
        if number >= _MOST_TOKENS:
            raise OverflowError(f"more than {_MOST_TOKENS:,} different tokens in one pool")
        self[token] = code = chr(number if number < _SURROGATES[0] else number + _SURROGATES[1] - _SURROGATES[0])
        return code


def _scores(query: str, others: Sequence[str]) -> NDArray[np.float64]:
    """The F-measure of one encoded text to each of the others."""
    if not others or not query:
        return np.zeros(len(others))
    distances = cdist([query], others, scorer=Indel.distance, dtype=np.float32, workers=1)[0]
    return _measured(len(query), _lengths(others), distances)


def _lengths(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.fromiter(map(len, texts), dtype=np.float64, count=len(texts))


def _measured(length: int, lengths: NDArray[np.float64], distances: NDArray[np.float32]) -> NDArray[np.float64]:
    """The F-measures that belong to insertion/deletion distances between a text and others, of these lengths."""
    scores = np.zeros(len(lengths))
    if length:
        common = (length + lengths - distances) / 2
        precision, recall = common / length, np.divide(common, lengths, out=np.zeros_like(common), where=lengths > 0)
        np.divide(2 * precision * recall, precision + recall, out=scores, where=common > 0)
    return scores


def _promising(distances: NDArray[np.float32], count: int) -> NDArray[np.intp]:
    """The places of the `count` least, and of all that rounding might have put among them or beside them."""
    least, groups = distances, len(distances) // _SHORTLIST
    if groups > count:  # as many groups as that have a member at or below the bound: quicker to find than the least themselves
        least = distances[: groups * _SHORTLIST].reshape(_SHORTLIST, groups).min(axis=0)
    if not 0 < count < len(least):
        return np.arange(len(distances))
    return np.flatnonzero(distances <= np.partition(least, count - 1)[count - 1] + np.float32(1e-5))
