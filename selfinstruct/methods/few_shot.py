"""One task at a time for small models: seeds as chat turns, then one new instruction; an admitted one is then answered."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, Setting
from selfinstruct.methods._answer import INSTRUCTION_TOKENS, SECTIONS, answer
from selfinstruct.records import Candidate, Request, Seed

PROMPT = "few-shot"


def few_shot(setting: Setting) -> Method:
    """One task per request: 5 seed instructions shown as chat turns, then a new one; once admitted, it is answered."""
    return _FewShot(setting)


class _FewShot:
    rows_at_most = 1

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        setting.prompt.require("ask", *SECTIONS)
        longest = setting.option("longest_seed_words", 25)
        # A task that needs an input is of no use here: only the instruction is shown and asked for.
        self.seeds = tuple(s for s in setting.seeds if not s.instances[0][0] and len(s.instruction.split()) <= longest)
        self.seeds = self.seeds or setting.seeds
        self.shown = min(setting.option("seeds_per_request", 5), len(self.seeds))

    async def propose(self, index: int, ask: Ask) -> list[Candidate]:
        """One new instruction after the sampled seeds' instructions."""
        key = str(index)
        seeds = self.setting.rng(index).sample(self.seeds, self.shown)
        sampling = self.setting.sampling_of("propose", index, max_tokens=INSTRUCTION_TOKENS)
        reply = await ask(key, Request(sampling, messages=self._turns(seeds)))
        items = self.setting.notation.parse(reply.text, reply.finish_reason)
        shown = tuple(seed.id for seed in seeds)
        return [Candidate(key, position, item, shown) for position, item in enumerate(items)]

    async def solve(self, candidate: Candidate, ask: Ask) -> Candidate:
        """The teacher's answer to the instruction, asked as any user would ask."""
        return await answer(self.setting, candidate, ask)

    def _turns(self, seeds: list[Seed]) -> tuple[dict[str, str], ...]:
        question = {"role": "user", "content": self.setting.prompt.fill("ask")}
        turns: list[dict[str, str]] = []
        for seed in seeds:
            turns += [question, {"role": "assistant", "content": seed.instruction}]
        return (*turns, question)
