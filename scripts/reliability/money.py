"""Check the limits on requests, tokens and dollars with random prices, limits, faults and kills.

    .venv/bin/python scripts/reliability/money.py [--settings 50] [--seed 1]

Each setting is a run with random limits. It is killed up to four times and resumed until it ends by itself. The server's log
says what was charged, lost replies included, which must be within every limit. A run without faults and kills must also use
its limit, except for about one more call. The program exits with status 1 otherwise.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import FakeOpenAI, environment, running_fake_openai

from selfinstruct.client.budget import committed, spent_usd
from selfinstruct.client.prices import Price
from selfinstruct.journal.file import Journal
from selfinstruct.records import Usage

FAULTS = {"429": 0.1, "500": 0.06, "reset": 0.06, "cut": 0.06, "garbage": 0.06, "empty": 0.04, "hang": 0.02, "length": 0.1}
TASKS = {"alpaca": (1900, 4096), "few_shot": (100, 400)}  # range of reply_tokens, never less than the server writes
KNOWN_STATUS = (0, 3)
TINY = 1e-9  # US dollars, for sums of the same numbers in another order


@dataclass
class Case:
    """A run with its limits, and the faults and kills that it meets."""

    number: int
    method: str
    reply_tokens: int
    concurrency: int
    price: dict[str, float]
    caps: dict[str, float]
    faults: str
    latency: float
    endpoints: int
    batch: bool
    kills: list[int]  # each after so many more lines of the server's log
    hopeless: bool  # a limit is less than one call
    raised: bool = False  # resumed once with twice the limits

    @property
    def calm(self) -> bool:
        """True without faults, kills and batches."""
        return not (self.faults or self.kills or self.batch)


@dataclass
class Outcome:
    """End of a run, what was charged, and what is wrong."""

    status: int = -1
    said: str = ""
    kills: int = 0
    spent: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def drawn(number: int, rng: random.Random, largest: float) -> Case:
    """Return a random setting with limits for at most `largest` of the most expensive calls."""
    method = rng.choice(list(TASKS))
    reply_tokens = rng.randint(*TASKS[method])
    price = {"input": _log(rng, 0.05, 20), "output": _log(rng, 0.05, 80), "batch": rng.choice([0.5, 1.0])}
    hopeless = rng.random() < 0.12
    call = reply_tokens * (2.0 if method == "alpaca" else 6.0)  # about the most tokens that one call can take
    most = 1.0 if hopeless else _log(rng, 2, largest)
    caps: dict[str, float] = {}
    for name in rng.sample(["tokens", "usd"] if hopeless else ["requests", "tokens", "usd"], rng.choice([1, 1, 2])):
        caps[name] = {
            "requests": max(1, round(most * rng.uniform(0.5, 2))),
            "tokens": round(reply_tokens * rng.uniform(0.1, 0.9)) if hopeless else round(call * most),
            "usd": reply_tokens * price["output"] * price["batch"] / 1e6 * 0.9
            if hopeless
            else call * most * price["output"] / 1e6,
        }[name]
    faulty = {name: round(most * rng.random(), 3) for name, most in FAULTS.items() if rng.random() < 0.5}
    return Case(
        number=number,
        method=method,
        reply_tokens=reply_tokens,
        concurrency=rng.choice([1, 2, 5, 16, 50]),
        price=price,
        caps=caps,
        faults=",".join(f"{name}={share}" for name, share in faulty.items()) if rng.random() < 0.7 else "",
        latency=rng.choice([0.0, 0.02, 0.2]),
        endpoints=rng.choice([1, 1, 1, 2]),
        batch=rng.random() < 0.15,
        kills=[rng.randint(0, 12) for _ in range(rng.choice([0, 0, 1, 2, 3, 4]))],
        hopeless=hopeless,
        raised=not hopeless and rng.random() < 0.2,
    )


def _log(rng: random.Random, low: float, high: float) -> float:
    """Return a random number with three digits, evenly distributed on a logarithmic scale."""
    return float(f"{low * (high / low) ** rng.random():.3g}")


def run_case(setting: Case, directory: Path) -> Outcome:
    """Run a setting to its end, and compare the charges with its limits."""
    recipe, run, outcome = directory / "recipe.toml", directory / "run", Outcome()
    prices = ", ".join(f"{name} = {rate}" for name, rate in setting.price.items())
    recipe.write_text(f"[runtime]\nprice = {{ {prices} }}\n")
    with ExitStack() as stack:
        options = {"faults": setting.faults, "latency": setting.latency, "batch_seconds": 0.2}
        logs = [directory / f"log{n}.jsonl" for n in range(setting.endpoints)]
        servers = [stack.enter_context(running_fake_openai(log, **options)) for log in logs]
        command = [sys.executable, "-m", "selfinstruct", "generate", str(run), *_flags(setting, recipe, servers)]

        def size() -> int:
            return sum(len(log.read_bytes().splitlines()) for log in logs)

        for lines in setting.kills:
            outcome.kills += _killed(command, size, lines)
            if outcome.kills and run.joinpath("run.json").exists() and outcome.kills % 2:
                command = command[:5]  # the run directory remembers the flags
        _finished(command, outcome)
        if setting.raised:
            _check(setting, servers, run, outcome)
            setting.caps = {name: 2 * cap for name, cap in setting.caps.items()}
            _finished([*command[:5], *_caps(setting)], outcome)
        time.sleep(0.1)  # requests of a killed process may still be arriving
        _check(setting, servers, run, outcome)
    return outcome


def _flags(setting: Case, recipe: Path, servers: list[FakeOpenAI]) -> list[str]:
    urls = [word for server in servers for word in ("--base-url", server.url)]
    flags = [*urls, "--model", "m", "--method", setting.method, "--recipe", recipe, "--reply-tokens", setting.reply_tokens]
    flags += ["--num", 5000, "--concurrency", setting.concurrency, "--timeout", 2, *(["--batch"] if setting.batch else [])]
    return [*map(str, flags), *_caps(setting)]


def _caps(setting: Case) -> list[str]:
    return [word for name, cap in setting.caps.items() for word in (f"--max-{name}", str(cap))]


def _killed(command: list[str], size: Callable[[], int], lines: int) -> int:
    """Start the run and kill it after so many more lines of the server's log. Return 0 if it ended before, else 1."""
    wanted = size() + lines
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, env=environment())
    while process.poll() is None and size() < wanted:
        time.sleep(0.005)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return int(alive)


