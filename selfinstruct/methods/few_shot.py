"""Few-shot, for small models: seeds as chat turns, then one new instruction. An accepted instruction is then answered.

This file is the example to read before you write a method. Everything that it uses is described in `contracts/methods.py`.
"""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Option, Turn
from selfinstruct.methods import _answer
from selfinstruct.methods._answer import INSTRUCTION_TOKENS, answer
from selfinstruct.records import Candidate, Seed

PROMPT = "few-shot"
SECTIONS = {"ask": frozenset({"steering"}), **_answer.SECTIONS}
OPTIONS = {
    "seeds_per_request": Option(5, "seeds shown in a request", least=1),
    "longest_seed_words": Option(25, "longest seed instruction to show, in words", least=1),
    "generated_per_request": Option(0, "accepted tasks of this run shown in a request, at most", least=0),
}


def few_shot(context: MethodContext) -> Method:
    """Ask for one instruction after 5 seed instructions shown as chat turns. Once accepted, it is answered."""
    return _FewShot(context)


class _FewShot:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, context: MethodContext) -> None:
        self.context = context
        context.prompt.require("ask", *_answer.NEEDED)
        longest = context.options["longest_seed_words"]
        # Only instructions are shown and asked for, so a seed that needs an input would be incomplete.
        fitting = [seed for seed in context.seeds if not seed.example.input and len(seed.instruction.split()) <= longest]
        self.seeds = tuple(fitting) or context.seeds

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return one new instruction, asked for after the instructions of seeds and of accepted tasks."""
        options = self.context.options
        draw = await turn.draw(options["seeds_per_request"], options["generated_per_request"], among=self.seeds)
        shown: list[Seed | Candidate] = [*draw.seeds, *draw.generated]
        messages: list[dict[str, str]] = []
        for task in shown:
            messages.append({"role": "user", "content": draw.fill("ask", shown=task)})
            messages.append({"role": "assistant", "content": task.example.instruction})
        messages.append({"role": "user", "content": draw.fill("ask")})
        request = self.context.request("propose", turn.key, messages=messages, max_tokens=INSTRUCTION_TOKENS)
        reply = await ask(turn.key, request)
        return draw.candidates(turn.key, self.context.notation.parse(reply.text, reply.finish_reason), shown)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the instruction with the teacher's answer."""
        return await answer(self.context, candidate, ask)
