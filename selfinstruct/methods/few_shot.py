"""One task at a time for small models: seeds as chat turns, then one new instruction; an admitted one is then answered."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.methods import _answer
from selfinstruct.methods._answer import INSTRUCTION_TOKENS, answer
from selfinstruct.records import Candidate, Seed

PROMPT = "few-shot"
SECTIONS = {"ask": frozenset({"steering"}), **_answer.SECTIONS}


def few_shot(setting: MethodContext) -> Method:
    """One task per request: 5 seed instructions shown as chat turns, then a new one; once admitted, it is answered."""
    return _FewShot(setting)


class _FewShot:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, setting: MethodContext) -> None:
        self.setting = setting
        setting.prompt.require("ask", *_answer.NEEDED)
        longest = setting.option("longest_seed_words", 25)
        # A task that needs an input is of no use here: only the instruction is shown and asked for.
        self.seeds = tuple(s for s in setting.seeds if not s.instances[0][0] and len(s.instruction.split()) <= longest)
        self.seeds = self.seeds or setting.seeds
        self.shown = min(setting.option("seeds_per_request", 5), len(self.seeds))
        self.generated = setting.option("generated_per_request", 0, least=0)

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """One new instruction after those of the sampled seeds, and of generated tasks if the recipe wants some."""
        shown: list[Seed | Candidate] = [*await turn.seeds(self.shown, self.seeds)]
        if self.generated:
            shown += await turn.generated(self.generated)
        turns: list[dict[str, str]] = []
        for one in shown:
            turns.append({"role": "user", "content": await turn.fill("ask", shown=one)})
            turns.append({"role": "assistant", "content": one.example.instruction})
        turns.append({"role": "user", "content": await turn.fill("ask")})
        request = self.setting.request("propose", turn.key, turns=turns, max_tokens=INSTRUCTION_TOKENS)
        reply = await ask(turn.key, request)
        return turn.candidates(turn.key, self.setting.notation.parse(reply.text, reply.finish_reason), shown)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """The teacher's answer to the instruction, asked as any user would ask."""
        return await answer(self.setting, candidate, ask)
