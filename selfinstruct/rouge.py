"""ROUGE-L against everything that came before, deciding as `rouge_score` does.

ROUGE-L (Lin, 2004): with LCS the length of the longest common subsequence of two token lists of lengths m and n,
precision = LCS/m, recall = LCS/n, F = 2·precision·recall/(precision + recall). The tokens are `rouge_score`'s own; the
LCS comes from rapidfuzz's bit-parallel insertion/deletion distance over one character per token; precision, recall and
F are then computed by the same floating-point operations as in `rouge_score`, so that a tie at a threshold falls alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from selfinstruct.records import Neighbour

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SURROGATES = (0xD800, 0xE000)  # code points that rapidfuzz need not see
_MOST_TOKENS = 0x110000 - (_SURROGATES[1] - _SURROGATES[0])


def tokens(text: str) -> list[str]:
    """The tokens of a text as `rouge_score` makes them without stemming: lower case, runs of a-z and 0-9."""
    from rouge_score import tokenize  # brings nltk's tables; loaded when first needed

    made: list[str] = tokenize.tokenize(text, None)
    return made


class RougeIndex:
    """A growing pool of texts that answers: which are nearest to this one, and how near?"""

    def __init__(self) -> None:
        self._codes: dict[str, str] = {}
        self._encoded: list[str] = []
        self._ids: list[str] = []
        self._texts: list[str] = []

    def __len__(self) -> int:
        return len(self._encoded)

    def add(self, id: str, text: str) -> None:
        """Put a text into the pool; `id` is how neighbours will name it."""
        self._encoded.append(self._encode(text))
        self._ids.append(id)
        self._texts.append(text)

    def scores(self, text: str) -> NDArray[np.float64]:
        """The ROUGE-L F-measure of `text` to every text of the pool, in the order in which they were added."""
        import numpy as np
        from rapidfuzz.distance import Indel
        from rapidfuzz.process import cdist

        query = self._encode(text)
        if not self._encoded or not query:
            return np.zeros(len(self._encoded))
        lengths = np.fromiter(map(len, self._encoded), dtype=np.float64, count=len(self._encoded))
        distances = cdist([query], self._encoded, scorer=Indel.distance, dtype=np.uint32, workers=1)[0]
        common = (len(query) + lengths - distances) / 2
        precision = common / len(query)
        recall = np.divide(common, lengths, out=np.zeros_like(common), where=lengths > 0)
        total = precision + recall
        scores: NDArray[np.float64] = np.zeros_like(common)
        np.divide(2 * precision * recall, total, out=scores, where=total > 0)
        return scores

    def nearest(self, text: str, count: int = 10) -> tuple[Neighbour, ...]:
        """The `count` nearest texts, nearest first; of equals, the one that was added first."""
        import numpy as np

        scores = self.scores(text)
        if count < len(scores):
            least = np.partition(scores, len(scores) - count)[len(scores) - count]
            places = np.flatnonzero(scores >= least)
        else:
            places = np.arange(len(scores))
        order = places[np.argsort(-scores[places], kind="stable")][:count]
        return tuple(Neighbour(self._ids[i], float(scores[i]), self._texts[i]) for i in order)

    def _encode(self, text: str) -> str:
        return "".join(self._codes.get(token) or self._code(token) for token in tokens(text))

    def _code(self, token: str) -> str:
        number = len(self._codes)
        if number >= _MOST_TOKENS:
            raise OverflowError(f"more than {_MOST_TOKENS:,} different tokens in one pool")
        code = chr(number if number < _SURROGATES[0] else number + _SURROGATES[1] - _SURROGATES[0])
        self._codes[token] = code
        return code
