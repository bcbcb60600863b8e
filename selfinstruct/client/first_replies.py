"""Stop early when the first replies are of no use, and say why.

Until a step has its first reply with a text, only a few of its requests are sent. If all of them come back empty or refused, the
run stops with the likely cause. The same rule holds for the tasks of the first root requests (see `pipeline.py`).
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter, defaultdict
from collections.abc import Iterable

from selfinstruct.errors import TeacherStop, setting
from selfinstruct.records import Failure, Reply
from selfinstruct.text import shown

FEW = 8  # first replies without any use after which a run stops
_REFUSAL = re.compile(
    r"\b(?:i['\u2019]?m sorry|i am sorry|sorry, (?:but )?i|as an ai|"
    r"i (?:can(?:['\u2019]?t|not)|am unable to|won['\u2019]?t))\b",
    re.IGNORECASE,
)


class FirstReplies:
    """The first replies of each step. `useful` has the steps with a reply that has a text, from the journal."""

    def __init__(self, useful: Iterable[str] = ()) -> None:
        self._useful = set(useful)
        self._in_flight: Counter[str] = Counter()
        self._useless: defaultdict[str, list[Reply | Failure]] = defaultdict(list)
        self._changed = asyncio.Event()
        self.closed = False

    async def enter(self, step: str) -> None:
        """Wait until a request of this step may be sent."""
        while step not in self._useful and not self.closed and self._in_flight[step] + len(self._useless[step]) >= FEW:
            self._changed.clear()
            await self._changed.wait()
        self._in_flight[step] += 1

    def leave(self, step: str) -> None:
        """End a request that `enter` let through."""
        self._in_flight[step] -= 1
        self._changed.set()

    def close(self) -> None:
        """Let all requests through, because the run stops."""
        self.closed = True
        self._changed.set()

    def count(self, step: str, outcome: Reply | Failure) -> TeacherStop | None:
        """Count an outcome. Return the error that ends the run if the first ones of its step were all of no use."""
        if step in self._useful:
            return None
        if isinstance(outcome, Reply) and outcome.text.strip():
            self._useful.add(step)
            self._changed.set()
            return None
        useless = self._useless[step]
        useless.append(outcome)
        if len(useless) < FEW:
            return None
        where = f"the step {step!r}: " if step else ""
        problem, fix = likely_cause(outcome)
        every = "all" if step else "the first"
        return TeacherStop(f"{where}{every} {len(useless)} {'requests' if step else 'replies'} {problem}. Fix: {fix}.")


def likely_cause(outcome: Reply | Failure | None) -> tuple[str, str]:
    """Return what is wrong with a reply of no use, to follow "the first 8 replies", and what to do, as an imperative."""
    if isinstance(outcome, Failure):
        return (
            f"were refused (the last one: {shown(outcome.message)})",
            f"set another {setting('domain')}, {setting('prompt')} or {setting('model')}, or remove the setting that is refused",
        )
    if outcome is None:
        return "gave no task", "check the prompt"
    return _of_text(outcome) if outcome.text.strip() else _of_empty(outcome)


def _of_empty(reply: Reply) -> tuple[str, str]:
    """Return the same for a reply without a text."""
    if reply.filtered:
        return "were stopped by the provider's content filter", f"set another {setting('domain')} or {setting('model')}"
    if not reply.cut and not reply.reasoning:
        return f"are empty (finish reason {reply.finish_reason!r})", f"set another {setting('model')}, or check the server"
    began = f" (one begins {shown(reply.reasoning)})" if reply.reasoning else ""
    return (
        f"have no answer, because thinking used up their tokens{began}",
        f"set {setting('reply_tokens')} to a larger number, or set {setting('reasoning_effort', 'low')}",
    )


def _of_text(reply: Reply) -> tuple[str, str]:
    """Return the same for a reply with a text."""
    start = f"(one begins {shown(reply.text.strip())})"
    if _REFUSAL.search(reply.text[:300]):
        return f"refuse the task {start}", f"set another {setting('domain')} or {setting('model')}"
    if reply.text.lstrip().startswith("<"):
        return f"are web pages {start}", f"check {setting('base_url')}"
    if reply.cut:
        return f"were cut before the first task ended {start}", f"set {setting('reply_tokens')} to a larger number"
    fix = f"set {setting('prompt', 'alpaca-json')} or another prompt, or set another {setting('model')}"
    return f"have no task that can be read {start}", fix
