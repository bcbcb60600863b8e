"""Compute the F-measure of ROUGE-L (Lin, 2004) by the floating-point operations of `rouge_score`, so that ties are equal.

With LCS the length of the longest common subsequence of two token lists of lengths m and n: precision = LCS/m,
recall = LCS/n, F = 2 * precision * recall / (precision + recall).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def f_measure(common: int, length: int, other: int) -> float:
    """Return the F-measure (0 to 1) of two texts.

    `common` is the length of their longest common subsequence. `length` and `other` are their lengths in tokens.
    """
    if common <= 0:
        return 0.0
    precision, recall = common / length, common / other
    return 2 * precision * recall / (precision + recall)


def f_measures(common: NDArray[Any], length: int, others: NDArray[Any]) -> NDArray[np.float64]:
    """Return the F-measures of one text and many others, with arguments as those of `f_measure`."""
    scores = np.zeros(len(others))
    if length:
        precision = common / length
        recall = np.divide(common, others, out=np.zeros(len(others)), where=others > 0)
        np.divide(2 * precision * recall, precision + recall, out=scores, where=common > 0)
    return scores
