"""The contract of a method, and everything that a method is given. Read `methods/few_shot.py` beside this page."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from selfinstruct.contracts.notations import Notation, Prompt
from selfinstruct.errors import PluginError
from selfinstruct.records import Candidate, ParsedTask, Passage, Reply, Request, Seed, Topic, root_of

_USUAL_LANGUAGE = "English"  # in rules of a prompt, where a run asks for no other
# Names that the lines of provenance.jsonl and rejected.jsonl have for every method.
_PROVENANCE = frozenset({
    "id", "candidate", "position", "seeds", "topic", "language", "generated", "method", "prompt", "teacher",
    "request_key", "model", "endpoint", "time", "sampling", "finish_reason", "usage", "proposed_by", "nearest",
    "mean_similarity", "reasoning", "rule", "value", "limit", "instruction", "input", "output",
})  # fmt: skip


class Ask(Protocol):
    """The durable call that a method is built around. A key that has a reply in the journal is never sent again.

    A key names a request in the run. It is the turn's key or begins with it, such as "41.3/solve".
    """

    async def __call__(self, key: str, request: Request) -> Reply:
        """Return the journal's reply, or ask the teacher and save the reply first.

        Raises:
            RequestRefused: The teacher will never answer this request.
            ReplyMissing: Nothing may be sent now, because the run ends. Let it pass.
        """


@dataclass(frozen=True)
class Option:
    """A setting of a method. A method's file declares them by name as `OPTIONS`, and `selfinstruct list` prints them.

    Attributes:
        default: The value when the recipe sets none. Its type is the type of the option: int, float or str.
        meaning: The meaning in a few words, with the unit.
        least: The lowest value of a number.
        choices: The values that a text may have. Empty for any text.
    """

    default: float | int | str
    meaning: str
    least: float | None = None
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class TeacherProfile:
    """A teacher as methods know it.

    Attributes:
        name: Its name in the recipe, "" for the only teacher.
        propose: Its weight among the teachers that invent tasks.
        solve: Its weight among the teachers for all other steps.
        api: "chat" or "completions".
        sampling: Request fields for every request to it, such as its temperature.
    """

    name: str = ""
    propose: float = 1.0
    solve: float = 1.0
    api: str = "chat"
    sampling: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class MethodContext:
    """Everything that a method may depend on besides its turns and replies: the recipe's `[generate]` part, loaded.

    Attributes:
        seeds: The seed tasks.
        prompt: The prompt file.
        notation: The notation that the prompt names.
        seed: The number from which every random choice of the run follows.
        options: A value for each of the method's `OPTIONS`. Without `OPTIONS`, the recipe's options as they are.
        profiles: The teachers that may be asked.
        send_seed: True if each request carries a `seed` field for the teacher's sampler.
        source: The tasks to evolve. These are the seeds if the recipe names no others.
        passages: The passages of the recipe's documents.
        step_options: The recipe's options of the form `<step>_<field>`, such as `solve_temperature`. `request` applies them.
        languages: English names of the languages to ask for, by code.
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
    step_options: Mapping[str, Any] = field(default_factory=dict)
    languages: Mapping[str, str] = field(default_factory=dict)

    def answer_language(self, candidate: Candidate) -> str:
        """Return the words that ask for the answer to a candidate in its language, "" if no language was asked for.

        A method puts them at `{{answer_language}}` of its prompt.
        """
        name = self.languages.get(candidate.trace.get("language", ""))
        return self.prompt.fill("answer_language", language=name) if name else ""

    def rng(self, index: int, use: str = "") -> random.Random:
        """Return a random stream for a root request and a use. Concurrency cannot change what it gives."""
        return random.Random(f"{self.seed}/{index}/{use}" if use else f"{self.seed}/{index}")

    def teacher_for(self, step: str, key: str) -> TeacherProfile:
        """Return the teacher of a request, drawn by weight: `propose` for the step "propose", `solve` for all others."""
        if len(self.profiles) == 1:
            return self.profiles[0]
        weights = [profile.propose if step == "propose" else profile.solve for profile in self.profiles]
        return random.Random(f"{self.seed}/{key}/teacher").choices(self.profiles, weights)[0]

    def request(
        self,
        step: str,
        key: str,
        text: str = "",
        *,
        messages: Sequence[Mapping[str, str]] = (),
        raw: bool = False,
        completion_stop: Sequence[str] = (),
        **fields: Any,
    ) -> Request:
        """Return the request of one step of a method, for the teacher that `teacher_for` draws.

        Args:
            step: The step's name, such as "propose" or "solve". It selects the teacher and the step's options.
            key: The key under which the request will be asked.
            text: The user's last message, or the text to complete where the teacher's `api` is "completions".
            messages: Chat messages before `text`. Without `text` they are the whole chat.
            raw: True to have `text` completed whatever the teacher's `api` is.
            completion_stop: Stop sequences for a completion. A chat message ends without them.
            **fields: The method's request fields for this step, such as `max_tokens`.

        An option such as `solve_temperature` sets a field for one step and wins over `fields`. Both win over the teacher's
        sampling. With `send_seed`, the index of the root request is sent as `seed`.

        Raises:
            PluginError: `text` is empty or white space, and there are no `messages`.
        """
        if not messages and not text.strip():
            raise PluginError(f"the request {key!r}: has an empty text, which APIs refuse. Fix: return no example for it.")
        profile = self.teacher_for(step, key)
        if self.send_seed:
            fields["seed"] = root_of(key)
        prefix = f"{step}_"
        own = {name.removeprefix(prefix): value for name, value in self.step_options.items() if name.startswith(prefix)}
        if "response_format" in profile.sampling:
            fields.pop("response_format", None)  # what the user sets in `extra` wins over what the prompt's notation asks for
        sampling = {**profile.sampling, **fields, **own}
        wishes = frozenset(fields.keys() - own.keys() - {"seed"})
        if raw or (profile.api == "completions" and text):
            if completion_stop:
                sampling.setdefault("stop", list(completion_stop))
            return Request(sampling, prompt=text, teacher=profile.name, wishes=wishes)
        last = ({"role": "user", "content": text},) if text else ()
        return Request(sampling, messages=(*messages, *last), teacher=profile.name, wishes=wishes)


