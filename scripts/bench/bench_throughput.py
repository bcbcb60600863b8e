"""Measure replies a second, as a ratio to a plain AsyncOpenAI loop on the same server.

    .venv/bin/python scripts/bench/bench_throughput.py [--replies 2000] [--concurrency 200] [--small]

The plain loop is what a user would write by hand: OpenAI's SDK with its default transport and a semaphore, without a journal.
It drops the replies. This package parses, filters, deduplicates, writes a journal with fsync, and decides in order. Each
measurement has a separate process, one after the other. It lasts from the first request to the last reply, or to the last
decision of this package. Compare the ratios, because a machine's speed changes from minute to minute.

The program exits with status 1 if a ratio is below the required one.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))

from fake_openai import running_fake_openai

if TYPE_CHECKING:
    import selfinstruct as si
    from selfinstruct.client.ask import DurableAsk
    from selfinstruct.records import Reply, Request

ONE_TASK = {"tasks_per_request": 4}  # three seeds and one new task
LIST = {"tasks_per_request": 20}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--replies", type=int, default=2000, help="replies of each measurement")
    parser.add_argument("--concurrency", type=int, default=200, help="calls at a time")
    parser.add_argument("--rounds", type=int, default=3, help="number of measurements, from which the best is taken")
    parser.add_argument("--small", action="store_true", help="check that the program works: no ratio required")
    parser.add_argument("--one", nargs=3, metavar=("WHO", "URL", "OPTIONS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        who, url, settings = options.one
        measure = plain if who == "plain" else ours
        print(json.dumps(measure(url, json.loads(settings), options.replies, options.concurrency)))
        return
    missed = compare(options)
    sys.exit("\n".join(missed) if missed and not options.small else None)


def compare(options: argparse.Namespace) -> list[str]:
    """Print the measurements. Return the ratios that were not reached, in words."""
    missed = []
    print(f"{options.replies:,} replies, {options.concurrency} calls at a time, best of {options.rounds}\n")
    for title, settings, least in (("one task a reply", ONE_TASK, 2.0), ("20 tasks a reply", LIST, 1.0)):
        with running_fake_openai(latency=0.05) as server:
            found: dict[str, list[dict[str, float]]] = {"plain": [], "ours": []}
            for _ in range(options.rounds):
                for who, results in found.items():
                    results.append(apart(who, server.url, settings, options))
        theirs, mine = (max(results, key=lambda result: result["per_second"]) for results in found.values())
        ratio = mine["per_second"] / theirs["per_second"]
        print(f"{title}, latency 50 ms")
        print(f"  plain AsyncOpenAI loop  {theirs['per_second']:8.0f} replies/s   {theirs['cpu']:6.2f} ms of CPU a reply")
        print(f"  selfinstruct            {mine['per_second']:8.0f} replies/s   {mine['cpu']:6.2f} ms of CPU a reply")
        print(f"    {mine['rows']:,.0f} rows, then {mine['writing']:.1f} s for the files with the 10 nearest of each row")
        print(f"  ratio {ratio:.2f} (required: {least:g})\n")
        if ratio < least:
            missed.append(f"{title}: {ratio:.2f} times the plain loop, required {least:g}")
    with running_fake_openai(latency=1.0) as server:
        mine = apart("ours", server.url, ONE_TASK, options)
    share = mine["flow"] / options.concurrency
    print(f"one task a reply, latency 1,000 ms (500 to 1,500)\n  selfinstruct            {mine['flow']:8.0f} replies/s journaled")
    print(f"    after the first {options.concurrency} replies, or {mine['arrived']:.0f} replies/s with the start")
    print(f"  {100 * share:.1f} % of the ideal, {options.concurrency} replies/s (required: 95 %)")
    return [*missed, *([f"1,000 ms: {100 * share:.1f} % of the ideal, required 95 %"] if share < 0.95 else [])]


def apart(who: str, url: str, settings: dict[str, int], options: argparse.Namespace) -> dict[str, float]:
    """Measure in a separate process."""
    command = [sys.executable, __file__, "--replies", str(options.replies), "--concurrency", str(options.concurrency)]
    done = subprocess.run([*command, "--one", who, url, json.dumps(settings)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def run_of(url: str, settings: dict[str, int], directory: str, concurrency: int) -> si.Run:
    """Return a new run against the server."""
    import selfinstruct as si

    # More rows than the measurement needs, because it stops the run.
    return si.Run(Path(directory) / "run", base_url=url, model="m", num=10**6, options=settings, concurrency=concurrency)


def plain(url: str, settings: dict[str, int], replies: int, concurrency: int) -> dict[str, float]:
    """Measure the plain loop over the requests of a run."""
    from openai import AsyncOpenAI
    from openai.types.chat import ChatCompletion

    async def requests(directory: str) -> list[dict[str, Any]]:
        method = run_of(url, settings, directory, concurrency).methods()
        made: list[dict[str, Any]] = []

        async def catch(key: str, request: Request) -> Reply:
            made.append({"model": "m", "messages": list(request.messages), **request.sampling})
            raise KeyError

        for index in range(replies):
            try:
                await method.propose(index, catch)
            except KeyError:
                continue
        return made

    async def loop() -> tuple[float, float]:
        with tempfile.TemporaryDirectory() as directory:
            bodies = await requests(directory)
        client = AsyncOpenAI(base_url=url, api_key="none", max_retries=0)
        slots = asyncio.Semaphore(concurrency)

        async def one(body: dict[str, Any]) -> str | None:
            async with slots:
                completion: ChatCompletion = await client.chat.completions.create(**body)
                return completion.choices[0].message.content

        before, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*map(one, bodies))
        return time.perf_counter() - before, time.process_time() - cpu

    seconds, cpu = asyncio.run(loop())
    return {"per_second": replies / seconds, "cpu": 1000 * cpu / replies}


def ours(url: str, settings: dict[str, int], replies: int, concurrency: int) -> dict[str, float]:
    """Measure the whole pipeline. The run stops after this many requests, and the end is the last decision."""
    import openai  # noqa: F401 (imported before the clock starts)

    moments: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as directory:
        run = run_of(url, settings, directory, concurrency)

        def watch(dataset: si.Dataset, ask: DurableAsk) -> None:
            if ask.in_flight and "first" not in moments:
                moments.update(first=first_call(run.path), cpu=-time.process_time())
            if ask.journal.counts.replies >= concurrency and "begun" not in moments:
                moments.update(begun=time.time(), had=ask.journal.counts.replies)
            if ask.journal.counts.replies >= replies - concurrency and "arrived" not in moments:
                moments.update(arrived=time.time(), came=ask.journal.counts.replies)
            if ask.journal.counts.calls >= replies and "stopped" not in moments:
                moments["stopped"] = time.time()
                run.stop()  # the calls in flight still arrive, and all replies are decided
            if dataset.roots > moments.get("roots", 0):
                moments.update(decided=time.time(), roots=dataset.roots, rows=len(dataset.rows), used=time.process_time())

        try:
            run.generate(watch)
        except KeyboardInterrupt:
            ended = time.time()
    return {
        "per_second": moments["roots"] / (moments["decided"] - moments["first"]),
        "arrived": moments["came"] / (moments["arrived"] - moments["first"]),
        "flow": (moments["came"] - moments["had"]) / (moments["arrived"] - moments["begun"]),
        "cpu": 1000 * (moments["used"] + moments["cpu"]) / moments["roots"],
        "rows": moments["rows"],
        "writing": ended - moments["decided"],
    }


def first_call(path: Path) -> float:
    """Return the time of the first call in the journal, in seconds since the epoch."""
    with (path / "journal.jsonl").open() as journal:
        moment: float = json.loads(next(journal))["time"]
        return moment


if __name__ == "__main__":
    main()
