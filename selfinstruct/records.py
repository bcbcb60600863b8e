"""The values that flow from the seed tasks to the dataset.

All of them are plain and immutable. Nothing here reads a file, a network or a clock.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfinstruct.text import with_line_feeds

TOKEN_LIMIT, CONTENT_FILTER = "length", "content_filter"  # finish reasons of a reply that does not end by itself
WHOLE, CUT, FILTERED, BROKEN = "whole", "cut", "filtered", "broken"  # endings of a reply
_ENDINGS = {
    WHOLE: "stop end_turn stop_sequence stop_token eos eos_token eosfound complete completed finished end tool_calls tool_call "
    "tool_use function_call unknown none null finish_reason_unspecified",
    CUT: "length max_tokens max_output_tokens max_completion_tokens max_length model_length model_context_window_exceeded "
    "context_length_exceeded context_window token_limit tokens incomplete truncated",
    FILTERED: "content_filter content_filtered safety recitation refusal refused blocklist prohibited_content spii image_safety "
    "language guardrail_intervened guardrails error_toxic flagged sensitive censored moderation policy_violation blocked",
    BROKEN: "error insufficient_system_resource abort aborted cancel cancelled canceled failed failure network_error "
    "server_error timeout overloaded interrupted malformed_function_call malformed_response pause_turn "
    "unexpected_tool_call other",
}
_ENDING = {word: ending for ending, words in _ENDINGS.items() for word in words.split()}
_ENDING_BY_PART = {  # for words that the table does not have: the first part that such a word contains decides
    FILTERED: ("filter", "safety", "policy", "moderat", "sensitive", "prohibit", "refus", "block", "guard", "toxic"),
    BROKEN: ("error", "abort", "cancel", "fail", "resource", "timeout", "time_limit", "interrupt", "overload", "malformed"),
    CUT: ("length", "max_", "token", "limit", "truncat", "context"),
}
_TEMPLATE_TOKENS = 16  # a chat template's own tokens around one message, at most
_ASSUMED_REPLY = 4096  # tokens of a reply that nothing bounds, for what a call without an outcome may have cost
_READABLE = json.JSONEncoder(ensure_ascii=False, default=str)
_ESCAPED = json.JSONEncoder(ensure_ascii=True, default=str)
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))


def clean(text: str) -> str:
    """Return a text as every record holds it: a line feed at each line end, and no white space around it."""
    return with_line_feeds(text).strip()


def json_line(value: Any) -> bytes:
    """Return one line of JSON with its newline, as UTF-8.

    Letters of any script stay readable, unless a lone surrogate makes escapes necessary.
    """
    try:
        return (_READABLE.encode(value) + "\n").encode()
    except UnicodeEncodeError:
        return (_ESCAPED.encode(value) + "\n").encode()


def root_of(key: str) -> int:
    """Return the index of the root request that a key belongs to: 41 for "41", for "41.3/solve" and for "41/label"."""
    return int(key.partition("/")[0].partition(".")[0])


def step_of(key: str) -> str:
    """Return the name of the step that a key belongs to: "solve" for "41.3/solve", "" for "41" and for "41/2"."""
    last = key.rpartition("/")[2] if "/" in key else ""
    return "" if last.isdecimal() else last


def digest(value: Any) -> str:
    """Return the SHA-256 (hex) of a JSON value. The order of keys does not matter."""
    return hashlib.sha256(_CANONICAL.encode(value).encode()).hexdigest()


def ending_of(finish_reason: str) -> str:
    """Return the ending that a provider's finish reason stands for: whole, cut, filtered or broken.

    A word that no provider is known to use is judged by its parts, such as "filter" or "error". Without such a part the reply
    counts as whole.
    """
    if known := _ENDING.get(finish_reason):
        return known
    word = finish_reason.strip().lower().replace("-", "_").replace(" ", "_").removeprefix("finish_reason_")
    if known := _ENDING.get(word):
        return known
    return next((ending for ending, parts in _ENDING_BY_PART.items() if any(part in word for part in parts)), WHOLE)


@dataclass(frozen=True, slots=True)
class Example:
    """An instruction with its input and its output.

    Attributes:
        instruction: The task in words.
        input: The text that the task is about, or "".
        output: The answer.
    """

    instruction: str
    input: str
    output: str

    @classmethod
    def of(cls, instruction: str, input: str = "", output: str = "") -> Example:
        """Return an example of any texts, with line ends and outer white space normalised."""
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
        """The seed task with its first instance, as prompts show it (and as Alpaca's do)."""
        return Example(self.instruction, *self.instances[0])


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document that tasks are made from.

    Attributes:
        id: The document's name and the number of the passage in it.
        document: The document's name.
        title: The headings above the passage.
        start: The place of its first character in the document's text.
        text: The passage itself.
    """

    id: str
    document: str
    title: str
    start: int
    text: str


@dataclass(frozen=True, slots=True)
class Topic:
    """A subject for tasks.

    Attributes:
        name: The topic's name, as provenance records it.
        quota: Its weight. A topic with quota 2 gets twice the rows of a topic with quota 1.
        about: A description for the prompt, or "".
    """

    name: str
    quota: float = 1.0
    about: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """One question to a teacher. It holds no secret.

    Exactly one of `messages` and `prompt` is set.

    Attributes:
        sampling: Fields of the request body, such as temperature, max_tokens or seed. A teacher leaves out unknown ones.
        messages: The messages of a chat request.
        prompt: The text of a completions request.
        teacher: The name of the teacher where a recipe names several, else "".
        wishes: Names of fields in `sampling` that the method sets by itself. They are not part of what the recipe asks for.
    """

    sampling: Mapping[str, Any]
    messages: tuple[Mapping[str, str], ...] = ()
    prompt: str | None = None
    teacher: str = ""
    wishes: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def digest(self) -> str:
        """A fingerprint of the whole request. A journaled reply with it answers exactly this request."""
        teacher = [self.teacher] if self.teacher else []
        return digest([list(map(dict, self.messages)), self.prompt, dict(self.sampling), *teacher])

    @property
    def bound(self) -> Usage | None:
        """The most tokens that the provider can bill for, or None where nothing bounds the length of the reply.

        No tokenizer makes more tokens than there are bytes of UTF-8. Chat templates add a few to each message.
        """
        bounds = [self.sampling[name] for name in ("max_tokens", "max_completion_tokens") if name in self.sampling]
        several = [self.sampling[name] for name in ("n", "best_of") if name in self.sampling]
        if not bounds or not all(type(value) is int and value > 0 for value in [*bounds, *several]):
            return None
        return Usage(self._prompt_bound, max(bounds) * max([1, *several]))

    @property
    def assumed_bound(self) -> Usage:
        """The bound, or where nothing bounds the reply, the tokens that it hardly ever takes more of."""
        return self.bound or Usage(self._prompt_bound, _ASSUMED_REPLY)

    @property
    def _prompt_bound(self) -> int:
        """The most tokens that the provider can count for the prompt."""
        texts = [self.prompt or "", *(text for message in self.messages for text in message.values())]
        size = sum(len(text.encode(errors="replace")) for text in texts)
        # Tools and response formats, which some providers count with the prompt, are part of the sampling.
        size += len(json.dumps(dict(self.sampling), default=str))
        return size + _TEMPLATE_TOKENS * (2 + len(self.messages))


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one or more replies, as the teacher counted them.

    Attributes:
        prompt_tokens: Tokens of the prompts.
        completion_tokens: Tokens of the replies.
        cached_tokens: The part of `prompt_tokens` that the provider had in its cache.
    """

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
        """Tokens of prompt and completion together."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True, slots=True)
class Allowance:
    """A limit of requests or tokens, as a server states it with a reply.

    Attributes:
        remaining: Requests or tokens that are left.
        reset: Seconds from the reply until the server resets the limit.
    """

    remaining: float
    reset: float


@dataclass(frozen=True, slots=True)
class Reply:
    """A teacher's answer to a request: normalised fields, with the provider's JSON beside them.

    Attributes:
        text: The text of the answer.
        finish_reason: The reason why it ended, such as "stop" or "length".
        model: The model that the provider names.
        usage: Its tokens, or None where the provider does not count them.
        host: The host that answered.
        created: The provider's time of the reply in Unix seconds, or None.
        raw: The provider's JSON.
        allowances: The provider's limits by kind ("requests", "tokens"). They change quickly and are not journaled.
        reasoning: The thinking that a model wrote before its answer, or "". It never becomes a part of a row.
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage | None
    host: str
    created: int | None = None
    raw: Mapping[str, Any] = field(default_factory=dict)
    allowances: Mapping[str, Allowance] = field(default_factory=dict, compare=False)
    reasoning: str = ""

    @property
    def ending(self) -> str:
        """The ending of the reply: "whole", "cut", "filtered" or "broken" (see `ending_of`)."""
        return ending_of(self.finish_reason)

    @property
    def cut(self) -> bool:
        """True when the reply ended at the token limit."""
        return self.ending == CUT

    @property
    def filtered(self) -> bool:
        """True when the provider's content filter ended the reply."""
        return self.ending == FILTERED


@dataclass(frozen=True, slots=True)
class Failure:
    """The outcome of a request that gets no answer: a cause in one word, the teacher's message, the HTTP status if any."""

    cause: str
    message: str
    status: int | None = None


@dataclass(frozen=True, slots=True)
class ParseDefect:
    """A defect of a task that was found while its reply was parsed: the rule that it breaks, and the evidence."""

    rule: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class ParsedTask:
    """One task as parsed from a reply.

    Attributes:
        instruction: The instruction.
        input: The input, or "".
        output: The output, or None where it is still to be asked for.
        defect: The defect that makes the task useless, or None.
        cut: True when the reply ended at the token limit inside this task.
    """

    instruction: str
    input: str = ""
    output: str | None = None
    defect: ParseDefect | None = None
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Candidate:
    """A task that a teacher proposed, with its origin.

    Attributes:
        key: The key of the request that proposed it.
        position: Its place in the reply, from 0.
        task: The task as parsed.
        seed_ids: The ids of the seed tasks that the prompt showed.
        solved_by: The key of the request that gave the output, or None where the task came with one or has none yet.
        instance: The number of the input, from 0, where a task is solved for several inputs.
        trace: Further provenance as plain values: topic, language, passage, the tasks that it was made from.
    """

    key: str
    position: int
    task: ParsedTask
    seed_ids: tuple[str, ...] = ()
    solved_by: str | None = None
    instance: int = 0
    trace: Mapping[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        """The request key and the place in its reply, with the instance where that is not 0. It is unique in a run."""
        return f"{self.admitted_as}.{self.instance}" if self.instance else self.admitted_as

    @property
    def admitted_as(self) -> str:
        """The id under which its instruction was admitted. All instances of a task share it."""
        return f"{self.key}#{self.position}"

    @property
    def root(self) -> int:
        """The index of its root request."""
        return root_of(self.key)

    @property
    def example(self) -> Example:
        """The three texts, with an empty output where there is none yet."""
        return Example(self.task.instruction, self.task.input, self.task.output or "")


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A text of a ROUGE-L index that is near to another text.

    Attributes:
        id: Its id, such as `seed:seed_001` for a seed task or `12#3` for a candidate.
        score: The ROUGE-L F-measure (0 to 1) of the two texts.
        instruction: The text itself.
    """

    id: str
    score: float
    instruction: str


@dataclass(frozen=True, slots=True)
class Rejection:
    """A filter's reason to reject a candidate.

    Attributes:
        value: The value that the filter measured, or the words that it found.
        limit: The limit that it compared the value with, or None.
    """

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
