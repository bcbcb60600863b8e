"""The step "solve" of the methods that work one task at a time: an accepted instruction is asked as a user would ask it."""

from __future__ import annotations

from dataclasses import replace

from selfinstruct.contracts import Ask, MethodContext
from selfinstruct.records import Candidate, ParseDefect, clean

INSTRUCTION_TOKENS = 96  # enough for some 70 words; a longer instruction is most often a model that rambles

NEEDED = ("solve", "solve_without_input")  # sections that a prompt must have for `answer`
SECTIONS = {
    "solve_system": frozenset[str](),
    "solve": frozenset({"instruction", "input", "answer_language"}),
    "solve_without_input": frozenset({"instruction", "answer_language"}),
}


async def answer(context: MethodContext, candidate: Candidate, ask: Ask) -> list[Candidate]:
    """Return a candidate with the teacher's answer as its output, asked in a chat of one question.

    Raises:
        RequestRefused: The teacher will never answer it.
        ReplyMissing: Nothing may be sent now.
    """
    task, prompt = candidate.task, context.prompt
    section = "solve" if task.input else "solve_without_input"
    values = {"instruction": task.instruction, "answer_language": context.answer_language(candidate)}
    values |= {"input": task.input} if task.input else {}
    messages = [{"role": "user", "content": prompt.fill(section, **values)}]
    if prompt.has("solve_system"):
        messages.insert(0, {"role": "system", "content": prompt.fill("solve_system")})
    key = f"{candidate.key}.{candidate.position}/solve"
    reply = await ask(key, context.request("solve", key, messages=messages))
    defect = ParseDefect("content_filter", "the provider cut the answer") if reply.filtered else None
    solved = replace(task, output=clean(reply.text), defect=defect, cut=reply.cut)
    return [replace(candidate, task=solved, solved_by=key)]
