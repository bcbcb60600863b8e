"""Costs in words: what a run will take, and what it has taken (requests, tokens, US dollars, time)."""

from __future__ import annotations

import json
import shlex
import time
from collections.abc import Iterator, Mapping

from selfinstruct.cli.terminal import clock, dollars, folded, safe, short, tally
from selfinstruct.client.budget import Budget, Limits, committed, replies_usd, spent_usd
from selfinstruct.client.fields_taken import USUAL_BOUND, FieldsTaken
from selfinstruct.inputs import seed_check
from selfinstruct.journal.file import Journal
from selfinstruct.journal.totals import Counts
from selfinstruct.layout import JOURNAL
from selfinstruct.records import Request
from selfinstruct.report.estimate import (
    ASSUMED_ACCEPTANCE,
    ASSUMED_TASK_TOKENS,
    Estimate,
    estimate_new_run,
    estimate_remaining,
)
from selfinstruct.run import Run
from selfinstruct.text import counted


def plan(run: Run) -> None:
    """Print, for --dry-run, the first request, the price, the limits and an estimate."""
    request = run.first_request()
    print("First request:\n")
    if request.prompt is not None:
        print(folded(safe(request.prompt)))
    for message in request.messages:
        print(folded(safe(f"[{message['role']}]\n{message['content']}\n")))
    print(folded(safe(f"Sampling: {json.dumps(dict(request.sampling), default=str)[:300]}")))
    for line in (*seed_findings(run), *teachers(run), *_prices(run), *_limits(run, request), *_estimate(run, request)):
        print(folded(safe(line[0].upper() + line[1:])))
    print("Nothing was asked or written.")


def terms(run: Run) -> Iterator[str]:
    """Yield the price and the limits of a run, a line each, or nothing for a teacher that costs nothing."""
    if run.definition.paid:
        yield from _prices(run)
        yield f"limit: {_limits_of(run)}"
    if _needs_bound(run):
        yield f"bound: each reply gets at most {USUAL_BOUND:,} tokens, as the limit needs a worst case (--reply-tokens)"


def seed_findings(run: Run) -> Iterator[str]:
    """Yield a line on the problems of a new run's seed file, or nothing if there are none."""
    path = run.recipe.generate.seeds
    if run.is_new and path and (found := len(seed_check.check(run.definition.inputs.seeds).findings)):
        yield f"seeds: {counted(found, 'finding')}, see `selfinstruct seeds {shlex.quote(path)}`"


def teachers(run: Run) -> Iterator[str]:
    """Yield each teacher with its model, a line each, and the endpoint."""
    for name, teacher in run.recipe.generate.by_name.items():
        yield f"teacher{f' {name}' if name else ''}: {teacher.teacher}, model {teacher.model or '(default)'}"
    yield f"endpoint: {run.definition.endpoint}"


def spending(run: Run, rows: int) -> Iterator[str]:
    """Yield lines on what the whole run was billed for: calls, tokens, US dollars, faults, open batches.

    `rows` is the number of rows in the dataset, for the cost of 1,000 rows.
    """
    with Journal.reading(run.path / JOURNAL) as journal:
        counts = journal.counts
    counts.close_all()  # the process that made them has written its last line
    price = run.definition.price
    cost = "price unknown"
    if price is not None:
        replies = replies_usd(counts, price)
        cost = dollars(spent_usd(counts, price, reserved=False))
        cost += f" (replies: {dollars(1000 * replies / rows)} per 1,000 rows)" if rows and replies else ""
    calls = counted(counts.calls, "call")
    yield f"run total: {calls}, {short(committed(counts, reserved=False).tokens)} tokens, {cost}"
    if counts.lost.tokens:
        calls_and_replies = unmeasured(counts.lost_calls, counts.without_usage)
        yield f"  of these, at most {short(counts.lost.tokens)} tokens for {calls_and_replies}"
    if counts.beyond:
        replies_beyond = counted(counts.beyond, "reply", "replies")
        yield f"  {replies_beyond} billed for more tokens than the request allowed: the provider does not keep that limit"
    if counts.without_reply:
        yield f"  calls without a reply: {tally(counts.without_reply)}"
    for name, batch in counts.open_batches.items():
        yield f"batch {name[:8]} is open at the provider ({batch.detail or batch.state}). Run the same command to collect it"


