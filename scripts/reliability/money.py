"""Whether the limits on money hold: random prices, limits, faults and kills, against a server that counts what it charges.

    python scripts/reliability/money.py [--settings 50] [--seed 1]

Each setting is a run with random limits that is killed up to four times and continued until it ends by itself. What the
server's log says was charged, replies that never arrived included, must be within every limit. A run that met neither
faults nor kills must also have used what it could: less may be left than about one more call. Exit status 1 otherwise.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import FakeOpenAI, running_fake_openai

from selfinstruct.client.budget import committed, spent_usd
from selfinstruct.client.prices import Price
from selfinstruct.journal.file import Journal

FAULTS = {"429": 0.1, "500": 0.06, "reset": 0.06, "cut": 0.06, "garbage": 0.06, "empty": 0.04, "hang": 0.02, "length": 0.1}
TASKS = {"alpaca": (1900, 4096), "few_shot": (100, 400)}  # reply_tokens: never less than the tests' teacher writes
KNOWN_STATUS = (0, 3)
TINY = 1e-9  # US dollars; sums of the same numbers in another order


@dataclass
class Case:
    """A run, what it may spend, and what befalls it."""

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
    kills: list[int]  # after so many more lines of the server's log
    hopeless: bool  # the limit is less than a single call
    raised: bool = False  # continued once with twice the limits

    @property
    def calm(self) -> bool:
        return not (self.faults or self.kills or self.batch)


@dataclass
class Outcome:
    status: int = -1
    said: str = ""
    kills: int = 0
    spent: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)


def drawn(number: int, rng: random.Random, largest: float) -> Case:
    """A random setting whose limits are enough for so many of the dearest calls at most."""
    method = rng.choice(list(TASKS))
    reply_tokens = rng.randint(*TASKS[method])
    price = {"input": _log(rng, 0.05, 20), "output": _log(rng, 0.05, 80), "batch": rng.choice([0.5, 1.0])}
    hopeless = rng.random() < 0.12
    call = reply_tokens * (2.0 if method == "alpaca" else 6.0)  # about the most that one call can take
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
    return float(f"{low * (high / low) ** rng.random():.3g}")


def tried(setting: Case, directory: Path) -> Outcome:
    """Run a setting to its end, and compare what was charged with what might be."""
    recipe, run, outcome = directory / "recipe.toml", directory / "run", Outcome()
    prices = ", ".join(f"{name} = {rate}" for name, rate in setting.price.items())
    recipe.write_text(f"[runtime]\nprice = {{ {prices} }}\n")
    with ExitStack() as stack:
        options = {"faults": setting.faults, "latency": setting.latency, "batch_seconds": 0.2}
        logs = [directory / f"log{n}.jsonl" for n in range(setting.endpoints)]
        teachers = [stack.enter_context(running_fake_openai(log, **options)) for log in logs]
        command = [sys.executable, "-m", "selfinstruct", "generate", str(run), *_flags(setting, recipe, teachers)]
        size: Callable[[], int] = lambda: sum(len(log.read_bytes().splitlines()) for log in logs)  # noqa: E731
        for lines in setting.kills:
            outcome.kills += _killed(command, size, lines)
            if outcome.kills and run.joinpath("run.json").exists() and outcome.kills % 2:
                command = command[:5]  # all that was given is remembered
        _finished(command, outcome)
        if setting.raised:
            _check(setting, teachers, run, outcome)
            setting.caps = {name: 2 * cap for name, cap in setting.caps.items()}
            _finished([*command[:5], *_caps(setting)], outcome)
        time.sleep(0.1)  # what a killed process had sent may just be arriving
        _check(setting, teachers, run, outcome)
    return outcome


def _flags(setting: Case, recipe: Path, teachers: list[FakeOpenAI]) -> list[str]:
    urls = [word for teacher in teachers for word in ("--base-url", teacher.url)]
    flags = [*urls, "--model", "m", "--method", setting.method, "--recipe", recipe, "--reply-tokens", setting.reply_tokens]
    flags += ["--num", 5000, "--concurrency", setting.concurrency, "--timeout", 2, *(["--batch"] if setting.batch else [])]
    return [*map(str, flags), *_caps(setting)]


def _caps(setting: Case) -> list[str]:
    return [word for name, cap in setting.caps.items() for word in (f"--max-{name}", str(cap))]


def _killed(command: list[str], size: Callable[[], int], lines: int) -> int:
    """Start the run and kill it after so many more lines of the server's log; 0 if it was quicker."""
    wanted = size() + lines
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    while process.poll() is None and size() < wanted:
        time.sleep(0.005)
    alive = process.poll() is None
    process.kill()
    process.wait()
    return int(alive)


