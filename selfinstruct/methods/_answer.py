"""Answering an admitted instruction: what the methods that work one task at a time share."""

from __future__ import annotations

from dataclasses import replace

from selfinstruct.contracts import Ask, MethodContext
from selfinstruct.records import Candidate, ParseDefect, clean

INSTRUCTION_TOKENS = 96  # room for an instruction of some 70 words; a longer one is most often a model that rambles

NEEDED = ("solve", "solve_without_input")  # what a prompt must have for this
SECTIONS = {
    "solve_system": frozenset[str](),
    "solve": frozenset({"instruction", "input"}),
    "solve_without_input": frozenset({"instruction"}),
}


async def answer(setting: MethodContext, candidate: Candidate, ask: Ask) -> list[Candidate]:
    """Solve a candidate by a plain chat call, as any user would ask; sampled as the recipe's `solve_...` options say."""
    item, prompt = candidate.item, setting.prompt
    section = "solve" if item.input else "solve_without_input"
    values = {"instruction": item.instruction} | ({"input": item.input} if item.input else {})
    turns = [{"role": "user", "content": prompt.fill(section, **values)}]
    if prompt.has("solve_system"):
        turns.insert(0, {"role": "system", "content": prompt.fill("solve_system")})
    key = f"{candidate.key}.{candidate.position}/solve"
    reply = await ask(key, setting.request("solve", key, turns=turns))
    defect = ParseDefect("content_filter", "the provider cut the answer") if reply.filtered else None
    solved = replace(item, output=clean(reply.text), defect=defect, cut=reply.cut)
    return [replace(candidate, item=solved, solved_by=key)]
