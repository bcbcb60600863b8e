"""Learn which request fields a teacher takes, and send only those.

A model may refuse a field, such as `temperature`, or want it under another name, such as `max_completion_tokens`. A refusal
teaches that once for all requests to this teacher. The journal keeps it, so that a resumed run knows it from the beginning.
A request keeps its fingerprint whatever is left out, because the fingerprint is of what the recipe asks for.

The first request with a new set of fields goes alone for a moment, so that many calls in flight do not meet one refusal.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from selfinstruct.errors import FieldRefused
from selfinstruct.journal.events import Learned
from selfinstruct.records import Failure, Reply, Request

USUAL_BOUND = 4096  # tokens of one reply, where a limit needs a bound and the recipe sets none
_ALONE = 1.0  # seconds that the first request with new fields has for itself, because a refusal comes at once
BOUNDS = ("max_tokens", "max_completion_tokens")
_JSON_OBJECT = {"type": "json_object"}
_VARYING = {"seed", "stop"}  # fields that differ from request to request


class FieldsTaken:
    """The fields that one teacher takes.

    Args:
        model: The model, because another one may take others.
        bound: Tokens of one reply to ask for where a request has no bound. 0 for none.
        stated: Tokens of one reply that the recipe states, or 0.
        teacher: The teacher's name in the recipe.
        lines: What the journal has learned about this teacher, in order.
        notices: Takes sentences that the user should see.
    """

    def __init__(
        self,
        model: str,
        bound: int = 0,
        stated: int = 0,
        teacher: str = "",
        lines: Iterable[Learned] = (),
        notices: list[str] | None = None,
    ) -> None:
        self.model = model
        self.teacher = teacher
        self.notices = notices if notices is not None else []
        self.bound = bound
        self.stated = stated
        self._renamed: dict[str, str] = {}
        self._refused: set[str] = set()
        self._refused_values: set[tuple[str, str]] = set()
        self._formats: list[Any] = []  # response formats that were refused
        self.thinks = False  # True if the thinking of the model needs more tokens than a method grants for its answer
        self._answered: set[str] = set()
        self._alone: dict[str, asyncio.Event] = {}
        for line in lines:
            if line.model == model:
                self._apply(line)

    def fit(self, request: Request) -> Request:
        """Return a request with the fields that the teacher takes, and with a bound where one is needed."""
        if not request.sampling and not self.bound:
            return request
        sampling: dict[str, Any] = dict(request.sampling)
        if self.thinks:
            for name in request.wishes.intersection(BOUNDS):
                if sampling.pop(name, None) and self.stated:
                    sampling[name] = self.stated
        if self.bound and not any(name in sampling for name in BOUNDS):
            sampling["max_tokens"] = self.bound
        if self._renamed or self._refused or self._refused_values or self._formats:
            sampling = self._without_refused(sampling)
        return request if sampling == request.sampling else replace(request, sampling=sampling)

    def _without_refused(self, sampling: dict[str, Any]) -> dict[str, Any]:
        """Return fields without those that the teacher has refused, or under the names that it takes."""
        fields: dict[str, Any] = {}
        for name, value in sampling.items():
            known = self._renamed.get(name, name)
            if known != name and known in sampling:
                continue
            if known not in self._refused and (known, _text(value)) not in self._refused_values:
                fields[known] = value
        if fields.get("response_format") in self._formats:
            simpler = _JSON_OBJECT if _JSON_OBJECT not in self._formats else None
            del fields["response_format"]
            fields |= {"response_format": simpler} if simpler else {}
        return fields

    def can_leave_out(self, sent: Request, refusal: FieldRefused, *, bound_needed: bool) -> bool:
        """Return True if a request may be sent without the field that was refused, or with it under another name.

        `bound_needed` is True if a limit of the run needs a bound on each reply, under either name.
        """
        if refusal.field in BOUNDS and bound_needed:
            return refusal.field == BOUNDS[0] and not refusal.value_only and refusal.field in sent.sampling
        return refusal.field in sent.sampling

    def learn(self, request: Request, sent: Request, refusal: FieldRefused) -> Iterator[Learned]:
        """Learn from the refusal of a request as it was `sent`. Yield what is new: nothing, if another call has taught it."""
        if self.fit(request).sampling != sent.sampling:
            return
        name, value = refusal.field, sent.sampling[refusal.field]
        if name == "response_format" and value:
            yield self._learned(name, "format", value, f"refuses this {name} ({refusal}): a simpler one is sent")
        elif name in BOUNDS and not refusal.value_only and name not in self._renamed.values():
            other = refusal.instead or BOUNDS[1 - BOUNDS.index(name)]
            yield self._learned(name, "renamed", other, f"refuses {name} ({refusal}): {other} is sent instead")
        elif refusal.value_only and name not in _VARYING:
            yield self._learned(name, "value", value, f"refuses {name}={value} ({refusal}): it is left out")
        else:
            yield self._learned(name, "left_out", None, f"refuses {name} ({refusal}): it is left out")

    def learn_thinking(self, request: Request, sent: Request, outcome: Reply | Failure) -> Iterator[Learned]:
        """Learn that the model's thinking uses up the bound that a method sets for an answer. Yield that if it is new."""
        if not self.thinks and self.used_up_by_thinking(sent, outcome) and "max_tokens" in request.wishes:
            yield self._learned("max_tokens", "thinks", None, "thinks first: the method's own bound on replies is left out")

    def used_up_by_thinking(self, sent: Request, outcome: Reply | Failure) -> bool:
        """Return True for a reply whose thinking used up the bound that the method sets."""
        if not sent.wishes.intersection(BOUNDS) or not isinstance(outcome, Reply) or not outcome.cut:
            return False
        return bool(outcome.reasoning) or not outcome.text

    def _learned(self, name: str, how: str, value: Any, words: str) -> Learned:
        """Apply something new, and say it."""
        line = Learned(self.model, name, how, value, time.time(), self.teacher)
        self._apply(line)
        self.notices.append(f"the model {self.model!r} {words}.")
        return line

    def _apply(self, line: Learned) -> None:
        if line.how == "format":
            self._formats.append(line.value)
        elif line.how == "renamed":
            self._renamed[line.field] = str(line.value)
        elif line.how == "value":
            self._refused_values.add((line.field, _text(line.value)))
        elif line.how == "thinks":
            self.thinks = True
        else:
            self._refused.add(line.field)

    async def wait_for_turn(self, request: Request) -> str:
        """Wait while another request tries the same fields for the first time. Return the name of this set of fields."""
        if not request.sampling:
            return ""
        shape = _shape(request)
        if shape not in self._answered:
            if trying := self._alone.get(shape):
                await trying.wait()
            else:
                self._alone[shape] = asyncio.Event()
                asyncio.get_running_loop().call_later(_ALONE, self._alone[shape].set)
        return shape

    def taken(self, shape: str) -> None:
        """Note that the teacher took a set of fields."""
        if shape:
            self._answered.add(shape)
            if trying := self._alone.pop(shape, None):
                trying.set()

    def refused(self, shape: str) -> None:
        """Note that the teacher refused a set of fields, so that the requests that waited may look again."""
        if trying := self._alone.pop(shape, None):
            trying.set()


def _shape(request: Request) -> str:
    """Return a text that is the same for all requests with the same fields."""
    sampling: Mapping[str, Any] = request.sampling
    return f"{request.prompt is None}" + "".join(
        f"|{name}={'' if name in _VARYING else sampling[name]}" for name in sorted(sampling)
    )


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)
