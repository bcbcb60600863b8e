"""`check_rouge.py` finds no difference in a few pairs, and finds the differences of a wrong index."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import check_rouge
import numpy as np
import pytest

from selfinstruct.records import Neighbour
from selfinstruct.rouge import RougeIndex


@pytest.mark.slow
def test_a_few_pairs_show_no_difference(capsys: pytest.CaptureFixture[str]) -> None:
    assert check_rouge.main(["--small", "--seed", "1"]) == 0
    last = capsys.readouterr().out.strip().split("\n")[-1]
    assert last.endswith(": 0 differences") and "ties" in last


class NotStrict(RougeIndex):
    """Index that drops ties at the threshold."""

    def __init__(self, threshold: float, **options: Any) -> None:
        super().__init__(float(np.nextafter(threshold, 0)), **options)


class Latest(RougeIndex):
    """Index that names the latest of several equal neighbours, not the earliest."""

    def too_near_all(self, texts: Iterable[str]) -> list[Neighbour | None]:
        above = [self.above(text) for text in texts]
        return [max(found[::-1], key=lambda near: near.score, default=None) for found in above]


class AtMostSeven(RougeIndex):
    """Index that finds at most seven texts."""

    def above(self, text: str) -> list[Neighbour]:
        return super().above(text)[:7]


@pytest.mark.parametrize("wrong", [NotStrict, Latest, AtMostSeven])
def test_an_index_that_decides_differently_is_found(wrong: type[RougeIndex], monkeypatch: pytest.MonkeyPatch) -> None:
    names = [family.name for family in check_rouge.FAMILIES]
    task = check_rouge.Task(names.index("one token"), "a seed", portable=False, most=40)
    assert check_rouge.check(task).differences == 0
    monkeypatch.setattr(check_rouge, "RougeIndex", wrong)
    result = check_rouge.check(task)
    assert result.differences > 0 and result.shortest is not None and result.shortest.engine == "compiled"
