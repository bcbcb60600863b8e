"""Few-shot and Magpie in turn: tasks that follow the seeds, and tasks that the model is at home with."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, Setting
from selfinstruct.methods.few_shot import few_shot
from selfinstruct.methods.magpie import magpie
from selfinstruct.records import Candidate

PROMPT = "alternating-chatml"


def alternating(setting: Setting) -> Method:
    """One task per request, in turn by `few_shot` (after the seeds) and by `magpie` (the model's own choice)."""
    return _Alternating(setting)


class _Alternating:
    rows_at_most = 1

    def __init__(self, setting: Setting) -> None:
        self.methods = (few_shot(setting), magpie(setting))

    async def propose(self, index: int, ask: Ask) -> list[Candidate]:
        """Even root requests show seeds, odd ones show none; the candidate's seeds tell which it was."""
        return await self.methods[index % 2].propose(index, ask)

    async def solve(self, candidate: Candidate, ask: Ask) -> Candidate:
        """The same model's answer."""
        return await self.methods[int(candidate.key) % 2].solve(candidate, ask)
