"""Send ten thousand requests to a server with every kind of fault, then to a server with a long outage.

    .venv/bin/python scripts/reliability/faults.py [--requests 10000] [--num ROWS]

Each request asks for one task. The program exits with status 1 and the reason unless

- the run ends with status 0 and exactly the requested number of rows,
- every task in every reply has exactly one decision, a row or a rejected candidate,
- every call that the journal has as sent is ended by exactly one fault, reply or failure,
- the faults, replies and failures agree with the server's log, except for calls on a connection that was closing,
- memory grows by no more than the new tasks explain, late in the run as well as early,
- a run that meets an outage ends with status 4,
- the same command, repeated until the outage is over, gives the bytes of a run without outage and passing faults.
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

from harness import FakeOpenAI, GrowingFile, Ledger, command, derived, require, run_and_report, running_fake_openai, start

import selfinstruct as si
from selfinstruct import plugins

_LASTING = "length=0.03,refused=0.02"
_SHARES = "429=0.05,500=0.03,reset=0.01,cut=0.01,garbage=0.01,empty=0.01,hang=0.001," + _LASTING
_RECIPE = """
generate.send_seed = true  # gives each request a different body
generate.options = { tasks_per_request = 4, seeds_per_request = 3 }  # one task in each reply
"""
_ROWS_A_REQUEST = 0.72  # about one call in ten meets a passing fault, and two tasks in ten are rejected
# Names of outcomes in the server's log, and in the journal.
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
_LATE = 0.02  # share of the calls that may time out because the machine is slow
# A request rightly leaves in memory: a decision with its texts, ten neighbours, words in the ROUGE pool, a place in the
# journal, and tokens by key. A rebuild holds the same objects, and tracemalloc measures them exactly. The resident memory of
# the process may grow by this much more, because memory comes in blocks and is returned late.
_OVERHEAD, _BLOCKS = 1.25, 4e6  # a factor, and bytes
_WARM = 100  # requests after which all modules are loaded and all connections are open
_OUTAGE, _PATIENCE = 40, 1  # requests that get HTTP 503, and seconds


class Sample(NamedTuple):
    """Requests that had arrived at one moment, and the resident memory of the process."""

    arrived: int
    rss: int  # bytes


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        (place / "recipe.toml").write_text(_RECIPE)
        with running_fake_openai(faults=_SHARES, latency=options.latency) as server:
            samples = run_and_sample(place / "run", server, options)
            ledger = check_journal(place / "run", options.num)
            check_server_log(ledger, Counter(_NAMES[line["fault"]] for line in server.requests()), options.requests)
        check_memory(samples, place / "run")
        check_outage(place, options)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=10_000, help="about how many requests arrive at the server")
    parser.add_argument("--num", type=int, help="rows (default: as many as --requests is likely to give)")
    parser.add_argument("--concurrency", type=int, default=32)
    parser.add_argument("--timeout", type=float, default=5.0, help="seconds after which a call times out")
    parser.add_argument("--latency", type=float, default=0.02, help="mean seconds that the server takes for a reply")
    options = parser.parse_args()
    options.num = options.num or max(1, int(options.requests * _ROWS_A_REQUEST))
    return options


def flags(place: Path, options: argparse.Namespace, rows: int) -> list[object]:
    runtime = ["--concurrency", options.concurrency, "--timeout", options.timeout]
    return ["--num", rows, "--recipe", place / "recipe.toml", "--method", "alpaca", *runtime]


def run_and_sample(directory: Path, server: FakeOpenAI, options: argparse.Namespace) -> list[Sample]:
    """Run to the end, and sample the memory of the process meanwhile."""
    errors, log, arrived = directory.with_suffix(".txt"), GrowingFile(server.log), 0
    began = time.monotonic()
    process = start(command(directory, server, *flags(directory.parent, options, options.num)), errors)
    samples = []
    while process.poll() is None:
        arrived += len(log.new_lines())
        if rss := resident_memory(process.pid):
            samples.append(Sample(arrived, rss))
        time.sleep(0.05)
    require(process.returncode == 0, f"the run ended with status {process.returncode}: {errors.read_text()}")
    arrived += len(log.new_lines())
    print(f"{options.num:,} rows, status 0, {arrived:,} requests arrived, {time.monotonic() - began:.0f} s", flush=True)
    require(arrived >= 0.9 * options.requests, f"only {arrived:,} requests arrived. Fix: set a larger --num.")
    return samples


def resident_memory(pid: int) -> int:
    """Return the resident memory of a process in bytes, or 0 when it has ended."""
    try:
        found = re.search(r"VmRSS:\s*(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def check_journal(directory: Path, rows: int) -> Ledger:
    """Require that the journal's lines balance, and that every task in it has one decision."""
    ledger, journal = Ledger(), GrowingFile(directory / "journal.jsonl")
    for line in journal.new_lines():
        ledger.add(line)
    require(not ledger.problems, f"the journal: {'; '.join(ledger.problems[:5])}")
    require(not ledger.open, f"sent, without an end in the journal: {sorted(ledger.open)[:5]}")
    require(journal.torn == 0, f"the journal has {journal.torn} torn lines without a crash")
    ends = ledger.lines.total() - ledger.lines["sent"] - ledger.given_up
    print(f"the journal: {ledger.lines['sent']:,} calls sent, each with one of {ends:,} ends, and {ledger.given_up} given up")
    kept = [line["candidate"] for line in GrowingFile(directory / "provenance.jsonl").new_lines()]
    rejected = [line["candidate"] for line in GrowingFile(directory / "rejected.jsonl").new_lines()]
    expected = candidates(ledger, last=max(int(candidate.partition("#")[0]) for candidate in kept))
    print(f"candidates: {len(expected):,} in the replies, {len(kept):,} rows, {len(rejected):,} rejected")
    require(len(kept) == rows, f"{len(kept):,} rows instead of {rows:,}")
    lost, extra = Counter(expected) - Counter(kept + rejected), Counter(kept + rejected) - Counter(expected)
    require(not lost, f"without a decision: {sorted(lost)[:5]}")
    require(not extra, f"with more than one decision: {sorted(extra)[:5]}")
    return ledger


