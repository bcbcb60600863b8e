"""Estimates of requests, tokens, US dollars and time: for a new run by assumption, for a started one by its own figures."""

from __future__ import annotations

from dataclasses import dataclass

from selfinstruct.client.budget import replies_usd
from selfinstruct.client.prices import Price
from selfinstruct.curate.dataset import Dataset
from selfinstruct.generate.mixture import Mixture
from selfinstruct.journal.totals import Counts
from selfinstruct.records import Request, Usage

ASSUMED_ACCEPTANCE = 0.6  # share of candidates that become rows, while nothing is known
ASSUMED_TASK_TOKENS = 90  # tokens of one finished task in a reply
_BYTES_PER_TOKEN = 4  # English text in the tokenizers of today's large models


@dataclass(frozen=True, slots=True)
class Estimate:
    """Amounts that a run still needs.

    Attributes:
        requests: Requests to send, not a whole number.
        tokens: Tokens of their prompts and replies.
        usd: US dollars, or None if the price is unknown.
        seconds: Seconds at the latest speed, or None while it is unknown.
    """

    requests: float
    tokens: Usage
    usd: float | None
    seconds: float | None = None


def estimate_new_run(method: Mixture, request: Request, rows: int, price: Price | None, *, batch: bool = False) -> Estimate:
    """Return an estimate for `rows` rows of a run without replies.

    It assumes an acceptance, the length of a task, and that all prompts are as long as that of `request`, the first one.
    `batch` applies the price of batches.
    """
    tasks, solving_requests = method.tasks_of_a_root
    roots = rows / max(1.0, tasks * ASSUMED_ACCEPTANCE)
    requests = roots * (1 + solving_requests * ASSUMED_ACCEPTANCE)  # one proposes tasks, others solve those accepted
    prompt = request.prompt or "".join(message["content"] for message in request.messages)
    prompt_tokens = len(prompt.encode(errors="replace")) / _BYTES_PER_TOKEN
    longest_reply = request.bound.completion_tokens if request.bound else 1 << 30
    reply_tokens = min(longest_reply, ASSUMED_TASK_TOKENS * (1 if solving_requests else tasks))
    tokens = Usage(round(requests * prompt_tokens), round(requests * reply_tokens))
    usd = None if price is None else price.usd(tokens, tokens if batch else Usage())
    return Estimate(requests, tokens, usd)


def estimate_remaining(
    dataset: Dataset, counts: Counts, price: Price | None, per_minute: float | None, used: int
) -> Estimate | None:
    """Return an estimate of what a started run still needs, or None while it has no row.

    It assumes that the missing rows cost as much as the rows so far. `counts` are the sums of the run's journal, `per_minute`
    is the present speed in requests. `used` is the number of requests whose replies were decided on: replies beyond them are
    in the journal and need not be asked for.
    """
    rows, missing = len(dataset.rows), dataset.target - len(dataset.rows)
    if not rows or not counts.replies or not used:
        return None
    requests = max(0.0, missing * used / rows - (counts.replies - used))
    share = requests / counts.requests
    tokens = Usage(round(counts.usage.prompt_tokens * share), round(counts.usage.completion_tokens * share))
    usd = None if price is None else replies_usd(counts, price) * share
    return Estimate(requests, tokens, usd, 60 * requests / per_minute if per_minute else None)