def _finished(command: list[str], outcome: Outcome) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    outcome.status, outcome.said = done.returncode, done.stderr
    if done.returncode not in KNOWN_STATUS or "Traceback" in done.stderr:
        outcome.wrong.append(f"ended with status {done.returncode}: {done.stderr[-300:]}")


def _check(setting: Case, teachers: list[FakeOpenAI], run: Path, outcome: Outcome) -> None:
    """Hold what the servers charge against the limits, and the run's own account against what the servers charge."""
    price = Price(setting.price["input"], setting.price["output"], "", batch=setting.price["batch"])
    outcome.spent = spent = charged(teachers, price)
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
            outcome.wrong.append(f"the journal knows of {amount:g} {name}, and {spent[name]:g} were charged")
    # What the next call may cost is not known exactly: prompts differ.
    room = {"requests": 1.0, "tokens": largest * 1.5, "usd": dearest * 1.5}
    if setting.hopeless and (outcome.status != 3 or spent["requests"] or not _is_said(outcome.said)):
        outcome.wrong.append(f"nothing fitted: status {outcome.status}, {spent['requests']:g} sent, said: {outcome.said[-200:]}")
    elif not setting.hopeless and setting.calm and outcome.status == 3:
        if largest and all(cap - spent[name] >= room[name] for name, cap in setting.caps.items()):
            outcome.wrong.append(f"it ended with room for more: {outcome.said[-200:]}")
        if not _is_said(outcome.said):
            outcome.wrong.append(f"it does not say which limit was reached: {outcome.said[-200:]}")


def _is_said(said: str) -> bool:
    return "the limit of" in said and "--max-" in said


def charged(teachers: list[FakeOpenAI], price: Price) -> dict[str, float]:
    """What the provider counts: requests that arrived, and tokens and dollars of all that was generated."""
    lines = [line for teacher in teachers for line in teacher.requests()]
    usages = [(line["usage"] or (0, 0), line["path"] == "/v1/batches") for line in lines]
    usd = sum((a * price.input + b * price.output) / 1e6 * (price.batch if batch else 1) for (a, b), batch in usages)
    return {"requests": len(lines), "tokens": sum(a + b for (a, b), _ in usages), "usd": usd}


def _bounds(run: Path) -> list:  # type: ignore[type-arg]
    import json

    from selfinstruct.records import Usage

    lines = [json.loads(line) for line in (run / "journal.jsonl").read_text().splitlines() if line.endswith("}")]
    return [Usage(*line["bound"]) for line in lines if line["kind"] == "sent"]


def told(setting: Case, outcome: Outcome) -> str:
    """A setting's line."""
    used = ", ".join(
        f"{name} {outcome.spent[name]:.6g} of {cap:.6g} ({outcome.spent[name] / cap:.0%})" for name, cap in setting.caps.items()
    )
    what = f"{setting.method}{' batch' if setting.batch else ''} x{setting.concurrency}{' faults' if setting.faults else ''}"
    note = " hopeless" if setting.hopeless else " raised" if setting.raised else ""
    return f"{setting.number:3}  {what:26} kills {outcome.kills}  status {outcome.status}  {used}{note}"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--settings", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--largest", type=float, default=60.0, help="calls that the limits leave room for, at most")
    parser.add_argument("--only", type=int, help="just the setting of this number")
    args = parser.parse_args()
    wrong, shares, calm, kills = [], [], [], 0
    for number in range(args.settings):
        setting = drawn(number, random.Random(f"{args.seed}/{number}"), args.largest)
        if args.only not in (None, number):
            continue
        with tempfile.TemporaryDirectory() as directory:
            outcome = tried(setting, Path(directory))
        print(told(setting, outcome), *outcome.wrong, sep="\n     WRONG: ", flush=True)
        wrong += outcome.wrong
        kills += outcome.kills
        if not setting.hopeless and outcome.status == 3:
            used = max(outcome.spent[name] / cap for name, cap in setting.caps.items())
            shares.append(used)
            if setting.calm:
                calm.append(used)
    mean: Callable[[list[float]], str] = lambda some: f"{sum(some) / max(1, len(some)):.0%}"  # noqa: E731
    print(
        f"{args.settings} settings, {kills} kills, {len(wrong)} violations; of the tightest limit were used {mean(shares)} "
        f"({len(shares)} that a limit ended), {mean(calm)} without faults and kills ({len(calm)})"
    )
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
