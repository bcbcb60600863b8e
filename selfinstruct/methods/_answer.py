"""Answering an admitted instruction: what the methods that work one task at a time share."""

from __future__ import annotations

from dataclasses import replace

from selfinstruct.contracts import Ask, Setting
from selfinstruct.records import Candidate, Flaw, Request, clean

INSTRUCTION_TOKENS = 96  # room for an instruction of some 70 words; a longer one is most often a model that rambles


SECTIONS = ("solve", "solve_without_input")  # what a prompt must have for this


async def answer(setting: Setting, candidate: Candidate, ask: Ask) -> Candidate:
    """Solve a candidate by a plain chat call, as any user would ask; sampled as the recipe's `solve_...` options say."""
    item, prompt = candidate.item, setting.prompt
    section = "solve" if item.input else "solve_without_input"
    values = {"instruction": item.instruction} | ({"input": item.input} if item.input else {})
    messages: tuple[dict[str, str], ...] = ({"role": "user", "content": prompt.fill(section, **values)},)
    if prompt.has("solve_system"):
        messages = ({"role": "system", "content": prompt.fill("solve_system")}, *messages)
    sampling = setting.sampling_of("solve", int(candidate.key))
    key = f"{candidate.key}.{candidate.position}/solve"
    reply = await ask(key, Request(sampling, messages=messages))
    flaw = Flaw("content_filter", "the provider cut the answer") if reply.finish_reason == "content_filter" else None
    solved = replace(item, output=clean(reply.text), flaw=flaw, cut=reply.finish_reason == "length")
    return replace(candidate, item=solved, solved_by=key)
