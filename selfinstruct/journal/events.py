"""The lines of a journal: requests and their outcomes.

- `sent`: a call is about to be made, with the most it can cost, so that a crash cannot hide it.
- `fault`: the call came to nothing, but the request will be retried.
- `reply`: the request's reply.
- `failure`: the request will never be answered.
- `batch`: a batch was planned, submitted or ended at the provider.
- `learned`: a teacher does not take a field of the requests, or wants it under another name.
- `redefined`: the run was defined again, because no reply before this line was of use.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from selfinstruct.records import Failure, Reply, Usage, json_line

VERSION = 1
_KINDS = {"sent", "fault", "reply", "failure", "batch", "learned", "redefined"}
Outcome = Reply | Failure


@dataclass(frozen=True, slots=True)
class BatchState:
    """The state of a batch at the provider.

    `word` is the provider's own. `total`, `done` and `failed` count requests. `detail` says what went wrong.
    """

    word: str
    total: int = 0
    done: int = 0
    failed: int = 0
    detail: str = ""

    @property
    def ended(self) -> bool:
        """True when no more results will come."""
        return self.word in ("completed", "failed", "expired", "cancelled")

    def __str__(self) -> str:
        counts = f" {self.done:,}/{self.total:,}" if self.total else ""
        return f"{self.word}{counts}" + (f", {self.failed:,} failed" if self.failed else "")


@dataclass(frozen=True, slots=True)
class Sent:
    """A call that is about to be made: the key of its request, and the most tokens it can be billed for (None: no bound).

    `teacher` is the teacher's name where a run has several, else empty. Other lines have it too.
    """

    key: str
    bound: Usage | None
    time: float
    teacher: str = ""

    def as_line(self) -> bytes:
        """Return the line as JSON with a newline."""
        return json_line(_head("sent", self.key, self.time) | {"bound": _listed(self.bound)} | _named(self.teacher))


@dataclass(frozen=True, slots=True)
class Fault:
    """A call that brought no reply and is worth repeating. `charged` is True if the provider may bill it all the same."""

    key: str
    cause: str
    charged: bool
    time: float

    def as_line(self) -> bytes:
        """Return the line as JSON with a newline."""
        return json_line(_head("fault", self.key, self.time) | {"cause": self.cause, "charged": self.charged})


@dataclass(frozen=True, slots=True)
class Entry:
    """The outcome of a request: its key and fingerprint, and the reply or the failure.

    `sampling` holds the body fields that were sent to steer the answer. `seconds` is the duration of the last call,
    `attempts` the number of calls. `time` is when it was saved, in Unix seconds. `batch` is the name of the batch that it
    came from, or None.
    """

    key: str
    request: str
    outcome: Outcome
    sampling: Mapping[str, Any]
    seconds: float = 0.0
    attempts: int = 1
    time: float = 0.0
    batch: str | None = None
    teacher: str = ""

    def as_line(self) -> bytes:
        """Return the line as JSON with a newline."""
        head = _head("reply" if isinstance(self.outcome, Reply) else "failure", self.key, self.time)
        head |= {"request": self.request, "seconds": round(self.seconds, 3), "attempts": self.attempts}
        head |= {"sampling": dict(self.sampling)} | ({"batch": self.batch} if self.batch else {}) | _named(self.teacher)
        if isinstance(self.outcome, Failure):
            failure = self.outcome
            return json_line(head | {"cause": failure.cause, "message": failure.message, "status": failure.status})
        reply = self.outcome
        body = {"text": reply.text, "finish_reason": reply.finish_reason, "model": reply.model, "usage": _listed(reply.usage)}
        body |= {"reasoning": reply.reasoning} if reply.reasoning else {}
        return json_line(head | body | {"host": reply.host, "created": reply.created, "raw": dict(reply.raw)})


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A step in the life of a batch.

    The states are `planned` (with its requests), `submitted` (with the provider's id), `polled`, and the end: `unsent` if it
    never reached the provider, or else the provider's word. `requests` has for each key the request's fingerprint, the number
    of its sampling in `samplings`, and its bound (tokens of prompt and reply). `lost`, at the end, is the most that requests
    without a result can have been billed for.
    """

    name: str
    state: str
    time: float
    id: str = ""
    detail: str = ""
    samplings: tuple[Mapping[str, Any], ...] = ()
    requests: Mapping[str, tuple[str, int, int, int]] = field(default_factory=dict)
    lost: Usage | None = None
    teacher: str = ""

    def as_line(self) -> bytes:
        """Return the line as JSON with a newline."""
        line = _head("batch", self.name, self.time) | {"state": self.state, "id": self.id, "detail": self.detail}
        if self.lost:
            line["lost"] = _listed(self.lost)
        if self.requests:
            line |= {"samplings": [dict(sampling) for sampling in self.samplings], "requests": dict(self.requests)}
        line |= _named(self.teacher)
        return json_line(line)