def _finished(command: list[str], outcome: Outcome) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=300, env=environment())
    outcome.status, outcome.said = done.returncode, done.stderr
    if done.returncode not in KNOWN_STATUS or "Traceback" in done.stderr:
        outcome.wrong.append(f"ended with status {done.returncode}: {done.stderr[-300:]}")


def _check(setting: Case, servers: list[FakeOpenAI], run: Path, outcome: Outcome) -> None:
    """Compare the charges of the servers with the limits, and the run's own account with the charges."""
    price = Price(setting.price["input"], setting.price["output"], "", batch=setting.price["batch"])
    outcome.spent = spent = charged(servers, price)
    for name, cap in setting.caps.items():
        if spent[name] > cap + (TINY if name == "usd" else 0):
            outcome.wrong.append(f"{spent[name]:g} {name} were spent of {cap:g}")
    with Journal.reading(run / "journal.jsonl") as journal:
        counts = journal.counts
        own = {"requests": counts.calls, "tokens": committed(counts).tokens, "usd": spent_usd(counts, price)}
        largest = max((sent.tokens for sent in _bounds(run)), default=0)
        dearest = max((price.usd(sent) for sent in _bounds(run)), default=0.0)
    for name, amount in own.items():
        if amount < spent[name] - TINY:
            outcome.wrong.append(f"the journal has {amount:g} {name}, but {spent[name]:g} were charged")
    # The cost of the next call is not known exactly, because prompts differ.
    room = {"requests": 1.0, "tokens": largest * 1.5, "usd": dearest * 1.5}
    if setting.hopeless and (outcome.status != 3 or spent["requests"] or not _names_limit(outcome.said)):
        outcome.wrong.append(
            f"no call fits the limit, but status {outcome.status}, {spent['requests']:g} sent, said: {outcome.said[-200:]}"
        )
    elif not setting.hopeless and setting.calm and outcome.status == 3:
        if largest and all(cap - spent[name] >= room[name] for name, cap in setting.caps.items()):
            outcome.wrong.append(f"it ended with room for more: {outcome.said[-200:]}")
        if not _names_limit(outcome.said):
            outcome.wrong.append(f"it does not say which limit was reached: {outcome.said[-200:]}")


