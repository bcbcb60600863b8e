"""The words of this package: what flows from the seeds to the dataset.

All of them are plain immutable values; nothing here knows a file, a network or a clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

TOKEN_LIMIT, CONTENT_FILTER = "length", "content_filter"  # finish reasons of a reply that does not end by itself
_TEMPLATE_TOKENS = 16  # a chat template's own tokens around one message, at most
_READABLE = json.JSONEncoder(ensure_ascii=False, default=str)
_ESCAPED = json.JSONEncoder(ensure_ascii=True, default=str)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def clean(text: str) -> str:
    """Text as every record holds it: line ends as `\\n`, no white space around it."""
    return text.replace("\r\n", "\n").replace("\r", "\n").strip()


def json_line(value: Any) -> bytes:
    """One line of JSON with its newline, readable in any script; a lone surrogate is escaped."""
    try:
        return (_READABLE.encode(value) + "\n").encode()
    except UnicodeEncodeError:
        return (_ESCAPED.encode(value) + "\n").encode()


def root_of(key: str) -> int:
    """The index of the root request that a key belongs to: 41 for "41", for "41.3/solve" and for "41/label"."""
    return int(key.partition("/")[0].partition(".")[0])


def digest(value: Any) -> str:
    """SHA-256 (hex) of a JSON value, the same for equal values whatever their key order."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Example:
    """One instruction with its input (may be empty) and its output."""

    instruction: str
    input: str
    output: str

    @classmethod
    def of(cls, instruction: str, input: str = "", output: str = "") -> Example:
        """An example from any text, with line ends and outer white space normalised."""
        return cls(clean(instruction), clean(input), clean(output))

    def as_values(self) -> dict[str, str]:
        """Return the three texts by name, as Stanford Alpaca's rows have them (Taori et al., 2023)."""
        return {"instruction": self.instruction, "input": self.input, "output": self.output}

    @property
    def id(self) -> str:
        """Sixteen hex digits that depend on the three texts alone, so that a row can be found again anywhere."""
        return digest([self.instruction, self.input, self.output])[:16]


