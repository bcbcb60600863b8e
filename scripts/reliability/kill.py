"""SIGKILL a run again and again, at random instants of its whole life; what comes out must be as if nothing had happened.

    python scripts/reliability/kill.py [--kills 100] [--rows 2000] [--concurrency 50] [--mixed]

One run is killed, and begun again by the same command, against a real server on this machine. The instants: while its files
are put in place, while it starts or replays its journal, while it asks (most of them), and while it writes what it has made.
With --mixed the run has two methods, both of which show what the run itself gave, and two teachers with a server each.

Exit status 1 with the reason unless

- every kill hit a living process, and a good part of them hit one that was asking,
- dataset, provenance, rejected candidates and card are, byte for byte, those of a run that nobody disturbed,
- no request whose reply or failure was in the journal at a kill was sent again (by the journal and by the server's log),
- no more requests were asked again than were in flight at the kills.
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

from harness import DERIVED, Broken, FakeOpenAI, Growing, Ledger, derived, ending, generate, require, running_fake_openai, start

MIXED = """[generate]
send_seed = true
seed_sampling = "spread"
teachers.strong = {{ base_url = "{first}", model = "m", propose = 3 }}
teachers.small = {{ base_url = "{second}", model = "n", propose = 1, solve = 2 }}
mix.few = {{ method = "few_shot", weight = 3, options = {{ generated_per_request = 2 }} }}
mix.whole = {{ method = "self_instruct", options = {{ tasks_per_request = 10 }} }}
"""
_LOOK = 0.002  # seconds between two looks at a run that is to be killed at a certain event
_LIVES = 20  # lives in a row that may be over before their instant comes
_MARK = 8  # characters of a request's mark that the server puts into its reply
_LEAST_ASKING = 0.4  # share of the kills that must hit a run that is asking


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        flags = ["--num", options.rows, "--concurrency", options.concurrency]
        with ExitStack() as stack:
            calm, with_calm = world(stack, place, "calm", options, 0.0)
            rough, with_rough = world(stack, place, "rough", options, options.latency)
            started = time.monotonic()
            begun = start(generate(place / "calm", *with_calm, *flags), place / "calm.txt")
            require(begun.wait() == 0, f"the undisturbed run failed: {(place / 'calm.txt').read_text()}")
            needed, seconds = len(calm.asked()), time.monotonic() - started
            require(sum(calm.asked().values()) == needed, "two requests have the same body, so they cannot be told apart")
            print(f"undisturbed: {options.rows:,} rows, {needed:,} requests, {seconds:.0f} s", flush=True)
            victim = Victim(place / "rough", rough, [*with_rough, *flags], random.Random(options.seed))
            torment(victim, options, needed)
            victim.finish()
            compare(victim, derived(place / "calm"), options)


def world(
    stack: ExitStack, place: Path, name: str, options: argparse.Namespace, latency: float
) -> tuple[FakeOpenAI, list[object]]:
    """A server, or two with one log, and the flags by which a run finds them; no two requests have the same body."""
    log, recipe = place / f"{name}.log", place / f"{name}.toml"
    teacher = stack.enter_context(running_fake_openai(log, latency=latency))
    if not options.mixed:
        recipe.write_text("generate.send_seed = true\n")
        return teacher, ["--base-url", teacher.url, "--model", "m", "--method", options.method, "--recipe", recipe]
    other = stack.enter_context(running_fake_openai(log, latency=latency / 2))
    recipe.write_text(MIXED.format(first=teacher.url, second=other.url))
    return teacher, ["--recipe", recipe]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--concurrency", type=int, default=50)
    parser.add_argument("--method", default="few_shot", help="few_shot asks twice for a row: for the task, and for its answer")
    parser.add_argument("--mixed", action="store_true", help="two methods and two teachers instead of one of each")
    parser.add_argument("--latency", type=float, default=0.2, help="seconds that the server takes for a reply, on average")
    parser.add_argument("--seed", type=int, default=0, help="of the random instants")
    return parser.parse_args()


def schedule(rng: random.Random, kills: int) -> list[str]:
    """What each kill is to interrupt: files at the very beginning and the very end, the rest mixed in between."""
    first, last = (kills + 19) // 20, (kills + 9) // 10
    middle = max(0, kills - first - last)
    early = middle // 4
    kinds = ["early"] * early + ["asking"] * (middle - early)
    rng.shuffle(kinds)
    return ["files"] * first + kinds + ["files"] * last


def torment(victim: Victim, options: argparse.Namespace, needed: int) -> None:
    """Kill the run as often as is wanted; `needed` is about how many requests it takes in all."""
    kinds = schedule(victim.rng, options.kills)
    for number, kind in enumerate(kinds):
        to_go = needed - len(victim.ledger.saved)
        share = to_go // (kinds[number:].count("asking") + 1)
        most = min(2 * share + options.concurrency, to_go - 2 * options.concurrency)  # some are left for later kills
        victim.kill(kind, max(1, most))
        if (number + 1) % max(1, options.kills // 10) == 0:
            print(f"  {number + 1} kills, {len(victim.ledger.saved):,} requests saved", flush=True)


@dataclass
class Victim:
    """The run that is killed, and what is seen of it from outside: its journal, its files, the server's log."""

    directory: Path
    teacher: FakeOpenAI
    flags: list[object]
    rng: random.Random
    ledger: Ledger = field(default_factory=Ledger)
    arrived: Counter[str] = field(default_factory=Counter)  # how often each request came to the server, by its mark
    saved_marks: set[str] = field(default_factory=set)  # of replies that were saved at a kill: how their marks begin
    asked_again: set[str] = field(default_factory=set)  # those of them that came to the server later
    in_flight: int = 0  # at the kills, by the journal
    stages: Counter[str] = field(default_factory=Counter)  # which the kills hit
    outlived: int = 0  # lives that were over before their instant came
    startup: float = 0.5  # seconds from the beginning to the first request, the last time that this was seen

    def __post_init__(self) -> None:
        self.journal, self.log = Growing(self.directory / "journal.jsonl"), Growing(self.teacher.log)
        self.errors = self.directory.with_suffix(".txt")

    def kill(self, kind: str, most: int) -> None:
        """Begin the run, and kill it at an instant of this kind, after `most` requests at the latest.

        One that is over before that must have ended well; it is begun again, and writes its files again.
        """
        for _ in range(_LIVES):
            before, sent = self.files(), self.ledger.lines["sent"]
            process = self.begin()
            if self.instant(kind, process, before, most):
                process.kill()
            if process.wait() == -signal.SIGKILL:
                self.look()
                self.stages[self.stage(process.pid, before, sent)] += 1
                self.in_flight += len(self.ledger.cut_off())
                self.check()
                return
            require(process.returncode == 0, f"a run ended with status {process.returncode}: {self.errors.read_text()}")
            require(kind == "files", "the run was over before all kills had hit it: take more rows or fewer kills")
            self.look()
            self.outlived += 1
        raise Broken(f"{_LIVES} runs in a row were over before they could be killed while they wrote their files")

    def finish(self) -> None:
        """The same command once more, undisturbed."""
        process = self.begin()
        require(process.wait() == 0, f"the last run ended with status {process.returncode}: {self.errors.read_text()}")
        self.look()
        require(not self.ledger.open, f"sent, and without an end in the journal: {sorted(self.ledger.open)[:5]}")

    def begin(self) -> subprocess.Popen[bytes]:
        return start(generate(self.directory, *self.flags), self.errors)

    def instant(self, kind: str, process: subprocess.Popen[bytes], before: dict[str, int], most: int) -> bool:
        """Wait for a random instant of this kind; False: the process ended before it came."""
        began, first = time.monotonic(), self.arrived.total()
        if kind == "early":
            end = began + self.rng.uniform(0, self.startup)
            return until(process, lambda: time.monotonic() >= end or self.arrivals() >= first + most)
        if kind == "files":
            came = until(process, lambda: self.files() != before)
            time.sleep(self.rng.uniform(0, 0.01))
            return came
        if not until(process, lambda: self.arrivals() > first):
            return False
        self.startup = time.monotonic() - began
        wanted = first + self.rng.randint(1, most)
        came = until(process, lambda: self.arrivals() >= wanted)
        time.sleep(self.rng.uniform(0, 0.02))
        return came

    def arrivals(self) -> int:
        """How many requests have come to the server; notes those whose reply was saved before."""
        for line in self.log.look():
            self.arrived[line["mark"]] += 1
            if line["mark"][:_MARK] in self.saved_marks:
                self.asked_again.add(line["mark"])
        return self.arrived.total()

    def look(self) -> None:
        """Read what the log and the journal have become, the log first: all that came to the server was noted before."""
        self.arrivals()
        for line in self.journal.look():
            self.ledger.add(line)
            if line["kind"] == "reply":
                self.saved_marks.add(line["raw"]["id"].removeprefix("x-"))

    def files(self) -> dict[str, int]:
        """The files that are put in place whole, each with a number that changes when it is replaced."""
        if not self.directory.exists():
            return {}
        with os.scandir(self.directory) as found:
            return {file.name: file.inode() for file in found if file.name not in ("journal.jsonl", ".lock")}

    def stage(self, pid: int, before: dict[str, int], sent: int) -> str:
        """What a process that was killed was doing, by what it left behind."""
        now = self.files()
        if any(name.endswith(".new") for name in now) or any(before.get(name) != now.get(name) for name in DERIVED):
            return "writing files"
        if self.ledger.lines["sent"] > sent:
            return "asking"
        lock = self.directory / ".lock"
        opened = lock.exists() and lock.read_text().strip() == str(pid)
        return "replaying" if opened and self.ledger.saved else "starting up"

    def check(self) -> None:
        """What must hold at each kill: whatever came to the server is saved, or was in flight at a kill."""
        arrived, saved = self.arrived.total(), len(self.ledger.saved)
        known = saved + self.in_flight
        require(
            arrived <= known, f"{arrived:,} requests arrived, but only {saved:,} are saved and {self.in_flight:,} were in flight"
        )
        require(not self.asked_again, f"saved before a kill, and asked again after it: {sorted(self.asked_again)[:5]}")
        require(not self.ledger.problems, f"the journal: {'; '.join(self.ledger.problems[:5])}")


