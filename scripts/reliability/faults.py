"""Ten thousand requests to a server at which everything goes wrong now and then; then an outage that outlasts patience.

    python scripts/reliability/faults.py [--requests 10000] [--num ROWS]

One task is asked for in each request. Exit status 1 with the reason unless

- the run ends with status 0 and exactly the rows that were asked for,
- every task in every reply has exactly one decision: a row, or a dropped candidate,
- every call that the journal notes as sent is ended there by exactly one fault, reply or failure,
- faults, replies and failures are those that the server's log tells of, but for what a dying connection hides,
- memory grows no more than the tasks that came in can explain, in the later part of the run as in the first third,
- a run that meets an outage ends with status 4 and, begun again until the outage is over, gives the same bytes as one that
  met neither outage nor passing faults.
"""

from __future__ import annotations

import argparse
import re
import tempfile
import time
import tracemalloc
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from harness import FakeOpenAI, Growing, Ledger, command, derived, ending, require, running_fake_openai, start

import selfinstruct as si
from selfinstruct import plugins

_LASTING = "length=0.03,refused=0.02"
_SHARES = "429=0.05,500=0.03,reset=0.01,cut=0.01,garbage=0.01,empty=0.01,hang=0.001," + _LASTING
_RECIPE = """
generate.send_seed = true  # so that no two requests have the same body
generate.options = { tasks_per_request = 4, seeds_per_request = 3 }  # one task in each reply
"""
_ROWS_A_REQUEST = 0.72  # about: of ten calls one meets a passing fault, and of ten tasks two are dropped
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
_EXPECTED = {"rate_limit": 0.05, "http_500": 0.03, "unreadable": 0.02, "connection": 0.02, "timeout": 0.001}  # shares
_LATE = 0.02  # part of the calls that may time out because the machine is slow
# What rightly stays in memory of a request: a decision with its texts, ten neighbours, the words in the ROUGE pool, the
# place in the journal, tokens by key. A rebuild holds just the same, and is measured object by object; the process as a
# whole may take this much more for it, since memory comes in blocks and is given back late.
_OVERHEAD, _BLOCKS = 1.25, 4e6  # a factor, and bytes
_WARM = 100  # requests after which all is loaded and all connections are open
_OUTAGE, _PATIENCE = 40, 1  # requests that get HTTP 503, and seconds


class Sample(NamedTuple):
    """The process at one moment: requests that have arrived, and the memory that it holds."""

    arrived: int
    rss: int  # bytes


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "recipe.toml").write_text(_RECIPE)
        with running_fake_openai(faults=_SHARES, latency=options.latency) as teacher:
            samples = soak(place / "run", teacher, options)
            ledger = account(place / "run", options.num)
            compare(ledger, Counter(_NAMES[line["fault"]] for line in teacher.requests()), options.requests)
        remember(samples, place / "run")
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


def soak(directory: Path, teacher: FakeOpenAI, options: argparse.Namespace) -> list[Sample]:
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
    for name in [*dict.fromkeys(_NAMES.values()), *sorted(noted.keys() - set(_NAMES.values()))]:
        print(f"  {name:16}{noted[name]:9,}{seen[name]:9,}")
    for name, share in _EXPECTED.items():
        require(seen[name] > 0 or requests * share < 20, f"the server never gave {name}; nothing was tested")
    match(noted, seen)


def match(noted: Counter[str], seen: Counter[str]) -> None:
    """Require that two counts of calls by what came of them agree: the journal's, and the server's.

    The server never sees a call on a connection that it has just ended, and does not know that an answer came too late.
    """
    hidden, late = noted.total() - seen.total(), noted["timeout"] - seen["timeout"]
    print(f"calls that never reached the server, for their connection was dying: {hidden}; answered too late: {late}")
    ended = seen["connection"] + seen["timeout"]  # connections that are of no more use
    require(0 <= hidden <= ended, f"{hidden} calls are unknown to the server, and {ended} connections were ended")
    require(
        0 <= late <= _LATE * seen.total(), f"{late} calls timed out and not for a fault; this machine needs a longer --timeout"
    )
    odd = noted["connection"] - seen["connection"] - hidden
    require(abs(odd) <= late, f"connection: {noted['connection']:,} in the journal, {seen['connection']:,} at the server")
    for name in (noted.keys() | seen.keys()) - {"connection", "timeout"}:
        missing = seen[name] - noted[name]
        require(0 <= missing <= late, f"{name}: {noted[name]:,} in the journal, {seen[name]:,} at the server")


def remember(samples: Sequence[Sample], directory: Path) -> None:
    """Require that memory grows by what the requests bring, late as early."""
    total = samples[-1].arrived
    asking = [one for one in samples if 0 < one.arrived < total]
    require(len(asking) >= 20, "too few looks at the memory; take more requests")
    curve = [at(asking, total * tenth / 10) for tenth in range(1, 11)]
    print("memory in MB after requests: " + ", ".join(f"{one.rss / 1e6:.0f} after {one.arrived:,}" for one in curve))
    print(f"at most {max(one.rss for one in samples) / 1e6:.0f} MB, the writing of the files included")
    each = held(directory) / total
    print(f"a rebuild of the same journal holds {each:,.0f} bytes for each request that arrived")
    growth(asking, max(total * 0.1, _WARM), total * 0.4, each)
    growth(asking, total * 0.4, total, each)


def growth(samples: Sequence[Sample], begin: float, end: float, each: float) -> None:
    """Require that the memory in a part of the run grew by no more than what came in that part explains."""
    first, last = at(samples, begin), at(samples, end)
    requests, grown = last.arrived - first.arrived, last.rss - first.rss
    allowed = requests * each * _OVERHEAD + _BLOCKS
    print(f"growth from {first.arrived:,} to {last.arrived:,} requests: {grown / 1e6:.1f} MB", end="")
    print(f" ({grown / max(1, requests):,.0f} bytes a request); allowed are {allowed / 1e6:.1f} MB")
    require(grown <= allowed, "memory grew by more than what came in explains")


def at(samples: Sequence[Sample], arrived: float) -> Sample:
    """How matters stood when that many requests had arrived."""
    return max((one for one in samples if one.arrived <= arrived), default=samples[0])


def held(directory: Path) -> int:
    """The most that a rebuild of this run holds at a time, in bytes of its own objects; what it imports is not counted."""
    si.Run(directory).build(num=1)
    tracemalloc.start()
    try:
        dataset = si.Run(directory).build()
        require(dataset.complete, "the rebuild has fewer rows than the run")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def outage(place: Path, options: argparse.Namespace) -> None:
    """The same with an outage that outlasts the run's patience several times over."""
    rows = max(20, options.num // 20)
    words = [*flags(place, options, rows), "--patience", _PATIENCE]
    gone = rows // 2, rows // 2 + _OUTAGE
    with running_fake_openai(faults=_LASTING) as calm, running_fake_openai(faults=_SHARES, outage=gone) as away:
        process = start(command(place / "calm", calm, *words), place / "calm.txt")
        require(process.wait() == 0, f"without an outage: {(place / 'calm.txt').read_text()}")
        statuses: list[int] = []
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
