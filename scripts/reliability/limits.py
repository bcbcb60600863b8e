"""How much of a rate limit a run uses, and how often it is refused: the command line against servers that enforce limits.

    python scripts/reliability/limits.py [--seconds 60] [--cases bucket bare ...] [--rate 600]

One case after the other. The allowance, in calls or tokens, is what the server's limit grants in that time; what was used
is what the server's log says it granted. Exit status 1 if a case uses less than 95 % of its allowance after the first ten
seconds, or is refused more than 1 % of its calls then.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import FakeOpenAI, running_fake_openai

TOKENS_A_CALL = 1200  # about what a call of the method `alpaca` takes at the tests' teacher
USED, REFUSED = 0.95, 0.01
SETTLING = 10.0  # seconds in which a pace may be learned


@dataclass(frozen=True)
class Case:
    """A server's limit, what the user states of it, and whether it counts tokens."""

    name: str
    style: str
    tokens: bool = False
    stated: bool = False

    def server(self, rate: float) -> dict[str, Any]:
        limit = {"limit_tokens": rate * TOKENS_A_CALL} if self.tokens else {"limit_requests": rate}
        return {"limit_style": self.style, **limit}

    def flags(self, rate: float) -> list[str]:
        if not self.stated:
            return []
        return ["--tpm", f"{rate * TOKENS_A_CALL:g}"] if self.tokens else ["--rpm", f"{rate:g}"]


CASES = [
    Case("bucket", "bucket"),
    Case("bare", "bare"),
    Case("rpm", "bare", stated=True),
    Case("tokens", "bucket", tokens=True),
    Case("tokens-bare", "bare", tokens=True),
    Case("tpm", "bare", tokens=True, stated=True),
]


@dataclass(frozen=True)
class Result:
    """Shares from 0 to 1: used of the allowance, and refused of the calls, after the settling time and in all."""

    used: float
    refused: float
    used_in_all: float
    refused_in_all: float
    requests: int


def measure(log: list[dict[str, Any]], end: float, case: Case, rate: float, settling: float) -> Result:
    """What a server's log says of the time until `end`."""
    lines = [line for line in log if "mark" in line and line["time"] < end]
    first = lines[0]["time"]

    def within(since: float) -> tuple[float, float]:
        late = [line for line in lines if line["time"] >= since]
        granted = [line for line in late if line["status"] == 200]
        amount = sum(sum(line["usage"]) for line in granted) / TOKENS_A_CALL if case.tokens else len(granted)
        return amount / (rate / 60 * (end - since)), 1 - len(granted) / max(1, len(late))

    return Result(*within(first + settling), *within(first), len(lines))


def run(case: Case, args: argparse.Namespace, directory: Path) -> Result:
    """One run against one server, for so many seconds from its first request on."""
    with running_fake_openai(latency=args.latency, **case.server(args.rate)) as teacher:
        flags = ["--base-url", teacher.url, "--model", "m", "--num", "1000000", "--concurrency", str(args.concurrency)]
        command = [sys.executable, "-m", "selfinstruct", "generate", str(directory), *flags, *case.flags(args.rate)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
        try:
            wait_for_request(teacher, process)
            time.sleep(args.seconds)
            end = time.time()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
        if process.returncode != 130:
            raise SystemExit(f"{case.name}: ended with status {process.returncode}:\n{said}")
        return measure(teacher.log_lines(), end, case, args.rate, args.settling)


def wait_for_request(teacher: FakeOpenAI, process: subprocess.Popen[str]) -> None:
    while not teacher.log.stat().st_size:
        if process.poll() is not None:
            raise SystemExit(f"ended before its first request: {process.communicate()[1]}")
        time.sleep(0.02)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=60.0, help="of each case")
    parser.add_argument("--settling", type=float, default=SETTLING, help="seconds that do not count")
    parser.add_argument("--rate", type=float, default=600.0, help="calls a minute that the server grants")
    parser.add_argument("--latency", type=float, default=0.3)
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--used", type=float, default=USED, help="share of the allowance to be used")
    parser.add_argument("--refused", type=float, default=REFUSED, help="share of calls that may be refused")
    parser.add_argument("--cases", nargs="+", default=[case.name for case in CASES])
    return parser.parse_args()


def main() -> None:
    args = options()
    missed = []
    print(f"{args.rate:g} calls a minute, latency {args.latency:g} s, concurrency {args.concurrency}, {args.seconds:g} s each")
    print(f"{'':12}  after {args.settling:g} s: used  refused   in all: used  refused  requests")
    for case in (case for case in CASES if case.name in args.cases):
        with tempfile.TemporaryDirectory() as directory:
            found = run(case, args, Path(directory) / "run")
        good = found.used >= args.used and found.refused <= args.refused
        print(
            f"{case.name:12}{found.used:17.1%}{found.refused:9.2%}{found.used_in_all:15.1%}{found.refused_in_all:9.2%}"
            f"{found.requests:10,}{'' if good else '   MISSED'}",
            flush=True,
        )
        if not good:
            missed.append(case.name)
    if missed:
        raise SystemExit(f"missed: {', '.join(missed)} (wanted: {args.used:.0%} used, {args.refused:.0%} refused at most)")


if __name__ == "__main__":
    main()
