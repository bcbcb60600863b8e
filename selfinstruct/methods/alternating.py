"""Few-shot and Magpie in turn: tasks that follow the seeds, and tasks that the model is at home with."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.methods import few_shot as following
from selfinstruct.methods import magpie as inventing
from selfinstruct.records import Candidate

PROMPT = "alternating-chatml"
SECTIONS = {**following.SECTIONS, **inventing.SECTIONS}


def alternating(setting: MethodContext) -> Method:
    """One task per request, in turn by `few_shot` (after the seeds) and by `magpie` (the model's own choice)."""
    return _Alternating(setting)


class _Alternating:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, setting: MethodContext) -> None:
        self.methods = (following.few_shot(setting), inventing.magpie(setting))

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Even root requests show seeds, odd ones show none; the candidate's seeds tell which it was."""
        return await self.methods[turn.index % 2].propose(turn, ask)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """The same model's answer."""
        return await self.methods[candidate.root % 2].solve(candidate, ask)
