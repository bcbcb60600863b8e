"""Magpie (Xu et al., 2024): an aligned model, given its chat template up to an empty user turn, writes that turn."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.methods import _answer
from selfinstruct.methods._answer import INSTRUCTION_TOKENS, answer
from selfinstruct.records import Candidate

PROMPT = "magpie-chatml"
SECTIONS = {"template": frozenset({"instruction", "steering"}), **_answer.SECTIONS}
_HERE = "\0"


def magpie(setting: MethodContext) -> Method:
    """One task per request: the model completes an empty user turn of its chat template, then answers it; no seeds."""
    return _Magpie(setting)


class _Magpie:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, setting: MethodContext) -> None:
        self.setting = setting
        setting.prompt.require("template", *_answer.NEEDED)

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """One user turn, invented by the model; the recipe's seeds play no part in it."""
        # The template shows a whole user turn: it is cut where the instruction would stand, and what follows ends it.
        before, _, after = (await turn.fill("template", instruction=_HERE)).partition(_HERE)
        end = after.split("\n")[0]
        request = self.setting.request(
            "propose", turn.key, before, raw=True, ends=[end] if end else [], max_tokens=INSTRUCTION_TOKENS
        )
        reply = await ask(turn.key, request)
        return turn.candidates(turn.key, self.setting.notation.parse(reply.text, reply.finish_reason))

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """The same model's answer to its own question."""
        return await answer(self.setting, candidate, ask)
