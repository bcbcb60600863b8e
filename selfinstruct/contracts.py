"""What you may add to this package, on one page.

A filter, a method, a teacher, a notation or an export is one file in the folder of that name, with a function of the
file's name. From outside, `"my_package.rules:no_urls"` works wherever a name does; a notebook passes the object itself.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, BinaryIO, Protocol, TypeVar

from selfinstruct.errors import RecipeError, TeacherError
from selfinstruct.journal.events import BatchState
from selfinstruct.records import Candidate, Example, ParsedTask, Passage, Rejection, Reply, Request, Seed, root_of


class Teacher(Protocol):
    """Answers requests. One call is one attempt: retries, saving and counting happen around it.

    A teacher whose provider takes batches has them as an attribute `batches` (see BatchEndpoint).
    """

    name: str
    model: str
    host: str

    async def reply(self, key: str, request: Request) -> Reply:
        """The answer, or TransientError, RequestRefused or TeacherStop."""

    async def close(self) -> None:
        """Give back connections, threads, models."""


class BatchEndpoint(Protocol):
    """What a teacher may have as `batches`: files of requests, answered together, later and at a lower price.

    All of these raise TransientError when it is unknown whether they took effect, RequestRefused or TeacherStop when they
    did not.
    """

    def path(self, request: Request) -> str:
        """Requests of the same path can go together."""

    def line(self, key: str, request: Request) -> bytes:
        """A request as a line of a batch's file."""

    async def submit(self, name: str, path: str, lines: bytes) -> str:
        """Hand in a batch under our own unique `name`; the provider's id for it."""

    async def find(self, name: str) -> str | None:
        """The id of the batch that was handed in under this name, if one was."""

    async def discard(self, name: str) -> None:
        """Delete what was uploaded for a batch that was never handed in."""

    async def look(self, id: str) -> BatchState:
        """How a batch stands."""

    def results(self, id: str) -> AsyncIterator[tuple[str, Reply | TeacherError]]:
        """The outcomes of an ended batch by request key, in any order; some may be missing, some may be there twice."""

    async def cancel(self, id: str) -> None:
        """Ask the provider to end a batch early; what is done by then is kept and charged."""


class Ask(Protocol):
    """The durable call a method is built around: the journaled reply for `key`, or a new one that is journaled first."""

    async def __call__(self, key: str, request: Request) -> Reply:
        """Raises RequestRefused when this request will never be answered, ReplyMissing when it may not be asked now."""


class Notation(Protocol):
    """How a list of tasks is written in a prompt and read from a reply; reading undoes writing for any text."""

    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """The examples as text, numbered from `start` where the notation has numbers."""

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """The tasks in a reply; what cannot be used comes back as an item with a flaw, never as an exception."""

    def sampling(self) -> Mapping[str, Any]:
        """Body fields that the notation needs in a request, such as a response format."""


class Prompt(Protocol):
    """A prompt file: named sections of text with placeholders."""

    @property
    def name(self) -> str:
        """The name by which provenance and card speak of it."""

    @property
    def digest(self) -> str:
        """A fingerprint of the file."""

    @property
    def notation(self) -> str:
        """The notation in which replies are expected."""

    def has(self, section: str) -> bool:
        """Whether the file has this section."""

    def require(self, *sections: str) -> None:
        """Raise PromptError unless the file has all of these sections; a method says so before anything is asked."""

    def fill(self, section: str, **values: object) -> str:
        """The section with its placeholders replaced; the values themselves are never looked into."""


