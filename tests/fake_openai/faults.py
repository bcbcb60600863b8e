"""What goes wrong at the tests' teacher: by the name of the model that is asked for, and by the shares of `--faults`.

Chance here is a hash: what befalls a request for good depends on its body's mark alone, so that no result depends on
timing; what passes depends on the mark and on how often the request has arrived.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Fate:
    """What is done with one request; `payload` None: the completion, `charged`: its tokens were generated."""

    status: int | str = 200  # 0: the connection is reset; -2: less is sent than promised; "hang": nothing, ever
    fault: str = ""
    payload: str | None = None
    header: str = ""
    kind: str = "application/json"
    charged: bool = True


def error(status: int, message: str, code: str = "", header: str = "") -> Fate:
    payload = json.dumps({"error": {"message": message, "code": code, "type": code}})
    return Fate(status, code or str(status), payload, header, charged=False)


FINE = Fate()
REFUSED = error(400, "This request is against the policy", "content_policy_violation")
CUT_SHORT = Fate(fault="length")
NO_CHOICE = Fate(fault="empty", payload='{"created": 1, "model": "m", "choices": []}')
GARBAGE = Fate(fault="garbage", payload="<html>gateway</html>", kind="text/html")
PASSING = {
    "429": error(429, "slow down", "rate_limit_exceeded", "retry-after: 0.05\r\n"),
    "500": error(500, "oops"),
    "reset": Fate(0, "reset"),
    "cut": Fate(-2, "cut", '{"choices": [{"mess'),
    "garbage": GARBAGE,
    "empty": NO_CHOICE,
    "hang": Fate("hang", "hang"),
}
LASTING = {"refused": REFUSED, "length": CUT_SHORT}
STANDING = {  # models for which nothing but this is ever answered
    "bad-key": error(401, "Incorrect API key provided"),
    "no-credit": error(429, "You exceeded your current quota", "insufficient_quota"),
    "unknown": error(404, "The model does not exist", "model_not_found"),
    "down": error(503, "overloaded"),
    "refuses-all": REFUSED,
    "empty": NO_CHOICE,
    "rambling": Fate(
        fault="rambling", payload='{"created": 1, "model": "rambling", "choices": [{"message": {"content": "Sure!"}}]}'
    ),
}
FAULTY = [*(PASSING[name] for name in ("429", "500", "reset", "cut")), replace(GARBAGE, kind="application/json"), NO_CHOICE]
# What a line of a batch can meet as well; the others are troubles of a connection, or of asking too fast.
OF_BATCHES = {"", "content_policy_violation", "500", "empty", "rambling", "length"}


def chance(*parts: object) -> float:
    """A number from 0 to 1 that depends on the parts alone."""
    digest = hashlib.sha256(":".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


def pick(draw: float, shares: dict[str, float]) -> str | None:
    """The name whose share of the numbers from 0 to 1 the draw is in."""
    for name, share in shares.items():
        if draw < share:
            return name
        draw -= share
    return None


class Faults:
    """The fate of each request, given the shares of `--faults` (like "429=0.05,length=0.03")."""

    def __init__(self, shares: str) -> None:
        given = {name: float(share) for name, _, share in (part.partition("=") for part in shares.split(",") if part)}
        if unknown := given.keys() - PASSING.keys() - LASTING.keys():
            raise ValueError(f"no such faults: {', '.join(sorted(unknown))}")
        self.passing = {name: share for name, share in given.items() if name in PASSING}
        self.lasting = {name: share for name, share in given.items() if name in LASTING}

    def live(self, model: str, mark: str, attempt: int) -> Fate:
        """The fate of a request that arrives for the attempt-th time."""
        lasting = self._lasting(model, mark)
        passing = self._passing(model, mark, attempt)
        if passing is None or (lasting is REFUSED and passing.charged):  # what is refused is not generated either
            return lasting
        return passing

    def batched(self, model: str, mark: str, attempt: int) -> Fate:
        """The fate of a batch's line: done (perhaps "missing" or "twice" in the output), or an error of its own."""
        if model == "batch-partial" and attempt == 1:
            name = pick(chance(mark, "partial"), {"500": 0.1, "missing": 0.05, "twice": 0.03})
            return {"500": PASSING["500"], "missing": Fate(fault="missing"), "twice": Fate(fault="twice")}.get(name or "", FINE)
        if model == "batch-no-credit":  # which is used up when the batch is begun
            return STANDING["no-credit"]
        fate = self.live(model, mark, attempt)
        return fate if fate.fault in OF_BATCHES else self._lasting(model, mark)

    def _lasting(self, model: str, mark: str) -> Fate:
        first = int(mark[:2], 16)
        if model == "refuses-some" and first < 64:
            return REFUSED
        if model == "short" and first < 128:
            return CUT_SHORT
        if self.lasting and (name := pick(chance(mark), self.lasting)):
            return LASTING[name]
        return FINE

    def _passing(self, model: str, mark: str, attempt: int) -> Fate | None:
        if model in STANDING:
            return STANDING[model]
        if model == "limited" and attempt == 1:
            return error(429, "slow down", "rate_limit_exceeded", "retry-after: 1200\r\n")
        if model == "faulty" and attempt == 1 and (which := int(mark[0], 16) % 8) < len(FAULTY):
            return FAULTY[which]
        if self.passing and (name := pick(chance(mark, attempt), self.passing)):
            return PASSING[name]
        return None
