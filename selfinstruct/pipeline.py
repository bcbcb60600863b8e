"""The story of a run, from seeds to rows.

    propose ─▶ admit ─▶ solve ─▶ check ─▶ keep the first N

Each root request has an index: 0, 1, 2, ... Many of them are under way at a time, and teachers answer in any order. Every
decision is taken in index order, so neither concurrency nor a crash can change which rows come out. Resuming is not a
special case: `ask` answers from the journal what was answered before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

from selfinstruct.client.ask import DurableAsk
from selfinstruct.client.first_replies import FEW, likely_cause
from selfinstruct.curate.curator import Curator
from selfinstruct.curate.dataset import NOT_JUDGED, RECENT_ROOTS, Dataset
from selfinstruct.errors import ReplyMissing, RequestRefused
from selfinstruct.generate.lookahead import Lookahead
from selfinstruct.generate.mixture import Mixture
from selfinstruct.generate.ordering import Sequencer
from selfinstruct.records import Candidate, Decision, ParseDefect, ParsedTask

Watch = Callable[[Dataset, DurableAsk], None]
_OF_NO_USE = frozenset({"refusal", "empty_output", "empty_instruction", "request_refused", "unanswered"})
_TICK = 0.5  # seconds between two calls of a watcher while nothing else happens


async def generate_rows(
    method: Mixture,
    ask: DurableAsk,
    curator: Curator,
    *,
    num: int,
    give_up_after: int,
    least_acceptance: float,
    window: int,
    in_rounds: bool = False,
    watch: Watch | None = None,
) -> Dataset:
    """Ask and decide until there are `num` rows, or until no more can be had. Return the dataset.

    At most `window` root requests are under way at a time. Near the end, only as many as the missing rows need (see
    `lookahead`). `in_rounds` means that replies arrive many at once, as from batches. `watch` is called after each step and
    twice a second. Requests in flight are paid for, so they are waited for whatever ends the loop.

    Raises what a method, a filter or `watch` raised.
    """
    async with _reporting(ask, watch) as report:
        lookahead = Lookahead(num, method.rows_at_most, in_rounds=in_rounds)
        loop = GenerationLoop(method, ask, curator, lookahead, give_up_after, least_acceptance, report)
        await loop.run(window)
    return loop.dataset


class GenerationLoop:
    """The root requests of a run under way, and the dataset that they have given so far."""

    def __init__(
        self,
        method: Mixture,
        ask: DurableAsk,
        curator: Curator,
        lookahead: Lookahead,
        give_up_after: int,
        least_acceptance: float,
        report: Callable[[Dataset], None],
    ) -> None:
        self.method = method
        self.ask = ask
        self.curator = curator
        self.lookahead = lookahead
        self.num = lookahead.num
        self.give_up_after = give_up_after
        self.least_acceptance = least_acceptance
        self.report = report
        self.task_pool = method.turns.task_pool
        self.dataset = Dataset(target=self.num, pool=curator.pool)
        self.over = False
        self._admission = Sequencer()
        self._collection = Sequencer()
        self._empty_streak = 0
        self._some_ended = asyncio.Event()
        # Until a task can be read, only a few root requests are begun: a teacher that gives none must not cost much.
        self._careful = not lookahead.in_rounds
        self._all_useless = True

    async def run(self, window: int) -> None:
        """Begin root requests until the loop is over, at most `window` at a time."""
        under_way: set[asyncio.Task[None]] = set()
        errors: list[BaseException] = []

        def ended(task: asyncio.Task[None]) -> None:
            under_way.discard(task)
            self._some_ended.set()
            if not task.cancelled() and (error := task.exception()):
                errors.append(error)

        index = 0
        self.ask.replay_first()
        try:
            while under_way or not self.over:
                number = 0 if self.over else self.lookahead.to_begin(index, len(under_way), window)
                for _ in range(min(number, FEW - index) if self._careful else number):
                    task = asyncio.create_task(self.root(index))
                    under_way.add(task)
                    task.add_done_callback(ended)
                    index += 1
                self._some_ended.clear()
                await self._some_ended.wait()
                if errors:
                    raise errors[0]  # what a method or a filter raised
        finally:
            self.finish()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def root(self, index: int) -> None:
        """Run one root request, from its proposal to its rows."""
        try:
            candidates = await self.propose(index)
            await self._admission.wait_for(index)
            decisions = self.curator.admit(candidates)
            if self._careful and not all(is_useless(decision) for decision in decisions):
                self._careful = False
                self._some_ended.set()
            self.task_pool.add(candidates, decisions)
            self._admission.advance()
            if any(decision.accepted and decision.candidate.task.output is None for decision in decisions):
                decisions = [one for solved in await _all(self.solve(each) for each in decisions) for one in solved]
            await self._collection.wait_for(index)
            self.collect(decisions)
            self._collection.advance()
        except ReplyMissing:
            self.end(after=index)

    async def propose(self, index: int) -> list[Candidate]:
        """Return what the teacher proposes. A refused request is returned as one candidate with a defect."""
        try:
            return await self.method.propose(index, self.ask)
        except RequestRefused as error:
            return [Candidate(str(index), 0, ParsedTask("", defect=ParseDefect("request_refused", f"{error.cause}: {error}")))]

    async def solve(self, decision: Decision) -> list[Decision]:
        """Return an admitted candidate with its outputs.

        It is rejected if the teacher refuses to solve it, or if the run stopped before it was solved.
        """
        candidate = decision.candidate
        if not decision.accepted or candidate.task.output is not None:
            return [decision]
        try:
            return [Decision(solved) for solved in await self.method.solve(candidate, self.ask)]
        except RequestRefused as error:
            return [Decision(candidate, "request_refused", f"{error.cause}: {error}")]
        except ReplyMissing:
            return [Decision(candidate, "unanswered")]

    def collect(self, decisions: list[Decision]) -> None:
        """Check the solved candidates, keep the accepted ones, and end the loop if that is enough."""
        before = len(self.dataset.rows)
        final = [self._collected(decision) for decision in decisions]
        unanswered = sum(decision.rule == "unanswered" for decision in decisions)
        self.dataset.unanswered += unanswered
        self.dataset.roots += 1
        self.lookahead.record(len(self.dataset.rows), self.dataset.roots)
        self.ask.decide_next(self.dataset.roots)
        gained = len(self.dataset.rows) - before
        self._empty_streak = 0 if unanswered or gained else self._empty_streak + 1
        self.dataset.recent.add(gained, sum(one.rule not in NOT_JUDGED for one in final))
        self._all_useless = self._all_useless and not unanswered and all(map(is_useless, final))
        if len(self.dataset.rows) == self.num:
            self.finish()
        elif self._all_useless and self.dataset.roots == FEW and not self._has_more():
            self._end_early(final)
        elif self._empty_streak >= self.give_up_after:
            self.dataset.ended = f"the last {self._empty_streak} root requests gave no new row"
            self.finish()
        elif reason := self.saturation():
            self.dataset.ended = reason
            self.finish()
        self.report(self.dataset)

    def _collected(self, decision: Decision) -> Decision:
        """Return the last decision on a candidate, and put it among the rows or the rejected candidates."""
        if decision.accepted:
            decision = self.curator.check(decision.candidate)
        if decision.accepted and len(self.dataset.rows) == self.num:
            decision = Decision(decision.candidate, "over_target", self.num, self.num)
        if decision.accepted:
            self.curator.keep(decision.candidate)
        (self.dataset.rows if decision.accepted else self.dataset.rejected).append(decision)
        return decision

    def _has_more(self) -> bool:
        """Return True if the journal has a reply of a later root request, as in a run by batch."""
        return any(key in self.ask.journal for key in (f"{self.dataset.roots}", f"{self.dataset.roots}/1"))

    def _end_early(self, latest: list[Decision]) -> None:
        """End the run, because none of the first root requests gave a task. Say the likely cause and what to do."""
        keys = [decision.candidate.solved_by or decision.candidate.key for decision in latest]
        entry = self.ask.journal.get(keys[0] if keys else f"{self.dataset.roots - 1}")
        problem, self.dataset.remedy = likely_cause(entry.outcome if entry else None)
        self.dataset.ended = f"the first {FEW} replies {problem}"
        self.finish()

    def saturation(self) -> str:
        """Return why the run should end, if the last 100 root requests gave too few rows. Else return an empty text."""
        share, recent = self.dataset.recent_acceptance, self.dataset.recent
        if len(recent.roots) < RECENT_ROOTS or share is None or share >= self.least_acceptance:
            return ""
        return f"saturated: only {recent.rows:,} of the last {recent.judged:,} candidates were accepted"

    def finish(self) -> None:
        """Send no more requests and take no more decisions."""
        self.ask.close()
        self.end(after=-1)

    def end(self, after: int) -> None:
        """Take no decisions after root request `after`, and release the tasks that wait for their turn."""
        self.over = True
        self._admission.close(after)
        self._collection.close(after)
        self.task_pool.close(after)


def is_useless(decision: Decision) -> bool:
    """Return True for a candidate that has no task or no answer, whatever the filters are."""
    return decision.candidate.task.defect is not None or decision.rule in _OF_NO_USE


async def _all(steps: Iterable[Coroutine[Any, Any, list[Decision]]]) -> list[list[Decision]]:
    """Return the results of all steps. An error is raised only when all have ended, so that no reply is lost."""
    results = await asyncio.gather(*steps, return_exceptions=True)
    decisions = [result for result in results if isinstance(result, list)]
    if errors := [result for result in results if isinstance(result, BaseException)]:
        raise errors[0]
    return decisions


@asynccontextmanager
async def _reporting(ask: DurableAsk, watch: Watch | None) -> AsyncIterator[Callable[[Dataset], None]]:
    """Yield a function to call after each step. It calls `watch`, which is also called twice a second in between."""
    if watch is None:
        yield lambda dataset: None
        return
    latest = Dataset()

    def step(dataset: Dataset) -> None:
        nonlocal latest
        latest = dataset
        watch(dataset, ask)

    async def tick() -> None:
        while True:
            await asyncio.sleep(_TICK)
            watch(latest, ask)

    task = asyncio.create_task(tick())
    try:
        yield step
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        watch(latest, ask)
