"""What a run is going to take: before the first reply by assumption, after it by the run's own yield."""

from __future__ import annotations

from dataclasses import dataclass

from selfinstruct.client.budget import replies_usd
from selfinstruct.client.prices import Price
from selfinstruct.curate.dataset import Dataset
from selfinstruct.generate.mixture import Mixture
from selfinstruct.journal.totals import Counts
from selfinstruct.records import Request, Usage

ASSUMED_ACCEPTANCE = 0.6  # share of candidates that become rows, before anything is known
_BYTES_A_TOKEN = 4  # of English in the tokenizers of today's large models
ASSUMED_TASK = 90  # tokens of one finished task in a reply


@dataclass(frozen=True, slots=True)
class Estimate:
    """Requests, tokens, US dollars (None: the price is unknown) and seconds (None: the speed is) still to come."""

    requests: float
    tokens: Usage
    usd: float | None
    seconds: float | None = None


def beforehand(method: Mixture, request: Request, rows: int, price: Price | None, *, batch: bool = False) -> Estimate:
    """An estimate for a run without replies: assumed are the acceptance, the length of a task and of a token."""
    tasks, more = method.tasks_of_a_root
    roots = rows / max(1.0, tasks * ASSUMED_ACCEPTANCE)
    requests = roots * (1 + more * ASSUMED_ACCEPTANCE)  # one for the tasks, and those for each that is admitted
    asked = request.prompt or "".join(message["content"] for message in request.messages)
    longest = request.bound.completion_tokens if request.bound else 1 << 30
    each = min(longest, ASSUMED_TASK * (tasks if not more else 1))
    tokens = Usage(round(requests * len(asked.encode(errors="replace")) / _BYTES_A_TOKEN), round(requests * each))
    usd = None if price is None else price.usd(tokens, tokens if batch else Usage())
    return Estimate(requests, tokens, usd)


def to_go(dataset: Dataset, counts: Counts, price: Price | None, per_minute: float | None, used: int) -> Estimate | None:
    """An estimate of what is left, at what this run's rows have taken so far; None while there are none.

    `used` are the requests whose replies have been decided on; the others that were answered need not be asked again.
    """
    rows, missing = len(dataset.rows), dataset.target - len(dataset.rows)
    if not rows or not counts.replies or not used:
        return None
    requests = max(0.0, missing * used / rows - (counts.replies - used))
    share = requests / counts.requests
    tokens = Usage(round(counts.usage.prompt_tokens * share), round(counts.usage.completion_tokens * share))
    usd = None if price is None else replies_usd(counts, price) * share
    return Estimate(requests, tokens, usd, 60 * requests / per_minute if per_minute else None)