@dataclass(frozen=True, slots=True)
class Learned:
    """A field that a model does not take as the recipe or the method asks for it.

    `how` is one of `left_out`, `value` (only this `value` is left out), `renamed` (to the name in `value`), `format` (this
    response format is not taken) and `thinks` (the method's bound is left out, because the model's thinking uses it up).
    """

    model: str
    field: str
    how: str
    value: Any = None
    time: float = 0.0
    teacher: str = ""

    def as_line(self) -> bytes:
        """Return the line as JSON with a newline."""
        line = _head("learned", self.field, self.time) | {"model": self.model, "how": self.how, "value": self.value}
        return json_line(line | _named(self.teacher))


@dataclass(frozen=True, slots=True)
class Redefined:
    """The run was defined again. Outcomes before this line answer requests of another definition, and only their cost counts."""

    time: float

    def as_line(self) -> bytes:
        """Return the line as JSON with a newline."""
        return json_line(_head("redefined", "", self.time))


Line = Sent | Fault | Entry | BatchLine | Learned | Redefined


def decoded(line: Mapping[str, Any]) -> Line | None:
    """Return the line that a decoded JSON object stands for, or None for a kind that this version does not know.

    Raises KeyError, TypeError or ValueError for an object that is not a line.
    """
    kind = line["kind"]
    if kind not in _KINDS:
        return None
    key, time = line["key"], line["time"]
    if not isinstance(key, str) or not isinstance(time, int | float) or isinstance(time, bool):
        raise TypeError("a journal line must have a text as its key and a number as its time")
    teacher = line.get("teacher", "")
    if not isinstance(teacher, str):
        raise TypeError("the name of a teacher must be a text")
    if kind == "sent":
        return Sent(key, _usage(line["bound"]), time, teacher)
    if kind in ("learned", "redefined"):
        known = kind == "learned" and Learned(str(line["model"]), key, str(line["how"]), line.get("value"), time, teacher)
        return known or Redefined(time)
    if kind == "fault":
        return Fault(key, str(line["cause"]), bool(line["charged"]), time)
    if kind == "batch":
        requests = {key: (fields[0], *_counted(fields[1:4])) for key, fields in line.get("requests", {}).items()}
        samplings = tuple(line.get("samplings", ()))
        lost = _usage(line.get("lost"))
        return BatchLine(key, line["state"], time, line["id"], line["detail"], samplings, requests, lost, teacher)
    return _entry(line, teacher)


def _entry(line: Mapping[str, Any], teacher: str) -> Entry:
    """Return the outcome that a line stands for."""
    outcome: Outcome
    if line["kind"] == "failure":
        outcome = Failure(line["cause"], line["message"], line["status"])
    else:
        usage = _usage(line["usage"])
        side = usage, line["host"], line["created"], line["raw"]
        outcome = Reply(line["text"], line["finish_reason"], line["model"], *side, reasoning=str(line.get("reasoning", "")))
    how = line["sampling"], line["seconds"], line["attempts"], line["time"], line.get("batch"), teacher
    return Entry(line["key"], line["request"], outcome, *how)


def _head(kind: str, key: str, time: float) -> dict[str, Any]:
    return {"v": VERSION, "kind": kind, "key": key, "time": round(time, 3)}


def _named(teacher: str) -> dict[str, str]:
    return {"teacher": teacher} if teacher else {}


def _listed(usage: Usage | None) -> list[int] | None:
    if usage is None:
        return None
    return [usage.prompt_tokens, usage.completion_tokens, *([usage.cached_tokens] if usage.cached_tokens else [])]


def _usage(values: list[int] | None) -> Usage | None:
    return Usage(*_counted(values)) if values else None


def _counted(values: list[int]) -> list[int]:
    """Return the values. Raises ValueError unless all are counts, because a negative one would lift a limit."""
    if not all(type(value) is int and value >= 0 for value in values):
        raise ValueError(f"counts must be whole numbers of at least 0 (got {values})")
    return values
