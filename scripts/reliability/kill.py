"""Kill a run with SIGKILL again and again at random moments, and require the files of an undisturbed run.

    .venv/bin/python scripts/reliability/kill.py [--kills 100] [--rows 2000] [--concurrency 50] [--mixed]

One run is killed, and resumed with the same command, against a real server on this machine. A kill hits the run while it puts
its files in place, starts or replays its journal, asks (most kills), or writes the derived files. With `--mixed` the run has
two methods and two teachers with a server each. Both methods show tasks that the run generated.

The program exits with status 1 and the reason unless

- every kill hit a running process, and at least 40 % of the kills hit one that was asking,
- dataset, provenance, rejected candidates and card have the bytes of an undisturbed run,
- no request was sent again whose reply or failure was in the journal at a kill, by the journal and by the server's log,
- the requests that were sent again are no more than those in flight at the kills.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from harness import (
    DERIVED,
    FakeOpenAI,
    GrowingFile,
    Ledger,
    Violation,
    derived,
    generate,
    require,
    run_and_report,
    running_fake_openai,
    start,
)

MIXED = """[generate]
send_seed = true
seed_sampling = "spread"
teachers.strong = {{ base_url = "{first}", model = "m", propose = 3 }}
teachers.small = {{ base_url = "{second}", model = "n", propose = 1, solve = 2 }}
mix.few = {{ method = "few_shot", weight = 3, options = {{ generated_per_request = 2 }} }}
mix.whole = {{ method = "self_instruct", options = {{ tasks_per_request = 10 }} }}
"""
_POLL = 0.002  # seconds between two looks at a run
_ATTEMPTS = 20  # runs in a row that may end before they are killed
_MARK = 8  # characters of a request's mark in the id of its reply
_LEAST_ASKING = 0.4  # share of the kills that must hit a run that is asking


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        flags = ["--num", options.rows, "--concurrency", options.concurrency]
        with ExitStack() as stack:
            calm, with_calm = server_and_flags(stack, place, "calm", options, 0.0)
            rough, with_rough = server_and_flags(stack, place, "rough", options, options.latency)
            started = time.monotonic()
            process = start(generate(place / "calm", *with_calm, *flags), place / "calm.txt")
            require(process.wait() == 0, f"the undisturbed run failed: {(place / 'calm.txt').read_text()}")
            needed, seconds = len(calm.asked()), time.monotonic() - started
            require(
                sum(calm.asked().values()) == needed, "two requests have the same body, so their replies cannot be told apart"
            )
            print(f"undisturbed: {options.rows:,} rows, {needed:,} requests, {seconds:.0f} s", flush=True)
            run = KilledRun(place / "rough", rough, [*with_rough, *flags], random.Random(options.seed))
            kill_repeatedly(run, options, needed)
            run.finish()
            compare(run, derived(place / "calm"), options)


def server_and_flags(
    stack: ExitStack, place: Path, name: str, options: argparse.Namespace, latency: float
) -> tuple[FakeOpenAI, list[object]]:
    """Start one server, or two with one log, and return the first with the flags of a run that uses them.

    The recipe sends a seed, so that no two requests have the same body.
    """
    log, recipe = place / f"{name}.log", place / f"{name}.toml"
    server = stack.enter_context(running_fake_openai(log, latency=latency))
    if not options.mixed:
        recipe.write_text("generate.send_seed = true\n")
        return server, ["--base-url", server.url, "--model", "m", "--method", options.method, "--recipe", recipe]
    other = stack.enter_context(running_fake_openai(log, latency=latency / 2))
    recipe.write_text(MIXED.format(first=server.url, second=other.url))
    return server, ["--recipe", recipe]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--method", default="few_shot", help="generation method (few_shot sends two requests for a row)")
    parser.add_argument("--mixed", action="store_true", help="two methods and two teachers instead of one of each")
    parser.add_argument("--latency", type=float, default=0.2, help="mean seconds that the server takes for a reply")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    return parser.parse_args()


def schedule(rng: random.Random, kills: int) -> list[str]:
    """Return what each kill interrupts: `files` at the beginning and the end, `early` and `asking` mixed in between."""
    first, last = (kills + 19) // 20, (kills + 9) // 10
    middle = max(0, kills - first - last)
    early = middle // 4
    kinds = ["early"] * early + ["asking"] * (middle - early)
    rng.shuffle(kinds)
    return ["files"] * first + kinds + ["files"] * last


def kill_repeatedly(run: KilledRun, options: argparse.Namespace, needed: int) -> None:
    """Kill the run `options.kills` times. `needed` is about the number of its requests."""
    kinds = schedule(run.rng, options.kills)
    for number, kind in enumerate(kinds):
        to_go = needed - len(run.ledger.saved)
        share = to_go // (kinds[number:].count("asking") + 1)
        most = min(2 * share + options.concurrency, to_go - 2 * options.concurrency)  # leaves requests for later kills
        run.kill(kind, max(1, most))
        if (number + 1) % max(1, options.kills // 10) == 0:
            print(f"  {number + 1} kills, {len(run.ledger.saved):,} requests saved", flush=True)


@dataclass
class KilledRun:
    """The run that is killed, seen from outside: its journal, its files and the server's log."""

    directory: Path
    server: FakeOpenAI
    flags: list[object]
    rng: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    arrived: Counter[str] = field(default_factory=Counter)  # arrivals at the server, by the mark of a request
    saved_marks: set[str] = field(default_factory=set)  # beginnings of the marks of the replies that were saved at a kill
    sent_again: set[str] = field(default_factory=set)  # marks of those that arrived at the server later
    in_flight: int = 0  # calls in flight at the kills, by the journal
    stages: Counter[str] = field(default_factory=Counter)  # the kills by what they hit
    finished_early: int = 0  # runs that ended before they were killed
    startup: float = 0.5  # seconds from start to first request, as last observed

    def __post_init__(self) -> None:
        self.journal, self.log = GrowingFile(self.directory / "journal.jsonl"), GrowingFile(self.server.log)
        self.errors = self.directory.with_suffix(".txt")

    def kill(self, kind: str, most: int) -> None:
        """Start the run and kill it at a moment of this kind, after `most` requests at the latest.

        A run that ends earlier must have succeeded. It is started again, and writes its files again.
        """
        for _ in range(_ATTEMPTS):
            before, sent = self.files(), self.ledger.lines["sent"]
            process = self.begin()
            if self.wait_for_moment(kind, process, before, most):
                process.kill()
            if process.wait() == -signal.SIGKILL:
                self.read_logs()
                self.stages[self.stage(process.pid, before, sent)] += 1
                self.in_flight += len(self.ledger.process_killed())
                self.check()
                return
            require(process.returncode == 0, f"a run ended with status {process.returncode}: {self.errors.read_text()}")
            require(kind == "files", "the run ended before all kills. Fix: set more --rows or fewer --kills.")
            self.read_logs()
            self.finished_early += 1
        raise Violation(f"{_ATTEMPTS} runs in a row ended before they were killed while writing their files")

    def finish(self) -> None:
        """Run the same command once more to its end."""
        process = self.begin()
        require(process.wait() == 0, f"the last run ended with status {process.returncode}: {self.errors.read_text()}")
        self.read_logs()
        require(not self.ledger.open, f"sent, without an end in the journal: {sorted(self.ledger.open)[:5]}")

    def begin(self) -> subprocess.Popen[bytes]:
        """Start or resume the run."""
        return start(generate(self.directory, *self.flags), self.errors)

    def wait_for_moment(self, kind: str, process: subprocess.Popen[bytes], before: dict[str, int], most: int) -> bool:
        """Wait for a random moment of this kind. Return False when the process ended before."""
        began, first = time.monotonic(), self.arrived.total()
        if kind == "early":
            end = began + self.rng.uniform(0, self.startup)
            return wait_until(process, lambda: time.monotonic() >= end or self.count_arrivals() >= first + most)
        if kind == "files":
            came = wait_until(process, lambda: self.files() != before)
            time.sleep(self.rng.uniform(0, 0.01))
            return came
        if not wait_until(process, lambda: self.count_arrivals() > first):
            return False
        self.startup = time.monotonic() - began
        wanted = first + self.rng.randint(1, most)
        came = wait_until(process, lambda: self.count_arrivals() >= wanted)
        time.sleep(self.rng.uniform(0, 0.02))
        return came

    def count_arrivals(self) -> int:
        """Count the requests that have arrived at the server, and note those whose reply was saved before."""
        for line in self.log.new_lines():
            self.arrived[line["mark"]] += 1
            if line["mark"][:_MARK] in self.saved_marks:
                self.sent_again.add(line["mark"])
        return self.arrived.total()

    def read_logs(self) -> None:
        """Read the new lines of log and journal. The log comes first, because a call is in the journal before it arrives."""
        self.count_arrivals()
        for line in self.journal.new_lines():
            self.ledger.add(line)
            if line["kind"] == "reply":
                self.saved_marks.add(line["raw"]["id"].removeprefix("x-"))

    def files(self) -> dict[str, int]:
        """Return the files that are replaced as a whole, with an inode number that changes when one is."""
        if not self.directory.exists():
            return {}
        with os.scandir(self.directory) as found:
            return {file.name: file.inode() for file in found if file.name not in ("journal.jsonl", ".lock")}

    def stage(self, pid: int, before: dict[str, int], sent: int) -> str:
        """Return what the killed process was doing, judged by the files that it left."""
        now = self.files()
        if any(name.endswith(".new") for name in now) or any(before.get(name) != now.get(name) for name in DERIVED):
            return "writing files"
        if self.ledger.lines["sent"] > sent:
            return "asking"
        lock = self.directory / ".lock"
        opened = lock.exists() and lock.read_text().strip() == str(pid)
        return "replaying" if opened and self.ledger.saved else "starting up"

    def check(self) -> None:
        """Require that each request that arrived is saved, or was in flight at a kill."""
        arrived, saved = self.arrived.total(), len(self.ledger.saved)
        known = saved + self.in_flight
        require(
            arrived <= known, f"{arrived:,} requests arrived, but only {saved:,} are saved and {self.in_flight:,} were in flight"
        )
        require(not self.sent_again, f"saved before a kill, but asked again after it: {sorted(self.sent_again)[:5]}")
        require(not self.ledger.problems, f"the journal: {'; '.join(self.ledger.problems[:5])}")


