"""Tasks that are being read, and what makes it uncertain where one ends and the next begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Protocol

from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations._marks import strip
from selfinstruct.records import ParseDefect, ParsedTask


@dataclass
class Draft:
    """A task that is being read.

    Attributes:
        number: The number of the item, or None.
        separated: True if a separator stands before it.
        fields: The lines of each field that has begun.
        problem: The reason why it cannot be read for certain, or "".
    """

    number: int | None = None
    separated: bool = False
    fields: dict[str, list[str]] = field(default_factory=dict)
    problem: str = ""

    def text(self, name: str) -> str:
        """Return a field without white space and invisible characters around it."""
        return strip("\n".join(self.fields.get(name, ())))

    def doubt(self, problem: str) -> None:
        """Note a reason why the task cannot be read for certain. The first one counts."""
        self.problem = self.problem or problem

    def task(self) -> ParsedTask:
        """Return the task. It has a defect if a field is missing or could be read in two ways."""
        instruction, input = self.text("instruction"), self.text("input")
        output = self.text("output") if "output" in self.fields else None
        problem = self.problem or ("" if output is not None else "no output heading")
        if not instruction:
            problem = problem or "no instruction heading"
        return ParsedTask(
            instruction, "" if says_no_input(input) else input, output, ParseDefect("malformed", problem) if problem else None
        )


class Neighbour(Protocol):
    """A task that is being read, as far as its neighbours have to know it."""

    @property
    def number(self) -> int | None:
        """The number of the item, or None."""

    separated: bool
    fields: dict[str, list[str]]
    problem: str


def note_doubts(drafts: Sequence[Neighbour], cut: bool, counted: bool = False) -> None:
    """Give a problem to two tasks in a row if the second may be a part of the first.

    It may be if it has no separator where most tasks have one, if a heading of it is missing, or, where `counted`, if its number
    is not the next one. The last task of a reply that was cut may lack its output.
    """
    uses = 2 * sum(draft.separated for draft in drafts[1:]) > len(drafts[1:])
    for before, draft in pairwise(drafts):
        whole = "output" in before.fields and ("output" in draft.fields or (cut and draft is drafts[-1] and not uses))
        next_one = before.number is None or draft.number is None or draft.number == before.number + 1
        known = before.number is not None and draft.number == before.number + 1
        strange = not (known or cut) and not {"instruction", "output"} <= set(draft.fields)
        if strange or (
            not draft.separated
            and (uses or not whole or "instruction" not in draft.fields or ((counted or not uses) and not next_one))
        ):
            before.problem = before.problem or "this task and the next could be divided in another way"
            draft.problem = draft.problem or "this task and the one before could be divided in another way"


def dedent(drafts: Sequence[Draft], columns: Mapping[str, int]) -> None:
    """Remove the indentation of a nested Markdown list, in place.

    Args:
        drafts: The tasks of the list.
        columns: For each field the place of its heading on its line, where the headings have a bullet or an indentation.
    """
    fields = [(draft, name, lines) for draft in drafts if not draft.problem for name, lines in draft.fields.items()]
    fields = [one for one in fields if one[1] in columns and any(map(strip, one[2][1:]))]
    widths = {
        name: min(_indent(line) for _, key, lines in fields if key == name for line in lines[1:] if strip(line))
        for _, name, _ in fields
    }
    if not columns.get("output") or not widths or min(widths.values()) < 2:
        return
    nested = len(fields) > 1 and all(width in (columns[name], columns["output"]) for name, width in widths.items())
    for draft, name, lines in fields:
        if nested:
            lines[1:] = [line[widths[name] :] for line in lines[1:]]
        else:
            draft.doubt(f"the indentation of its {name} may be that of a list")


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