@dataclass(frozen=True)
class Draw:
    """Everything that one root request shows and asks for. Drawing again with the same arguments gives the same.

    Attributes:
        prompt: The prompt file to fill.
        rng: A random stream for the method's further choices. It continues where the draw of the seeds ended.
        seeds: Seed tasks to show.
        generated: Accepted tasks of this run to show.
        domain: The recipe's domain, "" for none.
        topic: The topic to ask for, which is furthest behind its quota. Without topics it is a domain of the seeds where
            `seed_sampling = "spread"`, else None.
        language: The English name of the language to ask for, "" for none.
        trace: The topic and the language's code as provenance records them.
    """

    prompt: Prompt
    rng: random.Random = field(compare=False)
    seeds: tuple[Seed, ...] = ()
    generated: tuple[Candidate, ...] = ()
    domain: str = ""
    topic: Topic | None = None
    language: str = ""
    trace: Mapping[str, str] = field(default_factory=dict)

    def steering(self, shown: Seed | Candidate | None = None) -> str:
        """Return the lines that tell the teacher the domain, the topic and the language, in the prompt's words.

        A method that has no prompt file can put these lines into its own text. For a task that is `shown` as an earlier answer,
        return the domain and that task's topic instead.
        """
        fill = self.prompt.fill
        lines = [fill("domain", domain=self.domain)] if self.domain else []
        if shown is None:
            if self.topic:
                lines.append(fill("topic", topic=self.topic.name, about=self.topic.about or self.topic.name))
            if self.language:
                lines.append(fill("language", language=self.language))
        elif self.topic:
            name = shown.domain if isinstance(shown, Seed) else str(shown.trace.get("topic", ""))
            lines += [fill("topic", topic=name, about=name.replace("_", " "))] if name else []
        return "\n".join(lines)

    def fill(self, section: str, shown: Seed | Candidate | None = None, **values: object) -> str:
        """Return a section of the prompt with its placeholders replaced, `{{steering}}` by `steering(shown)`.

        A section without a place for the language begins with it.
        """
        kind = "one_subject" if self.domain or self.topic else "any_subject"
        subject = self.prompt.fill(kind) if self.prompt.has(kind) else ""
        rules = {"subject": subject, "language": self.language or _USUAL_LANGUAGE}
        text = self.prompt.fill(section, **{**rules, **values}, steering=self.steering(shown))
        if not self.language or shown is not None or self.prompt.names_language(section):
            return text
        return f"{self.prompt.fill('language', language=self.language)}\n\n{text}"

    def candidates(
        self, key: str, tasks: Iterable[ParsedTask], shown: Sequence[Seed | Candidate] = (), **trace: Any
    ) -> list[Candidate]:
        """Return the `tasks` of the reply under `key` as candidates with their provenance.

        Provenance records the seeds and generated tasks that the request has `shown`, the draw's topic and language, and
        `trace`, which holds plain values.

        Raises:
            PluginError: A keyword of `trace` is a name that provenance has already.
        """
        if taken := sorted(_PROVENANCE.intersection(trace)):
            raise PluginError(f"trace: provenance already has {', '.join(taken)}. Fix: choose another name.")
        seeds = tuple(task.id for task in shown if isinstance(task, Seed))
        generated = [task.id for task in shown if not isinstance(task, Seed)]
        whole = {**self.trace, **({"generated": generated} if generated else {}), **trace}
        return [Candidate(key, position, task, seeds, trace=whole) for position, task in enumerate(tasks)]


