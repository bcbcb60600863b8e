"""Magpie (Xu et al., 2024): an aligned model, given its chat template up to an empty user turn, writes that turn."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Option, Turn
from selfinstruct.methods import _answer
from selfinstruct.methods._answer import INSTRUCTION_TOKENS, answer
from selfinstruct.records import Candidate

PROMPT = "magpie-chatml"
SECTIONS = {"template": frozenset({"instruction", "steering"}), **_answer.SECTIONS}
OPTIONS: dict[str, Option] = {}
_HERE = "\0"  # stands where the model is to write


def magpie(context: MethodContext) -> Method:
    """Let the model complete an empty user turn of its chat template, then answer it. Seeds are not shown."""
    return _Magpie(context)


class _Magpie:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, context: MethodContext) -> None:
        self.context = context
        context.prompt.require("template", *_answer.NEEDED)

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return one user turn that the model invents. Seeds are not shown."""
        draw = await turn.draw()
        # The template shows a whole user turn. It is cut where the instruction would stand. The text after it ends the turn.
        before, _, after = draw.fill("template", instruction=_HERE).partition(_HERE)
        end = after.split("\n")[0]
        request = self.context.request(
            "propose", turn.key, before, raw=True, completion_stop=[end] if end else [], max_tokens=INSTRUCTION_TOKENS
        )
        reply = await ask(turn.key, request)
        return draw.candidates(turn.key, self.context.notation.parse(reply.text, reply.finish_reason))

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the question with the same model's answer."""
        return await answer(self.context, candidate, ask)