def candidates(ledger: Ledger, last: int) -> list[str]:
    """Return the candidates of the root requests up to `last`. A failed request counts as one candidate."""
    notation = plugins.find("notation", "numbered")()
    found = []
    for key, line in ledger.saved.items():
        if int(key) <= last:
            count = len(notation.parse(line["text"], line["finish_reason"])) if line["kind"] == "reply" else 1
            found += [f"{key}#{position}" for position in range(count)]
    return found


def check_server_log(ledger: Ledger, seen: Counter[str], requests: int) -> None:
    """Require that the journal and the server's log agree about the calls."""
    short = sum(line.get("finish_reason") == "length" for line in ledger.saved.values())
    noted = ledger.faults + ledger.failures + Counter({"reply": ledger.lines["reply"] - short, "reply, cut short": short})
    print(f"{'':18}{'journal':>9}{'server':>9}")
    for name in [*dict.fromkeys(_NAMES.values()), *sorted(noted.keys() - set(_NAMES.values()))]:
        print(f"  {name:16}{noted[name]:9,}{seen[name]:9,}")
    for name, share in _EXPECTED.items():
        require(seen[name] > 0 or requests * share < 20, f"the server never gave {name}, so nothing was tested")
    check_counts(noted, seen)


def check_counts(noted: Counter[str], seen: Counter[str]) -> None:
    """Require that the counts of calls by outcome agree, in the journal (`noted`) and in the server's log (`seen`).

    The server does not see a call on a connection that it has just closed, and does not know that an answer came too late.
    """
    hidden, late = noted.total() - seen.total(), noted["timeout"] - seen["timeout"]
    print(f"calls on a closing connection, which never reached the server: {hidden}, answered too late: {late}")
    ended = seen["connection"] + seen["timeout"]  # connections that were closed
    require(0 <= hidden <= ended, f"{hidden} calls are unknown to the server, but it closed {ended} connections")
    require(
        0 <= late <= _LATE * seen.total(), f"{late} calls timed out without a fault. Fix: set a longer --timeout on this machine."
    )
    odd = noted["connection"] - seen["connection"] - hidden
    require(abs(odd) <= late, f"connection: {noted['connection']:,} in the journal, {seen['connection']:,} at the server")
    for name in (noted.keys() | seen.keys()) - {"connection", "timeout"}:
        missing = seen[name] - noted[name]
        require(0 <= missing <= late, f"{name}: {noted[name]:,} in the journal, {seen[name]:,} at the server")


def check_memory(samples: Sequence[Sample], directory: Path) -> None:
    """Require that memory grows by what the requests bring, late in the run as well as early."""
    total = samples[-1].arrived
    asking = [sample for sample in samples if 0 < sample.arrived < total]
    require(len(asking) >= 20, f"only {len(asking)} samples of the memory. Fix: set more --requests.")
    curve = [sample_at(asking, total * tenth / 10) for tenth in range(1, 11)]
    print("memory in MB after requests: " + ", ".join(f"{sample.rss / 1e6:.0f} after {sample.arrived:,}" for sample in curve))
    print(f"at most {max(sample.rss for sample in samples) / 1e6:.0f} MB, while writing the files included")
    each = rebuild_memory(directory) / total
    print(f"a rebuild of the same journal holds {each:,.0f} bytes for each request that arrived")
    check_growth(asking, max(total * 0.1, _WARM), total * 0.4, each)
    check_growth(asking, total * 0.4, total, each)


def check_growth(samples: Sequence[Sample], begin: float, end: float, each: float) -> None:
    """Require that memory grew in a part of the run by no more than the requests in that part explain."""
    first, last = sample_at(samples, begin), sample_at(samples, end)
    requests, grown = last.arrived - first.arrived, last.rss - first.rss
    allowed = requests * each * _OVERHEAD + _BLOCKS
    print(f"growth from {first.arrived:,} to {last.arrived:,} requests: {grown / 1e6:.1f} MB", end="")
    print(f" ({grown / max(1, requests):,.0f} bytes a request), allowed {allowed / 1e6:.1f} MB")
    require(grown <= allowed, "memory grew by more than the requests explain")


def sample_at(samples: Sequence[Sample], arrived: float) -> Sample:
    """Return the last sample before more than `arrived` requests had arrived."""
    return max((sample for sample in samples if sample.arrived <= arrived), default=samples[0])


def rebuild_memory(directory: Path) -> int:
    """Return the peak size of the objects of a rebuild, in bytes, without the modules that it imports."""
    si.Run(directory).build(num=1)  # imports the modules
    tracemalloc.start()
    try:
        dataset = si.Run(directory).build()
        require(dataset.complete, "the rebuild has fewer rows than the run")
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def check_outage(place: Path, options: argparse.Namespace) -> None:
    """Require the same bytes with an outage that is longer than `--patience` several times over."""
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
    print(f"with an outage: {rows:,} rows, ended with status {', '.join(map(str, statuses))}")
    require(statuses[-1] == 0, "the run with an outage never ended")
    require(4 in statuses, "the outage was never longer than --patience, so nothing was tested")
    check_journal(place / "away", rows)
    require(derived(place / "away") == derived(place / "calm"), "the files differ with and without the outage")
    print("the same bytes as without outage and passing faults")


if __name__ == "__main__":
    run_and_report(main)