class Turn(Protocol):
    """The turn of one root request."""

    @property
    def index(self) -> int:
        """The number of the root request: 0, 1, 2, ..."""

    @property
    def key(self) -> str:
        """The index as a request key, such as "41"."""

    async def draw(
        self, seeds: int = 0, generated: int = 0, *, among: Sequence[Seed] | None = None, finished: bool = False
    ) -> Draw:
        """Draw tasks to show, a topic and a language. The recipe, its inputs and the index decide the result.

        Generated tasks, topics and `seed_sampling = "spread"` depend on accepted tasks, but only on those of root requests
        below a fixed earlier index. The draw waits until these are decided, so concurrency cannot change it.

        Args:
            seeds: How many seeds to show. Fewer come where there are fewer.
            generated: How many tasks of this run to show, at most.
            among: The seeds to choose from. None for all.
            finished: True for generated tasks that came with their output.

        Raises:
            ReplyMissing: The run ends before the earlier root requests are decided. Let it pass.
        """


class Method(Protocol):
    """A way to have a teacher invent tasks and solve them. The function of a method's file makes one of a `MethodContext`.

    A coroutine function `async def mine(turn, ask, context)` that returns a list of examples is a method too.

    `rows_at_most` is the most rows that one root request is likely to give. An optional attribute `asks_per_task` is the number
    of further requests for each task, for estimates. The file of a method may also define:

    - `PROMPT`: the name of the prompt to use when the recipe names none. "alpaca" if it is missing.
    - `SECTIONS`: the sections that the method knows in a prompt, with the placeholders of each. Any other is refused.
    - `OPTIONS`: the method's options (see `Option`). Any other is refused, except `<step>_<field>`.
    - `STEPS`: the names of the steps of its requests. ("propose", "solve") if it is missing.

    A method without `SECTIONS` takes any prompt. A method without `OPTIONS` takes any option: none is refused, and
    `MethodContext.options` and `step_options` both hold all that the recipe sets.
    """

    rows_at_most: int

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return the tasks that the teacher invents in this turn."""

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return an accepted task with its output, once for each input. Called only for a task that has no output yet."""
