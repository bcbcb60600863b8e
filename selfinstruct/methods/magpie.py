"""Magpie (Xu et al., 2024): an aligned model, given its chat template up to an empty user turn, writes that turn."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, Setting
from selfinstruct.methods._answer import INSTRUCTION_TOKENS, SECTIONS, answer
from selfinstruct.records import Candidate, Request

PROMPT = "magpie-chatml"
_HERE = "\0"


def magpie(setting: Setting) -> Method:
    """One task per request: the model completes an empty user turn of its chat template, then answers it; no seeds."""
    return _Magpie(setting)


class _Magpie:
    rows_at_most = 1

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        setting.prompt.require("template", *SECTIONS)
        # The template shows a whole user turn: it is cut where the instruction would stand, and what follows ends it.
        self.before, _, after = setting.prompt.fill("template", instruction=_HERE).partition(_HERE)
        end = after.split("\n")[0]
        self.stop = {"stop": [end]} if end else {}

    async def propose(self, index: int, ask: Ask) -> list[Candidate]:
        """One user turn, invented by the model; the recipe's seeds play no part in it."""
        key = str(index)
        sampling = self.setting.sampling_of("propose", index, max_tokens=INSTRUCTION_TOKENS, **self.stop)
        reply = await ask(key, Request(sampling, prompt=self.before))
        items = self.setting.notation.parse(reply.text, reply.finish_reason)
        return [Candidate(key, position, item) for position, item in enumerate(items)]

    async def solve(self, candidate: Candidate, ask: Ask) -> Candidate:
        """The same model's answer to its own question."""
        return await answer(self.setting, candidate, ask)