def until(process: subprocess.Popen[bytes], came: Callable[[], bool]) -> bool:
    """Wait for an event; False: the process ended before."""
    while not came():
        if process.poll() is not None:
            return False
        time.sleep(_LOOK)
    return True


def compare(victim: Victim, expected: dict[str, bytes], options: argparse.Namespace) -> None:
    """Print what was seen, and require what must hold in the end."""
    ledger, stages = victim.ledger, victim.stages
    again = victim.arrived.total() - len(victim.arrived)
    never = ledger.lines["sent"] - victim.arrived.total()
    shown = ", ".join(f"{count} {stage}" for stage, count in stages.most_common())
    print(f"kills that hit a living process: {stages.total()} of {options.kills} ({shown})")
    print(f"runs that ended before their instant, and were begun again: {victim.outlived}")
    reached = victim.in_flight - never
    print(f"in flight at the kills: {victim.in_flight:,} by the journal, {reached:,} of them had reached the server")
    print(f"requests: {len(ledger.saved):,} saved, {again:,} asked again, none of them after it was saved")
    print(f"lines that a kill tore: {victim.journal.torn}")
    victim.check()
    require(len({mark[:_MARK] for mark in victim.arrived}) == len(victim.arrived), "two marks begin alike; take another --seed")
    require(stages.total() == options.kills, "not every kill hit a living process")
    require(stages["asking"] >= _LEAST_ASKING * options.kills, "too few kills hit a run that was asking; take more rows")
    require(again <= victim.in_flight, f"{again:,} requests were asked again, but only {victim.in_flight:,} were in flight")
    found = derived(victim.directory)
    for name in DERIVED:
        require(found.get(name) == expected[name], f"{name} is not that of the undisturbed run")
    rows = found["dataset.jsonl"].count(b"\n")
    require(rows == options.rows, f"there are {rows:,} rows instead of {options.rows:,}")
    print(f"{len(found)} derived files: the bytes of the undisturbed run")


if __name__ == "__main__":
    ending(main)