@dataclass(frozen=True)
class TeacherProfile:
    """A teacher as methods know it: its name ("" for the only one), its weights among those that invent tasks and that do the
    rest, its API, its own sampling."""

    name: str = ""
    propose: float = 1.0
    solve: float = 1.0
    api: str = "chat"
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodContext:
    """All that a method may depend on besides its turns and replies: the frozen [generate] part, loaded.

    `source` are the tasks to evolve (the seeds, if the recipe names no others), `passages` those of the recipe's documents.
    """

    seeds: tuple[Seed, ...]
    prompt: Prompt
    notation: Notation
    seed: int = 0
    options: Mapping[str, Any] = field(default_factory=dict)
    profiles: tuple[TeacherProfile, ...] = (TeacherProfile(),)
    send_seed: bool = False
    source: tuple[Seed, ...] = ()
    passages: tuple[Passage, ...] = ()
    known_options: set[str] = field(default_factory=set)

    def rng(self, index: int, use: str = "") -> random.Random:
        """A random stream of its own for each root request and use, so that order and concurrency cannot matter."""
        return random.Random(f"{self.seed}/{index}/{use}" if use else f"{self.seed}/{index}")

    def option(self, name: str, default: int, least: int = 1) -> int:
        """A whole-number option of the method, from the recipe's [generate.options]."""
        value = self.options.get(name, default)
        self.known_options.add(name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise RecipeError(f"generate.options.{name} is a whole number from {least} up (it is {value!r})")
        return value

    def choice(self, name: str, *choices: str) -> str:
        """An option of the method that is one of these words; the first one is the default."""
        value = self.options.get(name, choices[0])
        self.known_options.add(name)
        if value not in choices:
            raise RecipeError(f"generate.options.{name} is one of {', '.join(choices)} (it is {value!r})")
        return str(value)

    def voice(self, step: str, key: str) -> TeacherProfile:
        """The teacher for a request: of the proposing mix for the step "propose", else of the solving mix."""
        weights = [voice.propose if step == "propose" else voice.solve for voice in self.profiles]
        if len(self.profiles) == 1:
            return self.profiles[0]
        return random.Random(f"{self.seed}/{key}/teacher").choices(self.profiles, weights)[0]

    def request(
        self,
        step: str,
        key: str,
        text: str = "",
        *,
        turns: Sequence[Mapping[str, str]] = (),
        raw: bool = False,
        ends: Sequence[str] = (),
        **fields: Any,
    ) -> Request:
        """The request of one step of a method under a key, to the teacher whose turn it is.

        `text` is what the user says, as a chat's message or as the text to complete, as the teacher's `api` says; with `raw`
        it is completed in any case; `ends` are where a completion ends (a chat ends by itself). `turns` are chat messages
        before it, or the whole chat, without `text`. `fields` are the method's own sampling for the step; options such as
        `solve_temperature` set a field for that step alone, and win over them. `seed` goes along where the recipe says that
        seeds are sent.
        """
        voice = self.voice(step, key)
        if self.send_seed:
            fields["seed"] = root_of(key)
        prefix = f"{step}_"
        own = {name: value for name, value in self.options.items() if name.startswith(prefix) and name not in self.known_options}
        sampling = {**voice.sampling, **fields, **{name.removeprefix(prefix): value for name, value in own.items()}}
        if raw or (voice.api == "completions" and text):
            if ends:
                sampling.setdefault("stop", list(ends))
            return Request(sampling, prompt=text, teacher=voice.name)
        last = ({"role": "user", "content": text},) if text else ()
        return Request(sampling, messages=(*turns, *last), teacher=voice.name)


class Turn(Protocol):
    """One root request's turn: its index, and what it draws, decided by the recipe, the seeds, the seed and the index.

    What was admitted plays a part too where the recipe wants that (seed sampling by `spread`, topics, generated tasks in
    prompts), but only from turns below a fixed earlier one, which are waited for: so concurrency cannot matter. The waiting
    raises ReplyMissing when the run ends first.
    """

    index: int
    rng: random.Random

    @property
    def key(self) -> str:
        """The index as a request key."""

    async def seeds(self, count: int, among: Sequence[Seed] | None = None) -> list[Seed]:
        """Seeds to show, of all or of `among`: at random, or by `spread` where the recipe says so."""

    async def generated(self, count: int, *, finished: bool = False) -> list[Candidate]:
        """Tasks to show that this run itself gave, at most `count`; `finished` ones have an output."""

    async def fill(self, section: str, shown: Seed | Candidate | None = None, **values: object) -> str:
        """A section of the prompt, its `{{steering}}` saying this turn's domain, topic and language, or a shown task's topic."""

    def candidates(self, key: str, items: Iterable[ParsedTask], shown: Iterable[Any] = (), **trace: Any) -> list[Candidate]:
        """A reply's items as candidates with their provenance: seeds and tasks `shown`, topic, language, and `trace`."""


class Method(Protocol):
    """How tasks come to be. `rows_at_most` is the most rows that one root request is likely to give; `asks_per_task`, if it is
    there, how many requests each task takes besides, which only the estimate of `--dry-run` looks at.

    The file of a method may have two more names: `PROMPT`, the prompt that it uses where none is named, and `SECTIONS`, the
    sections that it knows in a prompt and the placeholders of each, by which a prompt's mistakes are found before anything
    is asked.
    """

    rows_at_most: int

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """What the teacher invents in this turn."""

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """An admitted candidate with its output, once for each instance; called only for those that have no output."""


class Stage(Enum):
    """The moment at which a filter runs: as soon as what it reads is there."""

    PROPOSED = "proposed"  # reads instruction and input: runs before the task is solved, so a rejection saves a request
    FINISHED = "finished"  # reads the output too: runs when the task has one
    AMONG_ROWS = "among rows"  # compares with the accepted rows: runs when all earlier rows are known


@dataclass(frozen=True, slots=True)
class FilterContext:
    """Facts that a filter may read besides the example.

    Attributes:
        seed_instructions: Instructions of the seed tasks in lower case, each with and without its end mark.
        rows: The output of each accepted row by its instruction and input in lower case. Empty before `Stage.AMONG_ROWS`.
        cut: True when the reply ended at the token limit inside this example.
    """

    seed_instructions: frozenset[str]
    rows: Mapping[tuple[str, str], str]
    cut: bool = False


class Filter(Protocol):
    """A plain function that rejects or accepts an example. Add `@filter(...)` for another stage or for some languages only."""

    def __call__(self, example: Example, context: FilterContext, **options: Any) -> Rejection | None:
        """Return a Rejection, or None to accept. Options are keyword parameters with defaults."""


FilterFunction = TypeVar("FilterFunction", bound=Callable[..., Rejection | None])


def filter(*, stage: Stage = Stage.FINISHED, languages: str | Sequence[str] = ()) -> Callable[[FilterFunction], FilterFunction]:
    """Return a decorator that sets a filter's `stage` and `languages`. A filter without it runs at `Stage.FINISHED`.

    `languages` are codes such as "en". For a dataset in another language, the filter is off by default.
    """
    codes = frozenset([languages] if isinstance(languages, str) else languages)

    def decorate(function: FilterFunction) -> FilterFunction:
        """Set the two attributes and return the function."""
        function.stage = stage  # type: ignore[attr-defined]
        function.languages = codes or None  # type: ignore[attr-defined]
        return function

    return decorate


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A row of a run as an export gets it.

    Attributes:
        id: Sixteen hex digits that depend on the three texts alone.
        provenance: The row's line in `provenance.jsonl`.
        system: The system text that the caller wants with the row, or "".
    """

    id: str
    instruction: str
    input: str
    output: str
    provenance: Mapping[str, Any]
    system: str = ""


class ExportFiles(Protocol):
    """New files of an export. All of them appear together, when the export has returned."""

    def open(self, name: str) -> BinaryIO:
        """Return a file to write bytes to. It is called `name` in the caller's directory, or as the caller's file is called.

        Raises UserMistake when such a file exists, or when a second file is opened and the caller wants one file.
        """


class Export(Protocol):
    """Another shape of a run's rows. An export never changes the run."""

    def __call__(self, rows: Iterable[ExportRow], files: ExportFiles, **options: Any) -> None:
        """Write all rows, one after the other, without holding them in memory. Options are keyword parameters with defaults.

        Raises UserMistake when a row has something that this shape cannot hold.
        """
