"""Alpaca's method (Taori et al., 2023): one request shows a few seeds and asks for a whole list of finished tasks."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, Setting
from selfinstruct.records import Candidate, Request

PROMPT = "alpaca"


def alpaca(setting: Setting) -> Method:
    """A list of finished tasks per request: 3 sampled seeds in the prompt, the list filled up to 20 (as Alpaca)."""
    return _Alpaca(setting)


class _Alpaca:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        setting.prompt.require("user")
        self.shown = min(setting.option("seeds_per_request", 3), len(setting.seeds))
        self.total = setting.option("tasks_per_request", 20)
        self.rows_at_most = self.total - self.shown if setting.prompt.notation == "numbered" else self.total

    async def propose(self, index: int, ask: Ask) -> list[Candidate]:
        """The tasks read from the reply to root request `index`."""
        key = str(index)
        seeds = self.setting.rng(index).sample(self.setting.seeds, self.shown)
        notation = self.setting.notation
        lead = f"{self.shown + 1}. Instruction:"
        prompt = self.setting.prompt.fill(
            "user",
            count=self.total,
            next=self.shown + 1,
            examples=notation.render([seed.example for seed in seeds]),
            lead=lead,
        )
        reply = await ask(key, self._request(index, prompt))
        items = notation.parse(reply.text, reply.finish_reason)
        shown = tuple(seed.id for seed in seeds)
        return [Candidate(key, position, item, shown) for position, item in enumerate(items)]

    async def solve(self, candidate: Candidate, ask: Ask) -> Candidate:
        """Nothing to do: the list came with its outputs."""
        return candidate

    def _request(self, index: int, prompt: str) -> Request:
        sampling = self.setting.sampling_of("propose", index, **self.setting.notation.sampling())
        if self.setting.api == "completions":
            return Request(sampling, prompt=prompt)
        system = self.setting.prompt.fill("system", count=self.total) if self.setting.prompt.has("system") else ""
        messages = ({"role": "system", "content": system},) if system else ()
        return Request(sampling, messages=(*messages, {"role": "user", "content": prompt}))