def _names_limit(said: str) -> bool:
    return "the limit of" in said and "--max-" in said


def charged(servers: list[FakeOpenAI], price: Price) -> dict[str, float]:
    """Return what the provider charges: requests that arrived, and tokens and US dollars of all generated replies."""
    lines = [line for server in servers for line in server.requests()]
    usages = [(line["usage"] or (0, 0), line["path"] == "/v1/batches") for line in lines]
    usd = sum((a * price.input + b * price.output) / 1e6 * (price.batch if batch else 1) for (a, b), batch in usages)
    return {"requests": len(lines), "tokens": sum(a + b for (a, b), _ in usages), "usd": usd}


def _bounds(run: Path) -> list[Usage]:
    """Return the token bounds of the calls in a journal."""
    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines() if line.endswith("}")]
    return [Usage(*line["bound"]) for line in lines if line["kind"] == "sent"]


def summary(setting: Case, outcome: Outcome) -> str:
    """Return the line that is printed for a setting."""
    used = ", ".join(
        f"{name} {outcome.spent[name]:.6g} of {cap:.6g} ({outcome.spent[name] / cap:.0%})" for name, cap in setting.caps.items()
    )
    what = f"{setting.method}{' batch' if setting.batch else ''} x{setting.concurrency}{' faults' if setting.faults else ''}"
    note = " hopeless" if setting.hopeless else " raised" if setting.raised else ""
    return f"{setting.number:3}  {what:26} kills {outcome.kills}  status {outcome.status}  {used}{note}"


def _mean(shares: list[float]) -> str:
    return f"{sum(shares) / max(1, len(shares)):.0%}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--settings", type=int, default=50, help="number of random settings")
    parser.add_argument("--seed", type=int, default=1, help="seed of the random settings")
    parser.add_argument("--largest", type=float, default=60.0, help="most calls that fit the limits")
    parser.add_argument("--only", type=int, help="number of the only setting to run")
    args = parser.parse_args()
    wrong, shares, calm, kills = [], [], [], 0
    for number in range(args.settings):
        setting = drawn(number, random.Random(f"{args.seed}/{number}"), args.largest)
        if args.only not in (None, number):
            continue
        with tempfile.TemporaryDirectory() as directory:
            outcome = run_case(setting, Path(directory))
        print(summary(setting, outcome), *outcome.wrong, sep="\n     WRONG: ", flush=True)
        wrong += outcome.wrong
        kills += outcome.kills
        if not setting.hopeless and outcome.status == 3:
            used = max(outcome.spent[name] / cap for name, cap in setting.caps.items())
            shares.append(used)
            if setting.calm:
                calm.append(used)
    print(f"{args.settings} settings, {kills} kills, {len(wrong)} violations")
    print(f"mean share of the tightest limit that was used: {_mean(shares)} in {len(shares)} runs that a limit ended")
    print(f"without faults and kills: {_mean(calm)} in {len(calm)} runs")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
