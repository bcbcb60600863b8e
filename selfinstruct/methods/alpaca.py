"""Alpaca's method (Taori et al., 2023): one request shows a few seeds and asks for a whole list of finished tasks."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.records import Candidate, Seed

PROMPT = "alpaca"
SECTIONS = {
    "system": frozenset({"count"}),
    "user": frozenset({"count", "examples", "next", "lead", "steering"}),
    "ends": frozenset({"after"}),  # what a line begins with at which a completion is to end
}


def alpaca(setting: MethodContext) -> Method:
    """A list of finished tasks per request: 3 sampled seeds in the prompt, the list filled up to 20 (as Alpaca)."""
    return _Alpaca(setting)


class _Alpaca:
    def __init__(self, setting: MethodContext) -> None:
        self.setting = setting
        setting.prompt.require("user")
        longest = setting.option("longest_seed_words", 0, least=0)
        self.seeds = tuple(seed for seed in setting.seeds if not longest or _words(seed) <= longest) or setting.seeds
        self.shown = min(setting.option("seeds_per_request", 3), len(self.seeds))
        self.generated = setting.option("generated_per_request", 0, least=0)
        self.total = setting.option("tasks_per_request", 20)
        shown = self.shown + self.generated
        self.rows_at_most = self.total - shown if setting.prompt.notation == "numbered" else self.total

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """The tasks read from the reply; shown are seeds, and generated tasks if the recipe wants some."""
        seeds = await turn.seeds(self.shown, self.seeds)
        generated = await turn.generated(self.generated, finished=True) if self.generated else []
        notation = self.setting.notation
        shown: list[Seed | Candidate] = [*seeds, *generated]
        prompt = await turn.fill(
            "user",
            count=self.total,
            next=len(shown) + 1,
            examples=notation.render([one.example for one in shown]),
            lead=f"{len(shown) + 1}. Instruction:",
        )
        system = self.setting.prompt.fill("system", count=self.total) if self.setting.prompt.has("system") else ""
        turns = [{"role": "system", "content": system}] if system else []
        ends = ["\n" + self.setting.prompt.fill("ends", after=self.total + 1)] if self.setting.prompt.has("ends") else []
        request = self.setting.request("propose", turn.key, prompt, turns=turns, ends=ends, **notation.sampling())
        reply = await ask(turn.key, request)
        return turn.candidates(turn.key, notation.parse(reply.text, reply.finish_reason), shown)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Nothing to do: the list came with its outputs."""
        return [candidate]


def _words(seed: Seed) -> int:
    """How long a seed is where it is shown whole."""
    example = seed.example
    return sum(len(text.split()) for text in (example.instruction, example.input, example.output))
