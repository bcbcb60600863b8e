"""Measure which share of a rate limit a run uses and how often it is refused, against servers that enforce limits.

    .venv/bin/python scripts/reliability/limits.py [--seconds 60] [--cases bucket bare ...] [--rate 600]

The cases run one after the other. The allowance is the number of calls or tokens that the server's limit grants in that time.
The used share is counted from the server's log. The program exits with status 1 if, after the first ten seconds, a case uses
less than 95 % of its allowance or more than 1 % of its calls are refused.
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

from harness import FakeOpenAI, environment, running_fake_openai

TOKENS_A_CALL = 1200  # about the tokens of a call of the method `alpaca` at the stand-in server
USED, REFUSED = 0.95, 0.01
SETTLING = 10.0  # seconds for learning the limit, which do not count


@dataclass(frozen=True)
class Case:
    """A server's limit. With `tokens` it counts tokens, and with `stated` the user gives it as a flag."""

    name: str
    style: str
    tokens: bool = False
    stated: bool = False

    def options(self, rate: float) -> dict[str, Any]:
        """Return the options of the server that grants `rate` calls a minute."""
        limit = {"limit_tokens": rate * TOKENS_A_CALL} if self.tokens else {"limit_requests": rate}
        return {"limit_style": self.style, **limit}

    def flags(self, rate: float) -> list[str]:
        """Return the flags by which a user states the limit."""
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
    """Shares from 0 to 1 of the allowance used and of the calls refused, after the settling time and in all."""

    used: float
    refused: float
    used_in_all: float
    refused_in_all: float
    requests: int


def measure(log: list[dict[str, Any]], end: float, case: Case, rate: float, settling: float) -> Result:
    """Return the shares for the time until `end`, counted from the server's log."""
    lines = [line for line in log if "mark" in line and line["time"] < end]
    first = lines[0]["time"]

    def within(since: float) -> tuple[float, float]:
        late = [line for line in lines if line["time"] >= since]
        granted = [line for line in late if line["status"] == 200]
        amount = sum(sum(line["usage"]) for line in granted) / TOKENS_A_CALL if case.tokens else len(granted)
        return amount / (rate / 60 * (end - since)), 1 - len(granted) / max(1, len(late))

    return Result(*within(first + settling), *within(first), len(lines))


def run(case: Case, args: argparse.Namespace, directory: Path) -> Result:
    """Run against one server for `args.seconds` from the first request on."""
    with running_fake_openai(latency=args.latency, **case.options(args.rate)) as server:
        flags = ["--base-url", server.url, "--model", "m", "--num", "1000000", "--concurrency", str(args.concurrency)]
        command = [sys.executable, "-m", "selfinstruct", "generate", str(directory), *flags, *case.flags(args.rate)]
        process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment())
        try:
            wait_for_request(server, process)
            time.sleep(args.seconds)
            end = time.time()
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=120)
        finally:
            process.kill()
        if process.returncode != 130:
            raise SystemExit(f"{case.name}: the run ended with status {process.returncode}:\n{said}")
        return measure(server.log_lines(), end, case, args.rate, args.settling)


def wait_for_request(server: FakeOpenAI, process: subprocess.Popen[str]) -> None:
    """Wait until the first request has arrived."""
    while not server.log.stat().st_size:
        if process.poll() is not None:
            raise SystemExit(f"the run ended before its first request: {process.communicate()[1]}")
        time.sleep(0.02)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each case")
    parser.add_argument("--settling", type=float, default=SETTLING, help="seconds that do not count")
    parser.add_argument("--rate", type=float, default=600.0, help="calls a minute that the server grants")
    parser.add_argument("--latency", type=float, default=0.3, help="mean seconds that the server takes for a reply")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--used", type=float, default=USED, help="least share of the allowance that must be used")
    parser.add_argument("--refused", type=float, default=REFUSED, help="largest share of calls that may be refused")
    parser.add_argument("--cases", nargs="+", default=[case.name for case in CASES], help="names of cases")
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
