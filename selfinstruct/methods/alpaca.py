"""Alpaca's method (Taori et al., 2023): one request shows a few seeds and asks for a whole list of finished tasks."""

from __future__ import annotations

from selfinstruct.contracts import Ask, Method, MethodContext, Option, Turn
from selfinstruct.records import Candidate, Seed

PROMPT = "alpaca"
SECTIONS = {
    "system": frozenset({"count"}),
    "user": frozenset({"count", "examples", "next", "lead", "steering"}),
    "ends": frozenset({"after"}),  # the beginning of the line at which a completion stops
}
OPTIONS = {
    "seeds_per_request": Option(3, "seeds shown in a request", least=1),
    "longest_seed_words": Option(0, "longest seed to show, in words of all its texts (0: any)", least=0),
    "generated_per_request": Option(0, "accepted tasks of this run shown in a request, at most", least=0),
    "tasks_per_request": Option(20, "tasks in the list, in notation `numbered` with the tasks shown", least=1),
}
STEPS = ("propose",)


def alpaca(context: MethodContext) -> Method:
    """Ask for a list of finished tasks in each request: it begins with 3 seeds and is filled up to 20 (as Alpaca)."""
    return _Alpaca(context)


class _Alpaca:
    def __init__(self, context: MethodContext) -> None:
        self.context = context
        context.prompt.require("user")
        longest = context.options["longest_seed_words"]
        self.seeds = tuple(seed for seed in context.seeds if not longest or _words(seed) <= longest) or context.seeds
        self.total = context.options["tasks_per_request"]
        shown = min(context.options["seeds_per_request"], len(self.seeds)) + context.options["generated_per_request"]
        self.rows_at_most = self.total - shown if context.prompt.notation == "numbered" else self.total

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return the tasks of a list that begins with seeds and accepted tasks."""
        options, notation, prompt = self.context.options, self.context.notation, self.context.prompt
        draw = await turn.draw(options["seeds_per_request"], options["generated_per_request"], among=self.seeds, finished=True)
        shown: list[Seed | Candidate] = [*draw.seeds, *draw.generated]
        text = draw.fill(
            "user",
            count=self.total,
            next=len(shown) + 1,
            examples=notation.render([task.example for task in shown]),
            lead=f"{len(shown) + 1}. Instruction:",
        )
        system = prompt.fill("system", count=self.total) if prompt.has("system") else ""
        messages = [{"role": "system", "content": system}] if system else []
        stop = ["\n" + prompt.fill("ends", after=self.total + 1)] if prompt.has("ends") else []
        sampling = notation.sampling()
        request = self.context.request("propose", turn.key, text, messages=messages, completion_stop=stop, **sampling)
        reply = await ask(turn.key, request)
        return draw.candidates(turn.key, notation.parse(reply.text, reply.finish_reason), shown)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the candidate as it is: the list has outputs."""
        return [candidate]


def _words(seed: Seed) -> int:
    """Return the number of words of a seed's instruction, input and output."""
    example = seed.example
    return sum(len(text.split()) for text in (example.instruction, example.input, example.output))
