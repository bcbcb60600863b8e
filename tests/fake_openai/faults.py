"""Faults of the stand-in server, chosen by the model's name and by the shares of `--faults`.

Chance is a hash, so that no result depends on timing. A lasting fault depends on the mark of the request body alone. A passing
fault depends on the mark and on how often the request has arrived.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Outcome:
    """Outcome of one request. Without a `payload` it is the completion. `charged` says that its tokens were generated."""

    status: int | str = 200  # 0: the connection is reset, -2: less is sent than promised, "hang": nothing is ever sent
    fault: str = ""
    payload: str | None = None
    header: str = ""
    kind: str = "application/json"
    charged: bool = True


def error(status: int, message: str, code: str = "", header: str = "") -> Outcome:
    """Return the outcome of a request that fails with an HTTP status and an error object."""
    payload = json.dumps({"error": {"message": message, "code": code, "type": code}})
    return Outcome(status, code or str(status), payload, header, charged=False)


FINE = Outcome()
REFUSED = error(400, "This request is against the policy", "content_policy_violation")
CUT_SHORT = Outcome(fault="length")
NO_CHOICE = Outcome(fault="empty", payload='{"created": 1, "model": "m", "choices": []}')
GARBAGE = Outcome(fault="garbage", payload="<html>gateway</html>", kind="text/html")
PASSING = {
    "429": error(429, "slow down", "rate_limit_exceeded", "retry-after: 0.05\r\n"),
    "500": error(500, "oops"),
    "reset": Outcome(0, "reset"),
    "cut": Outcome(-2, "cut", '{"choices": [{"mess'),
    "garbage": GARBAGE,
    "empty": NO_CHOICE,
    "hang": Outcome("hang", "hang"),
}
LASTING = {"refused": REFUSED, "length": CUT_SHORT}
STANDING = {  # models with one answer to every request
    "bad-key": error(401, "Incorrect API key provided"),
    "no-credit": error(429, "You exceeded your current quota", "insufficient_quota"),
    "unknown": error(404, "The model does not exist", "model_not_found"),
    "down": error(503, "overloaded"),
    "refuses-all": REFUSED,
    "empty": NO_CHOICE,
    "rambling": Outcome(
        fault="rambling", payload='{"created": 1, "model": "rambling", "choices": [{"message": {"content": "Sure!"}}]}'
    ),
}
FAULTY = [*(PASSING[name] for name in ("429", "500", "reset", "cut")), replace(GARBAGE, kind="application/json"), NO_CHOICE]
# Faults of a line of a batch. The others come from a connection, or from asking too fast.
OF_BATCHES = {"", "content_policy_violation", "500", "empty", "rambling", "length"}


def chance(*parts: object) -> float:
    """Return a number from 0 to 1 that depends on the parts alone."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def pick(draw: float, shares: dict[str, float]) -> str | None:
    """Return the name whose share of the numbers from 0 to 1 contains the draw, or None."""
    for name, share in shares.items():
        if draw < share:
            return name
        draw -= share
    return None


class Faults:
    """Outcome of each request, given the shares of `--faults` (such as "429=0.05,length=0.03")."""

    def __init__(self, shares: str) -> None:
        given = {name: float(share) for name, _, share in (part.partition("=") for part in shares.split(",") if part)}
        if unknown := given.keys() - PASSING.keys() - LASTING.keys():
            known = ", ".join(sorted([*PASSING, *LASTING]))
            raise ValueError(f"--faults: unknown {', '.join(sorted(unknown))}. Fix: choose from {known}.")
        self.passing = {name: share for name, share in given.items() if name in PASSING}
        self.lasting = {name: share for name, share in given.items() if name in LASTING}

    def live(self, model: str, mark: str, attempt: int) -> Outcome:
        """Return the outcome of a request that arrives for the attempt-th time."""
        lasting = self._lasting(model, mark)
        passing = self._passing(model, mark, attempt)
        if passing is None or (lasting is REFUSED and passing.charged):  # a refused request is not generated either
            return lasting
        return passing

    def batched(self, model: str, mark: str, attempt: int) -> Outcome:
        """Return the outcome of a line of a batch: done, done but missing or doubled in the output, or an error."""
        if model == "batch-partial" and attempt == 1:
            name = pick(chance(mark, "partial"), {"500": 0.1, "missing": 0.05, "twice": 0.03})
            return {"500": PASSING["500"], "missing": Outcome(fault="missing"), "twice": Outcome(fault="twice")}.get(
                name or "", FINE
            )
        if model == "batch-no-credit":  # the batch is accepted, and each of its lines lacks credit
            return STANDING["no-credit"]
        outcome = self.live(model, mark, attempt)
        return outcome if outcome.fault in OF_BATCHES else self._lasting(model, mark)

    def _lasting(self, model: str, mark: str) -> Outcome:
        first = int(mark[:2], 16)
        if model == "refuses-some" and first < 64:
            return REFUSED
        if model == "short" and first < 128:
            return CUT_SHORT
        if self.lasting and (name := pick(chance(mark), self.lasting)):
            return LASTING[name]
        return FINE

    def _passing(self, model: str, mark: str, attempt: int) -> Outcome | None:
        if model in STANDING:
            return STANDING[model]
        if model == "limited" and attempt == 1:
            return error(429, "slow down", "rate_limit_exceeded", "retry-after: 1200\r\n")
        if model == "faulty" and attempt == 1 and (which := int(mark[0], 16) % 8) < len(FAULTY):
            return FAULTY[which]
        if self.passing and (name := pick(chance(mark, attempt), self.passing)):
            return PASSING[name]
        return None