def wait_until(process: subprocess.Popen[bytes], came: Callable[[], bool]) -> bool:
    """Wait for an event. Return False when the process ended before."""
    while not came():
        if process.poll() is not None:
            return False
        time.sleep(_POLL)
    return True


def compare(run: KilledRun, expected: dict[str, bytes], options: argparse.Namespace) -> None:
    """Print the counts, and require what must hold in the end."""
    ledger, stages = run.ledger, run.stages
    again = run.arrived.total() - len(run.arrived)
    never = ledger.lines["sent"] - run.arrived.total()
    shown = ", ".join(f"{count} {stage}" for stage, count in stages.most_common())
    print(f"kills that hit a running process: {stages.total()} of {options.kills} ({shown})")
    print(f"runs that ended before they were killed, and were started again: {run.finished_early}")
    reached = run.in_flight - never
    print(f"in flight at the kills: {run.in_flight:,} by the journal, {reached:,} of them had arrived at the server")
    print(f"requests: {len(ledger.saved):,} saved, {again:,} sent again, none of them after it was saved")
    print(f"torn lines: {run.journal.torn}")
    run.check()
    require(len({mark[:_MARK] for mark in run.arrived}) == len(run.arrived), "two marks begin alike. Fix: set another --seed.")
    require(stages.total() == options.kills, "not every kill hit a running process")
    require(stages["asking"] >= _LEAST_ASKING * options.kills, "too few kills hit a run that was asking. Fix: set more --rows.")
    require(again <= run.in_flight, f"{again:,} requests were sent again, but only {run.in_flight:,} were in flight")
    found = derived(run.directory)
    for name in DERIVED:
        require(found.get(name) == expected[name], f"{name} differs from the undisturbed run")
    rows = found["dataset.jsonl"].count(b"\n")
    require(rows == options.rows, f"there are {rows:,} rows instead of {options.rows:,}")
    print(f"{len(found)} derived files have the bytes of the undisturbed run")


if __name__ == "__main__":
    run_and_report(main)
