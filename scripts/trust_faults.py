"""Ten thousand requests to a server at which everything goes wrong now and then; then an outage that outlasts patience.

    python scripts/trust_faults.py [--requests 10000] [--num ROWS]

One task is asked for in each request. Exit status 1 with the reason unless

- the run ends with status 0 and exactly the rows that were asked for,
- every task in every reply has exactly one decision: a row, or a dropped candidate,
- every call that the journal notes as sent is ended there by exactly one fault, reply or failure,
- faults, replies and failures are those that the server's log tells of, but for what a dying connection hides,
- memory grows no more for each request than the task that it brought can explain, and no faster later than early,
- a run that meets an outage ends with status 4 and, begun again until the outage is over, gives the same bytes as one that
  met neither outage nor passing faults.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from trust import Growing, Ledger, Teacher, command, derived, ending, require, running_teacher, start

from selfinstruct import plugins

_LASTING = "length=0.03,refused=0.02"
_SHARES = "429=0.05,500=0.03,reset=0.01,cut=0.01,garbage=0.01,empty=0.01,hang=0.001," + _LASTING
_RECIPE = """
generate.send_seed = true  # so that no two requests have the same body
generate.options = { tasks_per_request = 4, seeds_per_request = 3 }  # one task in each reply
"""
_ROWS_A_REQUEST = 0.66  # about: a tenth of the calls are faults, a tenth of the tasks are made to be dropped, some are refused
# What the server's log calls its doings, and what the journal must call them.
_NAMES = {
    "": "reply",
    "length": "reply, cut short",
    "content_policy_violation": "content_policy",
    "rate_limit_exceeded": "rate_limit",
    "500": "http_500",
    "garbage": "unreadable",
    "empty": "unreadable",
    "reset": "connection",
    "cut": "connection",
    "hang": "timeout",
}
_BROKEN = ("connection", "timeout")  # what a call looks like whose answer, or whose connection, was lost
# What rightly stays in memory of a request: a decision with its texts (about 1 kB), ten neighbours, the words of the pool,
# the place in the journal, tokens by key.
_BYTES_A_REQUEST = 8_000


class Sample(NamedTuple):
    """The process at one moment: requests that have arrived, and the memory that it holds."""

    arrived: int
    rss: int  # bytes


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "recipe.toml").write_text(_RECIPE)
        with running_teacher(faults=_SHARES, latency=options.latency) as teacher:
            samples = soak(place / "run", teacher, options)
            ledger = account(place / "run", options.num)
            compare(ledger, Counter(_NAMES[line["fault"]] for line in teacher.requests()), options.requests)
        remember(samples)
        outage(place, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000, help="about how many are to arrive at the server")
    parser.add_argument("--num", type=int, help="rows; by default as many as that many requests are likely to give")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds after which a call that hangs is given up")
    parser.add_argument("--latency", type=float, default=0.02, help="seconds that the server takes for a reply, on average")
    options = parser.parse_args()
    options.num = options.num or max(1, int(options.requests * _ROWS_A_REQUEST))
    return options


def flags(place: Path, options: argparse.Namespace, rows: int) -> list[object]:
    runtime = ["--concurrency", options.concurrency, "--timeout", options.timeout]
    return ["--num", rows, "--recipe", place / "recipe.toml", "--method", "alpaca", *runtime]


def soak(directory: Path, teacher: Teacher, options: argparse.Namespace) -> list[Sample]:
    """Let a run come to its end, and look at its memory meanwhile."""
    errors, log, arrived = directory.with_suffix(".txt"), Growing(teacher.log), 0
    began = time.monotonic()
    process = start(command(directory, teacher, *flags(directory.parent, options, options.num)), errors)
    samples = []
    while process.poll() is None:
        arrived += len(log.look())
        if rss := memory(process.pid):
            samples.append(Sample(arrived, rss))
        time.sleep(0.05)
    require(process.returncode == 0, f"the run ended with status {process.returncode}: {errors.read_text()}")
    arrived += len(log.look())
    print(f"{options.num:,} rows, status 0, {arrived:,} requests arrived, {time.monotonic() - began:.0f} s", flush=True)
    require(arrived >= 0.9 * options.requests, f"only {arrived:,} requests arrived; take a larger --num")
    return samples


def memory(pid: int) -> int:
    """The resident memory of a process in bytes; 0 when it is gone."""
    try:
        found = re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def account(directory: Path, rows: int) -> Ledger:
    """Require that the journal's lines balance, and that every task in it has one decision."""
    ledger, journal = Ledger(), Growing(directory / "journal.jsonl")
    for line in journal.look():
        ledger.add(line)
    require(not ledger.problems, f"the journal: {'; '.join(ledger.problems[:5])}")
    require(not ledger.open, f"sent, and without an end in the journal: {sorted(ledger.open)[:5]}")
    require(journal.torn == 0, f"the journal has {journal.torn} torn lines though nothing tore it")
    ends = ledger.lines.total() - ledger.lines["sent"] - ledger.given_up
    print(f"the journal: {ledger.lines['sent']:,} calls sent, each with one of {ends:,} ends; {ledger.given_up} given up")
    kept = [line["candidate"] for line in Growing(directory / "provenance.jsonl").look()]
    dropped = [line["candidate"] for line in Growing(directory / "rejected.jsonl").look()]
    expected = candidates(ledger, last=max(int(one.partition("#")[0]) for one in kept))
    print(f"candidates: {len(expected):,} in the replies, {len(kept):,} rows, {len(dropped):,} dropped")
    require(len(kept) == rows, f"{len(kept):,} rows instead of {rows:,}")
    lost, extra = Counter(expected) - Counter(kept + dropped), Counter(kept + dropped) - Counter(expected)
    require(not lost, f"without a decision: {sorted(lost)[:5]}")
    require(not extra, f"with a decision too many: {sorted(extra)[:5]}")
    return ledger


