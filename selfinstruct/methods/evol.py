"""Evol-Instruct (Xu et al., 2023, WizardLM): tasks are made harder, or give rise to others, round by round.

What is evolved are the seeds, the rows of a finished run, or any Alpaca file. A task goes through its rounds in one root
request: each round takes one of five ways to make it harder, or breadth, and what a round spoils is not evolved further. The
rules of elimination are the paper's: nothing gained, an answer that evades, an answer of no words, the prompt's own words.
"""

from __future__ import annotations

import random
import re
from dataclasses import replace

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.errors import RequestRefused
from selfinstruct.methods import _answer
from selfinstruct.methods._answer import answer
from selfinstruct.records import Candidate, ParseDefect, ParsedTask, Seed

PROMPT = "evol"
STEPS = ("equal",)
OPERATIONS = ("constraints", "deepen", "concretise", "reasoning", "complicate_input", "breadth")
SECTIONS = {
    **dict.fromkeys(OPERATIONS, frozenset({"task", "steering"})),
    "equal": frozenset({"first", "second"}),
    "copied": frozenset[str](),
    **_answer.SECTIONS,
}
_EVASIVE_WORDS = 80  # an answer that says sorry and is shorter gives nothing (as in the paper)
_EMPTY = """a an and are as at be but by for from had has have he her his i if in is it its me my no not of on or our she so that
the their them then there these they this to us was we were what when which who will with you your"""


def evol(setting: MethodContext) -> Method:
    """Evol-Instruct: tasks of the seeds, a finished run or a file are made harder or varied, over 4 rounds; then answered."""
    return _Evol(setting)


class _Evol:
    asks_per_task = 2  # its round, but for the first, and its answer; a verdict comes on top

    def __init__(self, setting: MethodContext) -> None:
        self.setting = setting
        self.operations = [name for name in OPERATIONS if setting.prompt.has(name)]
        setting.prompt.require(self.operations[0] if self.operations else OPERATIONS[0], *_answer.NEEDED)
        self.rows_at_most = setting.option("rounds", 4)
        longest = setting.option("longest_task_words", 0, least=0)
        tasks = setting.source
        self.tasks = tuple(task for task in tasks if not longest or len(_text(task).split()) <= longest) or tasks
        self._order: tuple[int, list[int]] = (-1, [])
        self.judges = setting.choice("judge", "equal", "none") == "equal"
        if self.judges:
            setting.prompt.require("equal")
        words = setting.prompt.fill("copied") if setting.prompt.has("copied") else ""
        self.copied = [line.strip().lower() for line in words.split("\n") if line.strip()]

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """What the rounds make of one task, each a candidate, also those that were spoiled."""
        task = self._task(turn.index)
        now, parent = _text(task), task.id
        found: list[Candidate] = []
        for number in range(1, self.rows_at_most + 1):
            operation = turn.rng.choice(self.operations)
            key = f"{turn.index}/{number}"
            try:
                item = await self._evolved(turn, key, operation, now, ask)
            except RequestRefused as error:
                item = ParsedTask("", defect=ParseDefect("request_refused", f"{error.cause}: {error}"))
            origin = {"task": task.id, "round": number, "operation": operation, "from": parent}
            shown = [task] if self.setting.source == self.setting.seeds else []
            found += turn.candidates(key, [item], shown, evolved=origin)
            if not item.defect:
                now, parent = item.instruction, found[-1].id
        return found

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """The teacher's answer; one that shows that the task was spoiled is a flaw."""
        (solved,) = await answer(self.setting, candidate, ask)
        defect = solved.item.defect or _no_answer(solved.item.output or "")
        return [replace(solved, item=replace(solved.item, defect=defect))]

    def _task(self, index: int) -> Seed:
        """The task of a root request: all of them in a random order, then again in another one."""
        tasks = self.tasks
        again, place = divmod(index, len(tasks))
        if self._order[0] != again:
            order = random.Random(f"{self.setting.seed}/source/{again}").sample(range(len(tasks)), len(tasks))
            self._order = again, order
        return tasks[self._order[1][place]]

    async def _evolved(self, turn: Turn, key: str, operation: str, task: str, ask: Ask) -> ParsedTask:
        """What one round makes of a task; flawed where it spoils it."""
        text = await turn.fill(operation, task=task)
        reply = await ask(key, self.setting.request("propose", key, text, ends=["\nTask:", "\nNew task:"]))
        item = self.setting.notation.parse(reply.text, reply.finish_reason)[0]
        if item.defect:
            return item
        if copied := next((words for words in self.copied if words in item.instruction.lower()), ""):
            return replace(item, defect=ParseDefect("copied_prompt", copied))
        if item.instruction.casefold().split() == task.casefold().split():
            return replace(item, defect=ParseDefect("nothing_gained", "the same words"))
        if self.judges:
            text = self.setting.prompt.fill("equal", first=task, second=item.instruction)
            verdict = await ask(f"{key}/equal", self.setting.request("equal", f"{key}/equal", text, ends=["\n"], temperature=0))
            if re.match(r"\W*equal\b", verdict.text, re.IGNORECASE):
                return replace(item, defect=ParseDefect("nothing_gained", "judged equal"))
        return item


def _text(task: Seed) -> str:
    """A task as one text: its instruction, and its input below."""
    example = task.example
    return f"{example.instruction}\n\n{example.input}" if example.input else example.instruction


def _no_answer(output: str) -> ParseDefect | None:
    """The paper's signs that a task can no longer be answered."""
    words = re.findall(r"\w+", output.lower())
    if "sorry" in words and len(words) < _EVASIVE_WORDS:
        return ParseDefect("evasive_answer", f"says sorry in {len(words)} words")
    if output and set(words) <= set(_EMPTY.split()):
        return ParseDefect("empty_words", "nothing but punctuation and words without content")
    return None
