"""What a run will take and has taken, as the command line says it: requests, tokens, dollars, hours."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator

from selfinstruct.cli.terminal import clock, dollars, safe, short
from selfinstruct.client.budget import Budget, Limits, committed, replies_usd, spent_usd
from selfinstruct.client.prices import Price
from selfinstruct.journal.file import Journal
from selfinstruct.journal.totals import Counts
from selfinstruct.layout import JOURNAL
from selfinstruct.records import Request
from selfinstruct.report.estimate import ASSUMED_ACCEPTANCE, ASSUMED_TASK, Estimate, beforehand, to_go
from selfinstruct.run import Run


def plan(run: Run) -> None:
    """Print the first request and what the run would ask for."""
    request = run.first_request()
    print("The first request:\n")
    if request.prompt is not None:
        print(safe(request.prompt))
    for message in request.messages:
        print(f"[{message['role']}]\n{safe(message['content'])}\n")
    print(f"Sampling: {json.dumps(dict(request.sampling), default=str)[:300]}")
    for name, one in run.recipe.generate.by_name.items():
        print(f"Teacher{f' {name}' if name else ''}: {one.teacher}, {safe(one.model or 'its default model')}")
    print(f"Endpoint: {run.definition.endpoint}")
    print(f"Price: {_price(run.definition.price)}")
    for line in _limits(run, request):
        print(line)
    for line in _estimate(run, request):
        print(line)
    print("Nothing was asked, nothing was written.")


def terms(run: Run) -> str:
    """The price and the limits under which a paid run goes, in a line; empty for a teacher that costs nothing."""
    price, runtime = run.definition.price, run.recipe.runtime
    if price is not None and not price.output and not price.input:
        return ""
    cost = "price unknown" if price is None else f"${price.input:g} and ${price.output:g} for a million tokens in and out"
    limits = [
        f"{value:,} {name}"
        for value, name in (
            (runtime.max_usd, "US dollars"),
            (runtime.max_tokens, "tokens"),
            (runtime.max_requests, "requests"),
        )
        if value is not None
    ]
    return f"{cost}; limit: {', '.join(limits) or 'none (see --max-usd)'}"


def _price(price: Price | None) -> str:
    if price is None:
        return "unknown (state it in the recipe: [runtime] price = { input = ..., output = ... }); tokens are counted"
    batch = f"; by batch {price.batch:g} times that" if price.batch != 1 else ""
    return f"${price.input:g} for a million tokens of prompts, ${price.output:g} of replies{batch} ({price.source})"


def _limits(run: Run, request: Request) -> Iterator[str]:
    """The limits of the run, beside the worst case of its first request."""
    runtime, price, bound = run.recipe.runtime, run.definition.price, request.bound
    limits = Limits.of(runtime)
    yield terms(run).partition("; ")[2].capitalize() or "Limit: none needed"
    if limits.usd is not None and price is None:
        yield "  --max-usd cannot hold without a price: the run would not begin"
    if bound is not None:
        cost = "" if price is None or not price.output else f", {dollars(price.of(request.teacher).usd(bound))}"
        yield f"  the worst case of the first request, reserved before it is sent: {bound.tokens:,} tokens{cost}"
    budget = Budget(limits, Counts(), price)
    if budget.fit(bound) == "never":
        yield f"  {budget.reached}"


def _estimate(run: Run, request: Request) -> Iterator[str]:
    """What the run is going to take: by its own replies so far, or by assumption."""
    num, price, batch = run.recipe.curate.num, run.definition.price, run.recipe.runtime.batch
    left = None
    if not run.is_new and (run.path / JOURNAL).exists():
        dataset = run.build()
        with Journal.reading(run.path / JOURNAL) as journal:
            left = to_go(dataset, journal.counts, price, journal.counts.per_minute(time.time()), dataset.requests)
        rows = f"{len(dataset.rows):,} of {num:,} rows are there"
    if left is not None:
        yield f"Estimate, by this run's own replies: {rows}; {_amount(left)} still to go."
        return
    left = beforehand(run.methods(), request, num, price, batch=batch)
    yield f"Estimate for {num:,} rows: {_amount(left)}."
    yield (
        f"  (assumed: {100 * ASSUMED_ACCEPTANCE:.0f} % of the candidates accepted, {ASSUMED_TASK} tokens a task; after the first "
        "replies the run's own figures take their place)"
    )


def _amount(left: Estimate) -> str:
    usd = "" if left.usd is None else f", about {dollars(left.usd)}"
    hours = "" if left.seconds is None else f", {clock(left.seconds)} at the latest speed"
    return f"about {round(left.requests):,} requests, {short(left.tokens.tokens)} tokens{usd}{hours}"


def spending(run: Run, rows: int) -> Iterator[str]:
    """What the whole run was billed for to get so many rows, with what nobody got a reply for, and what failed."""
    with Journal.reading(run.path / JOURNAL) as journal:
        counts = journal.counts
    price = run.definition.price
    cost = "; the price is unknown"
    if price is not None:
        usd = replies_usd(counts, price)
        cost = f", {dollars(spent_usd(counts, price, reserved=False))}"
        cost += f" ({dollars(1000 * usd / rows)} of replies for 1,000 rows)" if rows and usd else ""
    yield f"in all: {counts.calls:,} calls, {short(committed(counts, reserved=False).tokens)} tokens{cost}"
    if counts.lost.tokens:
        what = f"{counts.lost_calls:,} calls that brought no reply"
        what += f" and {counts.without_usage:,} replies without a token count" if counts.without_usage else ""
        yield f"  of these, {short(counts.lost.tokens)} tokens at most for {what}"
    if counts.beyond:
        yield f"  {counts.beyond:,} replies were billed beyond their bound: the provider does not keep to the tokens allowed"
    if counts.faults:
        yield "  calls without a reply: " + ", ".join(f"{n:,} {cause}" for cause, n in counts.faults.most_common())
    for name, batch in counts.open_batches.items():
        yield f"batch {name[:8]} is still at the provider ({batch.detail or batch.state}): run the same command to collect it"