def candidates(ledger: Ledger, last: int) -> list[str]:
    """What the replies to root requests up to `last` propose; one candidate stands for a request that failed."""
    notation = plugins.find("notation", "numbered")()
    found = []
    for key, line in ledger.saved.items():
        if int(key) <= last:
            count = len(notation.parse(line["text"], line["finish_reason"])) if line["kind"] == "reply" else 1
            found += [f"{key}#{position}" for position in range(count)]
    return found


def compare(ledger: Ledger, seen: Counter[str], requests: int) -> None:
    """Require that the journal tells of the calls what the server's log tells of them."""
    short = sum(line.get("finish_reason") == "length" for line in ledger.saved.values())
    noted = ledger.faults + ledger.failures + Counter({"reply": ledger.lines["reply"] - short, "reply, cut short": short})
    print(f"{'':18}{'journal':>9}{'server':>9}")
    for name in dict.fromkeys(_NAMES.values()):
        print(f"  {name:16}{noted[name]:9,}{seen[name]:9,}")
    for name, share in (("rate_limit", 0.05), ("http_500", 0.03), ("unreadable", 0.02), ("connection", 0.02), ("timeout", 0.001)):
        require(seen[name] > 0 or requests * share < 20, f"the server never gave {name}; nothing was tested")
    require(not noted.keys() - seen.keys() - set(_BROKEN), f"the journal has what the server never did: {noted - seen}")
    hidden = ledger.lines["sent"] - seen.total()
    print(f"calls that never reached the server, for their connection was dying: {hidden}")
    broken = seen["connection"] + seen["timeout"]  # connections that the server ended, or that were given up
    require(0 <= hidden <= broken, f"{hidden} calls are unknown to the server, which ended {broken} connections")
    more = sum(noted[name] - seen[name] for name in _BROKEN)
    require(all(noted[name] >= seen[name] for name in _BROKEN), "the server broke more calls than the journal has")
    for name in seen.keys() - set(_BROKEN):
        missing = seen[name] - noted[name]
        require(0 <= missing <= more - hidden, f"{name}: {noted[name]:,} in the journal, {seen[name]:,} at the server")


def remember(samples: Sequence[Sample]) -> None:
    """Require that memory grows by what each request brings, and no faster late than early."""
    total = samples[-1].arrived
    asking = [one for one in samples if 0 < one.arrived < total]
    require(len(asking) >= 20, "too few looks at the memory; take more requests")
    print("requests arrived and memory in MB: ", end="")
    tenths = [next(one for one in reversed(asking) if one.arrived <= total * tenth / 10) for tenth in range(1, 11)]
    print(", ".join(f"{one.arrived:,} {one.rss / 1e6:.0f}" for one in tenths))
    print(f"at most, the writing of the files included: {max(one.rss for one in samples) / 1e6:.0f} MB")
    early = slope([one for one in asking if total * 0.1 <= one.arrived < total * 0.4])
    late = slope([one for one in asking if one.arrived >= total * 0.4])
    print(f"growth: {early:,.0f} bytes a request from 10 % to 40 % of them, {late:,.0f} after that")
    require(late <= _BYTES_A_REQUEST, f"memory grows by {late:,.0f} bytes a request, more than {_BYTES_A_REQUEST:,}")


def slope(samples: Sequence[Sample]) -> float:
    """Bytes for each request, by least squares."""
    count = len(samples)
    middle, level = sum(one.arrived for one in samples) / count, sum(one.rss for one in samples) / count
    spread = sum((one.arrived - middle) ** 2 for one in samples)
    return sum((one.arrived - middle) * (one.rss - level) for one in samples) / spread


def outage(place: Path, options: argparse.Namespace) -> None:
    """The same with an outage that outlasts the run's patience several times over."""
    rows = max(20, options.num // 20)
    words = [*flags(place, options, rows), "--patience", 2]
    with running_teacher(faults=_LASTING) as calm, running_teacher(faults=_SHARES, outage=(rows // 2, rows // 2 + 100)) as away:
        process = start(command(place / "calm", calm, *words), place / "calm.txt")
        require(process.wait() == 0, f"without an outage: {(place / 'calm.txt').read_text()}")
        statuses = []
        while 0 not in statuses and len(statuses) < 20:
            statuses.append(start(command(place / "away", away, *words), place / "away.txt").wait())
            require(statuses[-1] in (0, 4), f"status {statuses[-1]}: {(place / 'away.txt').read_text()}")
    print(f"with an outage: {rows:,} rows; ended with status {', '.join(map(str, statuses))}")
    require(statuses[-1] == 0, "it never came to its end")
    require(4 in statuses, "the outage never outlasted the patience; nothing was tested")
    account(place / "away", rows)
    require(derived(place / "away") == derived(place / "calm"), "with and without the outage, other bytes")
    print("the same bytes as without outage and passing faults")


if __name__ == "__main__":
    ending(main)
