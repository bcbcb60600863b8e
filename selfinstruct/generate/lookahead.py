"""The count of root requests to begin ahead, so that rows come soon and few replies are left over.

The yield is the number of rows that a root request gives. It is taken from the run so far and begins at the most that the method
can give. So a run errs towards asking too little at once, which costs a moment, and not too much, which costs money.
"""

from __future__ import annotations

from math import ceil

# Root requests until a measured yield weighs half. In rounds, a wrong guess wastes a whole round of requests.
_BELIEF, _BELIEF_IN_ROUNDS = 5, 20


class Lookahead:
    """A count of the root requests that `num` rows are likely to need, at `most` rows each.

    With `in_rounds`, replies come many at once, and the root requests that will be needed are planned. The plan changes only
    as root requests are recorded in index order, so neither rounds nor interruptions change it.
    """

    def __init__(self, num: int, most: int, *, in_rounds: bool) -> None:
        self.num = num
        self.most = most
        self.in_rounds = in_rounds
        self._rows = self._roots = self._planned = 0
        self.record(0, 0)

    def record(self, rows: int, roots: int) -> None:
        """Record that the first `roots` root requests gave `rows` rows in all."""
        self._rows, self._roots = rows, roots
        promised = (self._planned - roots) * self._yield(_BELIEF_IN_ROUNDS)
        self._planned += max(0, ceil((self.num - rows - promised) / self._yield(_BELIEF_IN_ROUNDS)))

    def to_begin(self, begun: int, under_way: int, window: int) -> int:
        """Return how many root requests to begin now.

        At most `window` may be under way at a time. Where none is, the result is at least 1.
        """
        wanted = self._planned - begun if self.in_rounds else ceil((self.num - self._rows) / self._yield(_BELIEF)) - under_way
        return max(0 if under_way else 1, min(wanted, window - under_way))

    def _yield(self, belief: int) -> float:
        """Return the rows that a root request is likely to give, a little too many while few are recorded."""
        return max((self._rows + belief * self.most) / (self._roots + belief), 0.01)
