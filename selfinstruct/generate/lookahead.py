"""How many root requests to begin, so that the rows come soon and little is asked for that no row needs.

The yield is taken from the run so far, beginning with the most that the method can give, so that a run errs towards asking
too little at once, which costs a moment, and not too much, which costs money.
"""

from __future__ import annotations

from math import ceil

_BELIEF = 20  # root requests that it takes to half believe in a yield, where a wrong guess is a whole round asked too much


class Demand:
    """The root requests that `num` rows are likely to need, at `most` rows each.

    Where replies come `in_rounds`, many at once, those that will be needed are planned, at each root request in its turn:
    whatever comes together, and however often a run is interrupted, it plans the same.
    """

    def __init__(self, num: int, most: int, *, in_rounds: bool) -> None:
        self.num = num
        self.most = most
        self._in_rounds = in_rounds
        self._rows = self._roots = self._planned = 0
        self.collected(0, 0)

    def collected(self, rows: int, roots: int) -> None:
        """So many rows have come from the first so many root requests."""
        self._rows, self._roots = rows, roots
        promised = (self._planned - roots) * self._yield(_BELIEF)
        self._planned += max(0, ceil((self.num - rows - promised) / self._yield(_BELIEF)))

    def more(self, begun: int, under_way: int, window: int) -> int:
        """How many to begin now, of which at most `window` may be under way; one at least where none is."""
        wanted = self._planned - begun if self._in_rounds else ceil((self.num - self._rows) / self._yield(1)) - under_way
        return max(0 if under_way else 1, min(wanted, window - under_way))

    def _yield(self, belief: int) -> float:
        """The rows that a root request is likely to give, a little too many as long as little is known."""
        return max((self._rows + belief * self.most) / (self._roots + belief), 0.01)