@dataclass(frozen=True, slots=True)
class Seed:
    """A seed task in the schema of Self-Instruct (Wang et al., 2022), with an optional domain."""

    id: str
    name: str
    instruction: str
    instances: tuple[tuple[str, str], ...]
    is_classification: bool = False
    domain: str = ""

    @property
    def example(self) -> Example:
        """The seed with its first instance, which is what prompts show (as Alpaca does)."""
        return Example(self.instruction, *self.instances[0])


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that tasks are made from.

    `id` is the document's name and the passage's number in it; `start` the place of its first character in the document's
    text; `title` the headings that it stands under.
    """

    id: str
    document: str
    title: str
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """Something that tasks are to be about, and how many of them for every `quota` of another topic's."""

    name: str
    quota: float = 1.0
    about: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a teacher, free of anything secret.

    Exactly one of `messages` (chat) and `prompt` (completions) is set. `sampling` holds the body fields that steer the
    answer (temperature, top_p, max_tokens, stop, seed, response_format); a teacher leaves out what it does not have.
    `teacher` is the name of the one that is asked, where a recipe names several.
    """

    sampling: Mapping[str, Any]
    messages: tuple[Mapping[str, str], ...] = ()
    prompt: str | None = None
    teacher: str = ""

    @property
    def digest(self) -> str:
        """A fingerprint by which a journaled reply is known to answer exactly this request."""
        who = [self.teacher] if self.teacher else []
        return digest([list(map(dict, self.messages)), self.prompt, dict(self.sampling), *who])

    @property
    def bound(self) -> Usage | None:
        """The most tokens that an answer can be billed for, or None where nothing bounds the answer's length.

        No tokenizer makes more tokens than there are bytes of UTF-8; chat templates add a few to each message.
        """
        texts = [self.prompt or "", *(text for message in self.messages for text in message.values())]
        bounds = [self.sampling[name] for name in ("max_tokens", "max_completion_tokens") if name in self.sampling]
        several = [self.sampling[name] for name in ("n", "best_of") if name in self.sampling]
        if not bounds or not all(type(value) is int and value > 0 for value in [*bounds, *several]):
            return None
        longest, count = max(bounds), max([1, *several])
        size = sum(len(text.encode(errors="replace")) for text in texts)
        # Tools and response formats, which some providers count with the prompt, are part of the sampling.
        size += len(json.dumps(dict(self.sampling), default=str))
        return Usage(size + _TEMPLATE_TOKENS * (2 + len(self.messages)), longest * count)


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more replies, as the teacher counted them; `cached_tokens` are a part of the prompt's."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
        )

    def __sub__(self, other: Usage) -> Usage:
        return Usage(
            self.prompt_tokens - other.prompt_tokens,
            self.completion_tokens - other.completion_tokens,
            self.cached_tokens - other.cached_tokens,
        )

    @property
    def tokens(self) -> int:
        """Prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a server said with a reply about its limit of requests or tokens: left until `reset` seconds from then."""

    remaining: float
    reset: float


@dataclass(frozen=True, slots=True)
class Reply:
    """What a teacher answered: the normalised fields, and the provider's own JSON beside them.

    `created` is the provider's own time of the reply (Unix seconds), where it gives one. `allowances` is what it said of
    its limits ("requests", "tokens"); it is of the moment, and not journaled.
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage | None
    host: str
    created: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    allowances: Mapping[str, Allowance] = field(default_factory=dict, compare=False)

    @property
    def cut(self) -> bool:
        """True when the reply ended at the token limit."""
        return self.finish_reason == TOKEN_LIMIT

    @property
    def filtered(self) -> bool:
        """True when the provider's content filter ended the reply."""
        return self.finish_reason == CONTENT_FILTER


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that will not be answered: the cause in one word, the teacher's message, the HTTP status if any."""

    cause: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class ParseDefect:
    """What the reader of a reply already knows to be wrong with an item: the rule, and what was seen."""

    rule: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """One task as read from a reply; `output` is None where the notation leaves it open.

    `cut` says that the reply ended at the token limit inside this item; `defect`, that the item is of no use at all.
    """

    instruction: str
    input: str = ""
    output: str | None = None
    defect: ParseDefect | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that a teacher proposed: where it was read, what it says, which seeds were shown.

    `output` is None until the task has been solved; `solved_by` is the key of the request that solved it. A task may be
    solved for several inputs: `instance` counts these. `trace` is what else its provenance says, as plain values: the topic,
    the language, the passage, the task that it evolved from, the generated tasks that were shown.
    """

    key: str
    position: int
    item: ParsedTask
    seed_ids: tuple[str, ...] = ()
    solved_by: str | None = None
    instance: int = 0
    trace: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The request key and the place in its reply, with the instance where it is not the first: unique in a run."""
        return f"{self.admitted_as}.{self.instance}" if self.instance else self.admitted_as

    @property
    def admitted_as(self) -> str:
        """The id under which its instruction was admitted, the same for all instances of a task."""
        return f"{self.key}#{self.position}"

    @property
    def root(self) -> int:
        """The index of its root request."""
        return root_of(self.key)

    @property
    def example(self) -> Example:
        """The three texts, with an empty output where there is none yet."""
        return Example(self.item.instruction, self.item.input, self.item.output or "")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An earlier instruction and its ROUGE-L F-measure (0 to 1) to the one at hand."""

    id: str
    score: float
    instruction: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A filter's reason to reject a candidate: the value that it measured, and the limit that it compared it with."""

    value: Any
    limit: Any = None


@dataclass(frozen=True, slots=True)
class Decision:
    """The one verdict on a candidate: accepted, or rejected by a rule.

    Attributes:
        candidate: The candidate that was decided on.
        rule: The rule that rejects it, or None when it is accepted.
        value: The value that the rule measured.
        limit: The limit that the rule compared the value with.
        nearest: The instruction that a candidate rejected by `rouge` is too near to. For rows, see `Dataset.nearest`.
    """

    candidate: Candidate
    rule: str | None = None
    value: Any = None
    limit: Any = None
    nearest: tuple[Neighbour, ...] = ()

    @property
    def accepted(self) -> bool:
        """True unless a rule rejects the candidate."""
        return self.rule is None
