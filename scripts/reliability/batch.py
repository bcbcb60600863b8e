"""Kill `generate --batch` at every call to the provider, before and after the call takes effect, and resume.

    .venv/bin/python scripts/reliability/batch.py [--rows 60] [--rounds-rows 24] [--random 6] [--first K] [--every N] [--jobs 2]

The provider is a server on this machine that counts its work. After each kill the same command runs to its end. The program
exits with status 1 unless, each time,

- the derived files have the bytes of an undisturbed run,
- the provider worked on no request twice,
- as many batches were created as without the kill,
- the journal has the reply to each key once,
- no upload lies unused at the provider.

`few_shot` solves in a second round the tasks that it admits in the first. With it, the run is killed only at every fourth call.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from harness import DERIVED, FakeOpenAI, environment, running_fake_openai

BATCH_SECONDS = 0.1  # until a batch is done, so that the second poll finds it done
LONGEST = 120.0  # seconds for one command


@dataclass
class Result:
    """Files and journal of a run, and what the provider counted."""

    derived: dict[str, bytes]
    calls: list[str]  # calls to files and batches that took effect
    asked: Counter[str]
    answered: Counter[str]
    unused: int  # uploads that belong to no batch
    wrong: list[str] = field(default_factory=list)


class Case:
    """A run with some method and size, which is killed and compared with an undisturbed one."""

    def __init__(self, folder: Path, method: str, rows: int) -> None:
        self.folder = folder
        self.method = method
        self.words = ("--model", "m", "--batch", "--num", str(rows), "--method", method)
        self.calm = Result({}, [], Counter(), Counter(), 0)

    def undisturbed(self) -> None:
        """Make the undisturbed run that the others are compared with."""
        with running_fake_openai(batch_seconds=BATCH_SECONDS) as server:
            directory = self.folder / f"{self.method}-calm"
            status, said = self.to_its_end(directory, server)
            if status:
                raise SystemExit(f"the undisturbed run failed: {said}")
            self.calm = left_behind(directory, server)

    def killed_at_call(self, number: int, when: str) -> tuple[str, list[str]]:
        """Kill the run while the provider holds its call number `number`, `before` or `after` the effect."""
        return self.killed(f"{number:3} {when}", lambda process, server, _: held(process, server), hold=(number, when))

    def killed_sometime(self, seed: int) -> tuple[str, list[str]]:
        """Kill the run at a random moment after its journal has grown, and kill the resumed run in this way too."""
        rng = random.Random(seed)
        return self.killed(f"random {seed}", lambda process, _, directory: grown(process, directory, rng), kills=2)

    def killed(
        self, name: str, moment: Callable[[subprocess.Popen[bytes], FakeOpenAI, Path], bool], kills: int = 1, **options: Any
    ) -> tuple[str, list[str]]:
        """Start and kill the run `kills` times, then run it to its end. Return a label and the violations."""
        label = f"{self.method:9} {name:12}"
        with running_fake_openai(batch_seconds=BATCH_SECONDS, **options) as server:
            directory = self.folder / f"{self.method}-{name.replace(' ', '-')}"
            reached = 0
            for _ in range(kills):
                process = subprocess.Popen(self.command(directory, server), stderr=subprocess.DEVNULL)
                reached += moment(process, server, directory)
                process.send_signal(signal.SIGKILL)
                process.wait()
            where = next((line["api"] for line in server.log_lines() if "held" in line), f"{reached} kills")
            status, said = self.to_its_end(directory, server)
            if status:
                return f"{label} {where}", [f"status {status}: {said.strip()[-300:]}"]
            wrong = self.violations(left_behind(directory, server))
        return f"{label} {where}", wrong

    def command(self, directory: Path, server: FakeOpenAI) -> list[str]:
        """Return the command that starts or resumes the run."""
        return [sys.executable, "-m", "selfinstruct", "generate", str(directory), "--base-url", server.url, *self.words]

    def to_its_end(self, directory: Path, server: FakeOpenAI) -> tuple[int, str]:
        """Run the command to its end. Return its exit status and standard error."""
        try:
            done = subprocess.run(self.command(directory, server), check=False, capture_output=True, text=True, timeout=LONGEST)
        except subprocess.TimeoutExpired:
            return 124, f"it did not end within {LONGEST:g} s"
        return done.returncode, done.stderr

    def violations(self, result: Result) -> list[str]:
        """Return the differences from the undisturbed run, in words."""
        wrong = list(result.wrong)
        wrong += [f"{name} differs" for name, content in result.derived.items() if content != self.calm.derived[name]]
        if twice := [mark for mark, count in result.asked.items() if count > 1]:
            wrong.append(f"{len(twice)} requests were worked on twice")
        if unwanted := result.asked.keys() - self.calm.asked.keys():
            wrong.append(f"{len(unwanted)} requests were sent that no row needs")
        made, expected = result.calls.count("POST /v1/batches"), self.calm.calls.count("POST /v1/batches")
        if made != expected:
            wrong.append(f"{made} batches were created, not {expected}")
        if doubled := [key for key, count in result.answered.items() if count > 1]:
            wrong.append(f"the journal has {len(doubled)} keys twice")
        if result.answered.keys() != self.calm.answered.keys():
            wrong.append("the journal has other keys")
        if result.unused:
            wrong.append(f"{result.unused} uploads lie unused at the provider")
        return wrong


def held(process: subprocess.Popen[bytes], server: FakeOpenAI) -> bool:
    """Wait until the provider holds a call. Return False if the run ends before."""
    while process.poll() is None:
        if any("held" in line for line in server.log_lines()):
            return True
        time.sleep(0.01)
    return False


def grown(process: subprocess.Popen[bytes], directory: Path, rng: random.Random) -> bool:
    """Wait until the journal has grown a random number of times, and a moment more. Return False if the run has ended."""
    journal, times = directory / "journal.jsonl", rng.randint(1, 6)
    size = journal.stat().st_size if journal.exists() else 0
    while process.poll() is None and times:
        now = journal.stat().st_size if journal.exists() else 0
        times, size = times - (now > size), now
    time.sleep(rng.choice((0, 0.001, 0.01, 0.1, 0.5)))
    return process.poll() is None


def left_behind(directory: Path, server: FakeOpenAI) -> Result:
    """Collect the files and journal of a run, and what the provider counted."""
    answered: Counter[str] = Counter()
    wrong = []
    for text in (directory / "journal.jsonl").read_bytes().splitlines():
        try:
            line = json.loads(text)
        except ValueError:
            continue  # torn by the kill
        if line["kind"] in ("reply", "failure"):
            answered[line["key"]] += 1
    calls = [line["api"] for line in server.log_lines() if "api" in line and "held" not in line]
    used = {batch["input_file_id"] for batch in listed(server, "batches")}
    unused = sum(file["purpose"] == "batch" and file["id"] not in used for file in listed(server, "files"))
    if any(line["path"] != "/v1/batches" for line in server.requests()):
        wrong.append("a request was sent live")
    return Result({name: (directory / name).read_bytes() for name in DERIVED}, calls, server.asked(), answered, unused, wrong)


def listed(server: FakeOpenAI, kind: str) -> list[dict[str, Any]]:
    """Return all files, or all batches, at the provider."""
    with urllib.request.urlopen(f"{server.url}/{kind}?limit=10000") as response:
        page = json.load(response)
    assert not page["has_more"]
    return list(page["data"])


@contextmanager
def quiet_environment() -> Iterator[None]:
    """Work in a temporary folder, with the package of this checkout and without API keys."""
    clean = environment()
    os.environ.clear()
    os.environ.update(clean)
    with tempfile.TemporaryDirectory(prefix="reliability-batch-") as folder:
        before = Path.cwd()
        os.chdir(folder)
        try:
            yield
        finally:
            os.chdir(before)


def kills(case: Case, first: int, every: int, sometimes: int) -> list[Callable[[], tuple[str, list[str]]]]:
    """Return one function for each kill of a case."""
    numbers = range(first, len(case.calm.calls) + 1, every)
    calls: list[Callable[[], tuple[str, list[str]]]] = [
        partial(case.killed_at_call, number, when) for number in numbers for when in ("before", "after")
    ]
    return calls + [partial(case.killed_sometime, seed) for seed in range(sometimes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=60, help="rows of the runs with the alpaca method")
    parser.add_argument("--rounds-rows", type=int, default=24, help="rows of the runs with few_shot (0: none)")
    parser.add_argument("--random", type=int, default=6, help="kills at random moments for each method")
    parser.add_argument("--first", type=int, default=1, metavar="K", help="the first call to kill at")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="kill at every N-th call")
    parser.add_argument("--rounds-every", type=int, default=4, metavar="N", help="kill few_shot at every N-th call")
    parser.add_argument("--jobs", type=int, default=2, help="runs at a time")
    options = parser.parse_args()
    with quiet_environment():
        sys.exit(run(options, Path.cwd()))


def run(options: argparse.Namespace, folder: Path) -> int:
    """Kill the runs of all cases and print the results. Return the exit status."""
    start, count, bad = time.monotonic(), 0, 0
    cases = [(Case(folder, "alpaca", options.rows), options.every)]
    if options.rounds_rows:
        cases.append((Case(folder, "few_shot", options.rounds_rows), options.rounds_every))
    for case, every in cases:
        case.undisturbed()
        calls, asked = len(case.calm.calls), len(case.calm.asked)
        made = case.calm.calls.count("POST /v1/batches")
        print(f"{case.method}, undisturbed: {calls} calls to files and batches, {made} batches, {asked} requests", flush=True)
        if wrong := case.violations(case.calm):
            raise SystemExit(f"the undisturbed run is wrong: {', '.join(wrong)}")
        with ThreadPoolExecutor(options.jobs) as pool:
            for label, wrong in pool.map(lambda kill: kill(), kills(case, options.first, every, options.random)):
                print(f"{label}: {', '.join(wrong) or 'no difference'}", flush=True)
                count, bad = count + 1, bad + bool(wrong)
    print(f"{count} kills, {bad} violations, {time.monotonic() - start:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    main()
