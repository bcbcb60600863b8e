"""Self-Instruct, whole (Wang et al., 2022): new instructions, is it classification, then instances of each.

Instructions are bootstrapped from tasks of the seeds and tasks that the run itself has admitted. Each admitted one is solved by
two more requests: whether it asks for one of a few labels, and then several inputs with their outputs, or, for classification,
several labels with an input for each, so that not all inputs fall under one label.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.records import Candidate, Example, ParseDefect, ParsedTask, Reply, Seed, clean

PROMPT = "self-instruct"
STEPS = ("classify", "instances")
SECTIONS = {
    "user": frozenset({"count", "examples", "next", "lead", "steering"}),
    "classify": frozenset({"instruction"}),
    "input_first": frozenset({"instruction"}),
    "output_first": frozenset({"instruction"}),
}
_HEADING = re.compile(
    r"[ \t]*[*_#]{0,3}[ \t]*(Example|Input|Output|Label|Task)[ \t]*\d*[ \t]*[*_]{0,2}[:.]?[*_]{0,2}[ \t]*", re.IGNORECASE
)


def self_instruct(setting: MethodContext) -> Method:
    """Self-Instruct in its steps: instructions from 6 seeds and 2 generated tasks, classification or not, then instances."""
    return _Staged(setting)


class _Staged:
    asks_per_task = 2  # is it classification?, and its instances

    def __init__(self, setting: MethodContext) -> None:
        self.setting = setting
        setting.prompt.require(*SECTIONS)
        longest = setting.option("longest_seed_words", 0, least=0)
        short = tuple(seed for seed in setting.seeds if not longest or len(seed.instruction.split()) <= longest)
        self.seeds = short or setting.seeds
        self.shown = setting.option("seeds_per_request", 6)
        self.generated = setting.option("generated_per_request", 2, least=0)
        self.total = setting.option("tasks_per_request", 16)
        self.instances = setting.option("instances_per_task", 5)
        self.rows_at_most = self.total - min(self.shown + self.generated, len(self.seeds))

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """The instructions with which the teacher goes on; where too few were generated yet, more seeds stand for them."""
        generated = await turn.generated(self.generated) if self.generated else []
        shown: list[Seed | Candidate] = [*await turn.seeds(self.shown + self.generated - len(generated), self.seeds), *generated]
        turn.rng.shuffle(shown)
        notation, following = self.setting.notation, len(shown) + 1
        examples = notation.render([Example(_one_line(one.example.instruction), "", "") for one in shown])
        text = await turn.fill("user", count=self.total, examples=examples, next=following, lead=f"{following}.")
        ends = ["\n\n", f"\n{self.total + 1}."]
        reply = await ask(turn.key, self.setting.request("propose", turn.key, text, ends=ends))
        items = notation.parse(_from_number(reply.text, following), reply.finish_reason)
        return turn.candidates(turn.key, [replace(item, instruction=_tidy(item.instruction)) for item in items], shown)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """The instances of a task, each a candidate; one without any is dropped as it is."""
        instruction, fill = candidate.item.instruction, self.setting.prompt.fill
        key = f"{candidate.key}.{candidate.position}"
        asked, wanted = f"{key}/classify", fill("classify", instruction=instruction)
        request = self.setting.request("classify", asked, wanted, ends=["\n"], temperature=0)
        verdict = await ask(asked, request)
        labels = bool(re.match(r"\W*yes\b", verdict.text, re.IGNORECASE))
        asked, wanted = f"{key}/instances", fill("output_first" if labels else "input_first", instruction=instruction)
        reply = await ask(asked, self.setting.request("instances", asked, wanted, ends=["\nTask:"]))
        items = _judged(candidate.item, list(_pairs(reply, labels))[: self.instances], reply)
        solved = replace(candidate, solved_by=asked, trace={**candidate.trace, "classification": labels})
        return [replace(solved, item=item, instance=number) for number, item in enumerate(items)]


def _from_number(text: str, number: int) -> str:
    """A reply from the number on with which the prompt ended: said again, after whatever announces the list, or left out."""
    again = re.search(rf"^[ \t*_]*{number}[ \t]*[.):]", text, re.MULTILINE)
    return text[again.start() :] if again else f"{number}. {text}"


def _one_line(text: str) -> str:
    """An instruction as it stands in a list: on one line, without the colon that announces an input."""
    return " ".join(text.split()).rstrip(":")


def _tidy(text: str) -> str:
    """An instruction as it is kept: with a capital at its beginning; names and acronyms keep theirs."""
    text = text.strip().rstrip(":").rstrip()
    return text[:1].upper() + text[1:]


def _pairs(reply: Reply, labels: bool) -> Iterator[tuple[str, str]]:
    """Inputs with their outputs, as they follow one another in a reply; a text without headings is an output.

    Labels may stand before their inputs, as they are asked for, or after them.
    """
    parts = [(name, text) for name, text in _parts(reply.text) if name != "example"]
    if [name for name, _ in parts] == [""] and not labels:
        yield "", parts[0][1]
    first, input, output = "", "", ""
    for name, text in parts:
        if name == "task":
            break  # it goes on with a task of its own
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
    """The parts of a text under their headings, of which the name is given in lower case; empty for what stands before."""
    parts: list[tuple[str, list[str]]] = [("", [])]
    for line in clean(text).split("\n"):
        if (heading := _HEADING.match(line)) and (
            line[: heading.end()].rstrip(" *_\t").endswith(":") or heading[1].lower() == "example"
        ):
            parts.append((heading[1].lower(), [line[heading.end() :]]))
        else:
            parts[-1][1].append(line)
    found = [(name, clean("\n".join(lines))) for name, lines in parts]
    return [(name, body) for name, body in found if name or body]


def _judged(task: ParsedTask, pairs: list[tuple[str, str]], reply: Reply) -> list[ParsedTask]:
    """The instances as items, with the flaws that only their fellows show: one input cannot have two outputs."""
    if reply.filtered:
        return [replace(task, defect=ParseDefect("content_filter", "the provider cut the instances"))]
    if not pairs:
        return [replace(task, defect=ParseDefect("no_instances"))]
    outputs = defaultdict(set)
    for input, output in pairs:
        outputs[input].add(output)
    flaws = {
        input: ParseDefect("conflicting_outputs", f"{len(these)} for one input")
        for input, these in outputs.items()
        if len(these) > 1
    }
    items = [replace(task, input=input, output=output, defect=flaws.get(input)) for input, output in pairs]
    items[-1] = replace(items[-1], cut=reply.cut)
    return items
