"""Evol-Instruct (Xu et al., 2023, WizardLM): tasks are made harder, or turned into others, round by round.

The tasks to evolve are the seeds, the rows of a finished run, or any Alpaca file. A task goes through its rounds in one root
request. Each round makes it harder in one of five ways, or broader. A task that a round spoils is not evolved further.

The rules of elimination are the paper's:

    nothing_gained    the round changed nothing
    evasive_answer    the answer evades the task
    empty_words       the answer has no words with content
    copied_prompt     the task has the words of the prompt
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from selfinstruct.contracts import Ask, Draw, Method, MethodContext, Option, Turn
from selfinstruct.errors import RequestRefused
from selfinstruct.methods import _answer
from selfinstruct.methods._answer import answer
from selfinstruct.records import Candidate, ParseDefect, ParsedTask, Seed

PROMPT = "evol"
STEPS = ("propose", "equal", "solve")
OPERATIONS = ("constraints", "deepen", "concretise", "reasoning", "complicate_input", "breadth")
SECTIONS = {
    **dict.fromkeys(OPERATIONS, frozenset({"task", "steering"})),
    "equal": frozenset({"first", "second"}),
    "copied": frozenset[str](),
    **_answer.SECTIONS,
}
OPTIONS = {
    "rounds": Option(4, "times that a task is evolved", least=1),
    "longest_task_words": Option(0, "longest task to evolve, in words (0: any)", least=0),
    "judge": Option("equal", "ask whether a round gained anything, or not", choices=("equal", "none")),
}
_EVASIVE_WORDS = 80  # a shorter answer that says sorry is evasive (as in the paper)
_EMPTY = """a an and are as at be but by for from had has have he her his i if in is it its me my no not of on or our she so that
the their them then there these they this to us was we were what when which who will with you your"""


def evol(context: MethodContext) -> Method:
    """Make tasks of the seeds, a finished run or a file harder or varied over 4 rounds, then ask for answers (Evol-Instruct)."""
    return _Evol(context)


class _Evol:
    asks_per_task = 2  # its round, except for the first, and its answer (a judge adds one)

    def __init__(self, context: MethodContext) -> None:
        self.context = context
        prompt, options = context.prompt, context.options
        self.operations = [name for name in OPERATIONS if prompt.has(name)]
        prompt.require(self.operations[0] if self.operations else OPERATIONS[0], *_answer.NEEDED)
        self.rows_at_most: int = options["rounds"]
        longest = options["longest_task_words"]
        tasks = context.source
        self.tasks = tuple(task for task in tasks if not longest or len(_text(task).split()) <= longest) or tasks
        self._order: tuple[int, list[int]] = (-1, [])
        self.judges = options["judge"] == "equal"
        if self.judges:
            prompt.require("equal")
        words = prompt.fill("copied") if prompt.has("copied") else ""
        self.copied = [line.strip().lower() for line in words.split("\n") if line.strip()]

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return the task of each round as a candidate, also those that were spoiled."""
        source = self._task(turn.index)
        draw = await turn.draw()
        text, parent = _text(source), source.id
        candidates: list[Candidate] = []
        for number in range(1, self.rows_at_most + 1):
            operation = draw.rng.choice(self.operations)
            key = f"{turn.index}/{number}"
            try:
                task = await self._evolved(draw, key, operation, text, ask)
            except RequestRefused as error:
                task = ParsedTask("", defect=ParseDefect("request_refused", f"{error.cause}: {error}"))
            origin = {"task": source.id, "round": number, "operation": operation, "from": parent}
            shown = [source] if self.context.source == self.context.seeds else []
            candidates += draw.candidates(key, [task], shown, evolved=origin)
            if not task.defect:
                text, parent = task.instruction, candidates[-1].id
        return candidates

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the task with the teacher's answer. An answer that shows that the task was spoiled is a defect."""
        (solved,) = await answer(self.context, candidate, ask)
        defect = solved.task.defect or _no_answer(solved.task.output or "")
        return [replace(solved, task=replace(solved.task, defect=defect))]

    def _task(self, index: int) -> Seed:
        """Return the task that a root request evolves: all tasks in a random order, then again in another order."""
        tasks = self.tasks
        again, place = divmod(index, len(tasks))
        if self._order[0] != again:
            order = random.Random(f"{self.context.seed}/source/{again}").sample(range(len(tasks)), len(tasks))
            self._order = again, order
        return tasks[self._order[1][place]]

    async def _evolved(self, draw: Draw, key: str, operation: str, task: str, ask: Ask) -> ParsedTask:
        """Return the task that one round makes of a task, with a defect where the round spoils it."""
        text = draw.fill(operation, task=task)
        reply = await ask(key, self.context.request("propose", key, text, completion_stop=["\nTask:", "\nNew task:"]))
        evolved = self.context.notation.parse(reply.text, reply.finish_reason)[0]
        if evolved.defect:
            return evolved
        if copied := next((words for words in self.copied if words in evolved.instruction.lower()), ""):
            return replace(evolved, defect=ParseDefect("copied_prompt", copied))
        if evolved.instruction.casefold().split() == task.casefold().split():
            return replace(evolved, defect=ParseDefect("nothing_gained", "the same words"))
        if self.judges:
            text, key = self.context.prompt.fill("equal", first=task, second=evolved.instruction), f"{key}/equal"
            verdict = await ask(key, self.context.request("equal", key, text, completion_stop=["\n"], temperature=0))
            if re.match(r"\W*equal\b", verdict.text, re.IGNORECASE):
                return replace(evolved, defect=ParseDefect("nothing_gained", "judged equal"))
        return evolved


def _text(task: Seed) -> str:
    """Return a task as one text: its instruction, and its input below."""
    example = task.example
    return f"{example.instruction}\n\n{example.input}" if example.input else example.instruction


def _no_answer(output: str) -> ParseDefect | None:
    """Return a defect if an answer has one of the paper's signs that its task cannot be answered."""
    words = re.findall(r"\w+", output.lower())
    if "sorry" in words and len(words) < _EVASIVE_WORDS:
        return ParseDefect("evasive_answer", f"says sorry in {len(words)} words")
    if output and set(words) <= set(_EMPTY.split()):
        return ParseDefect("empty_words", "nothing but punctuation and words without content")
    return None