def limits_text(limits: Mapping[str, float | None]) -> str:
    """Return the limits of a run in words. `limits` is as in the values of `status`: None for unlimited."""
    texts = [
        dollars(limit) if name == "US dollars" else counted(int(limit), name.removesuffix("s"))
        for name, limit in limits.items()
        if limit is not None
    ]
    return ", ".join(texts) or "none"


def unmeasured(calls: int, replies: int) -> str:
    """Return words for what was billed without exact tokens: `calls` without a reply, `replies` without a token count.

    If both are 0, it was requests in batches, which are not counted one by one.
    """
    lost = counted(calls, "call without a reply", "calls without a reply")
    uncounted = counted(replies, "reply without a token count", "replies without a token count")
    return " and ".join([lost] * bool(calls) + [uncounted] * bool(replies)) or "requests in batches without a reply"


def _prices(run: Run) -> Iterator[str]:
    """Yield the price of each teacher, a line each."""
    price = run.definition.price
    if price is None:
        yield "price: unknown (set [runtime] price = { input = ..., output = ... } in a recipe)"
        return
    for name in run.recipe.generate.by_name:
        own = price.of(name)
        batch = f", {own.batch:g} times that in batches" if own.batch != 1 else ""
        rates = f"${own.input:g} per million prompt tokens, ${own.output:g} per million reply tokens{batch}"
        yield f"price{f' of {name}' if name else ''}: {rates} ({own.source})"


def _needs_bound(run: Run) -> bool:
    """Return True if a limit of the run needs a bound on replies, and the recipe sets none."""
    return Limits.of(run.recipe.runtime).need_bounds and run.recipe.generate.reply_tokens is None


def _limits_of(run: Run) -> str:
    runtime = run.recipe.runtime
    limits = {"US dollars": runtime.max_usd, "tokens": runtime.max_tokens, "requests": runtime.max_requests}
    text = limits_text(limits)
    return "none (to set one, use --max-usd)" if text == "none" else text


def _limits(run: Run, request: Request) -> Iterator[str]:
    """Yield the limits, and the worst case of the first request, which is reserved before it is sent."""
    runtime, price = run.recipe.runtime, run.definition.price
    bound = (FieldsTaken("", USUAL_BOUND).fit(request) if _needs_bound(run) else request).bound
    limits = Limits.of(runtime)
    yield f"limit: {_limits_of(run)}"
    if limits.usd is not None and price is None:
        yield "  --max-usd needs a price: without it the run will not start"
    if bound is not None:
        cost = "" if price is None or not price.output else f", {dollars(price.of(request.teacher).usd(bound))}"
        yield f"  worst case of a request, reserved before it is sent: {counted(bound.tokens, 'token')}{cost}"
    budget = Budget(limits, Counts(), price)
    if budget.fit(bound) == "never":
        yield f"  {budget.reached}"


def _estimate(run: Run, request: Request) -> Iterator[str]:
    """Yield an estimate: from the run's own replies if it has any, else from assumptions."""
    num, price, batch = run.recipe.curate.num, run.definition.price, run.recipe.runtime.batch
    if not run.is_new and (run.path / JOURNAL).exists():
        dataset = run.build()
        with Journal.reading(run.path / JOURNAL) as journal:
            counts = journal.counts
        speed = counts.per_minute(time.time())
        if remaining := estimate_remaining(dataset, counts, price, speed, dataset.requests):
            yield f"estimate from this run's own replies, with {len(dataset.rows):,} of {num:,} rows done:"
            yield f"  remaining: {_amount(remaining)}"
            return
    yield f"estimate for {counted(num, 'row')}: {_amount(estimate_new_run(run.methods(), request, num, price, batch=batch))}"
    yield f"  (assumed: {100 * ASSUMED_ACCEPTANCE:.0f} % of the candidates accepted, {ASSUMED_TASK_TOKENS} tokens per task)"


def _amount(estimate: Estimate) -> str:
    usd = "" if estimate.usd is None else f", {dollars(estimate.usd)}"
    duration = "" if estimate.seconds is None else f", {clock(estimate.seconds)} at the latest speed"
    return f"about {counted(round(estimate.requests), 'request')}, {short(estimate.tokens.tokens)} tokens{usd}{duration}"
