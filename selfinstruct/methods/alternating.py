"""Few-shot and Magpie in turn: tasks in the manner of the seeds, and tasks of the model's own choice."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.methods import few_shot, magpie
from selfinstruct.records import Candidate

PROMPT = "alternating-chatml"
SECTIONS = {**few_shot.SECTIONS, **magpie.SECTIONS}
OPTIONS = {**few_shot.OPTIONS, **magpie.OPTIONS}


def alternating(context: MethodContext) -> Method:
    """Use `few_shot` (after the seeds) and `magpie` (the model's own choice) in turn, one task per request."""
    return _Alternating(context)


class _Alternating:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, context: MethodContext) -> None:
        self.methods = (few_shot.few_shot(context), magpie.magpie(context))

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return a task by `few_shot` for an even root request, by `magpie` for an odd one."""
        return await self.methods[turn.index % 2].propose(turn, ask)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return a task with its output, by the method that proposed it."""
        return await self.methods[candidate.root % 2].solve(candidate, ask)
