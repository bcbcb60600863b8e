"""Self-Instruct in all its steps (Wang et al., 2022): instructions, classification or not, then instances.

New instructions are asked for after instructions of seeds and of accepted tasks. Two further requests solve each accepted
instruction:

    classify   does it ask for one of a few labels?
    instances  several inputs with their outputs, or, for classification, several labels with an input for each

Labels come first for classification, so that not all inputs fall under one label.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from selfinstruct.contracts import Ask, Method, MethodContext, Option, Turn
from selfinstruct.records import Candidate, Example, ParseDefect, ParsedTask, Reply, Seed, clean

PROMPT = "self-instruct"
STEPS = ("propose", "classify", "instances")
SECTIONS = {
    "user": frozenset({"count", "examples", "next", "lead", "steering"}),
    "classify": frozenset({"instruction"}),
    "input_first": frozenset({"instruction", "answer_language"}),
    "output_first": frozenset({"instruction", "answer_language"}),
}
OPTIONS = {
    "seeds_per_request": Option(6, "seeds shown in a request", least=1),
    "longest_seed_words": Option(0, "longest seed instruction to show, in words (0: any)", least=0),
    "generated_per_request": Option(2, "accepted tasks of this run shown in a request, else seeds", least=0),
    "tasks_per_request": Option(16, "instructions in the list, with those shown", least=1),
    "instances_per_task": Option(5, "instances of a task, at most", least=1),
}
_HEADING = re.compile(
    r"[ \t]*[*_#]{0,3}[ \t]*(Example|Input|Output|Label|Task)[ \t]*\d*[ \t]*[*_]{0,2}[:.\uff1a]?[*_]{0,2}[ \t]*", re.IGNORECASE
)


def self_instruct(context: MethodContext) -> Method:
    """Ask for instructions after 6 seeds and 2 generated tasks, whether each is classification, then for its instances."""
    return _SelfInstruct(context)


class _SelfInstruct:
    asks_per_task = 2  # "classify" and "instances"

    def __init__(self, context: MethodContext) -> None:
        self.context = context
        context.prompt.require(*SECTIONS)
        longest = context.options["longest_seed_words"]
        short = tuple(seed for seed in context.seeds if not longest or len(seed.instruction.split()) <= longest)
        self.seeds = short or context.seeds
        self.generated = context.options["generated_per_request"]
        self.shown = context.options["seeds_per_request"] + self.generated
        self.total = context.options["tasks_per_request"]
        self.rows_at_most: int = self.total - min(self.shown, len(self.seeds))

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return the instructions that the teacher adds to a list. Seeds stand in for generated tasks that do not exist yet."""
        generated = (await turn.draw(generated=self.generated)).generated
        draw = await turn.draw(self.shown - len(generated), among=self.seeds)
        shown: list[Seed | Candidate] = [*draw.seeds, *generated]
        draw.rng.shuffle(shown)
        notation, following = self.context.notation, len(shown) + 1
        examples = notation.render([Example(_one_line(task.example.instruction), "", "") for task in shown])
        text = draw.fill("user", count=self.total, examples=examples, next=following, lead=f"{following}.")
        stop = ["\n\n", f"\n{self.total + 1}."]
        reply = await ask(turn.key, self.context.request("propose", turn.key, text, completion_stop=stop))
        tasks = notation.parse(_from_number(reply.text, following), reply.finish_reason)
        return draw.candidates(turn.key, [replace(task, instruction=_tidy(task.instruction)) for task in tasks], shown)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the instances of a task, each a candidate. A task without instances is returned with a defect."""
        instruction, prompt, request = candidate.task.instruction, self.context.prompt, self.context.request
        key = f"{candidate.key}.{candidate.position}/classify"
        text = prompt.fill("classify", instruction=instruction)
        verdict = await ask(key, request("classify", key, text, completion_stop=["\n"], temperature=0))
        labels = bool(re.match(r"\W*yes\b", verdict.text, re.IGNORECASE))
        key = f"{candidate.key}.{candidate.position}/instances"
        language = self.context.answer_language(candidate)
        text = prompt.fill("output_first" if labels else "input_first", instruction=instruction, answer_language=language)
        reply = await ask(key, request("instances", key, text, completion_stop=["\nTask:"]))
        pairs = list(_pairs(reply, labels))[: self.context.options["instances_per_task"]]
        solved = replace(candidate, solved_by=key, trace={**candidate.trace, "classification": labels})
        instances = _instances(candidate.task, pairs, reply)
        return [replace(solved, task=task, instance=number) for number, task in enumerate(instances)]


def _from_number(text: str, number: int) -> str:
    """Return a reply from the number on that the prompt ended with.

    The reply may repeat the number, after words that announce the list, or leave it out.
    """
    again = re.search(rf"^[ \t*_]*{number}[ \t]*[.):]", text, re.MULTILINE)
    return text[again.start() :] if again else f"{number}. {text}"


def _one_line(text: str) -> str:
    """Return an instruction for a list: on one line, without the colon that announces an input."""
    return " ".join(text.split()).rstrip(":")


def _tidy(text: str) -> str:
    """Return an instruction with a capital at its beginning and without a colon at its end. Other capitals stay."""
    text = text.strip().rstrip(":").rstrip()
    return text[:1].upper() + text[1:]


def _pairs(reply: Reply, labels: bool) -> Iterator[tuple[str, str]]:
    """Yield the inputs of a reply with their outputs, in order. A text without headings is an output.

    `labels` is True where labels were asked for. They may stand before their inputs, as asked, or after them.
    """
    parts = [(name, text) for name, text in _parts(reply.text) if name != "example"]
    if [name for name, _ in parts] == [""] and not labels:
        yield "", parts[0][1]
    first, input, output = "", "", ""
    for name, text in parts:
        if name == "task":
            break  # the model goes on with another task
        first = first or name
        if name == "input":
            input = text
        elif name in ("label", "output"):
            output = text
        else:
            continue
        if name == ("input" if labels and first != "input" else "output") or (name == "label" and first == "input"):
            yield input, output
            input, output = ("", output) if name == "input" else ("", "")


def _parts(text: str) -> list[tuple[str, str]]:
    """Return the parts of a text with the names of their headings in lower case, "" for text before the first heading."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in clean(text).split("\n"):
        if (heading := _HEADING.match(line)) and (
            line[: heading.end()].rstrip(" *_\t").endswith((":", "\uff1a")) or heading[1].lower() == "example"
        ):
            parts.append((heading[1].lower(), [line[heading.end() :]]))
        else:
            parts[-1][1].append(line)
    bodies = [(name, clean("\n".join(lines))) for name, lines in parts]
    return [(name, body) for name, body in bodies if name or body]


def _instances(task: ParsedTask, pairs: list[tuple[str, str]], reply: Reply) -> list[ParsedTask]:
    """Return the instances of a task. An input with different outputs is a defect of all its instances."""
    if reply.filtered:
        return [replace(task, defect=ParseDefect("content_filter", "the provider cut the instances"))]
    if not pairs:
        return [replace(task, defect=ParseDefect("no_instances"))]
    outputs = defaultdict(set)
    for input, output in pairs:
        outputs[input].add(output)
    defects = {
        input: ParseDefect("conflicting_outputs", f"{len(different)} for one input")
        for input, different in outputs.items()
        if len(different) > 1
    }
    instances = [replace(task, input=input, output=output, defect=defects.get(input)) for input, output in pairs]
    instances[-1] = replace(instances[-1], cut=reply.cut)
    return instances
