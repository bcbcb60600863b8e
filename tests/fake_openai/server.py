"""A teacher for the tests: a real HTTP server that speaks OpenAI's API, in a process of its own.

    PYTHONPATH=tests python -m fake_openai.server --log FILE [options, see `options`]

The answer to a body is a function of the body alone, its `created` too, so runs against it can be compared byte by byte.
The model's name and `--faults` choose how it behaves (faults.py), `--limit-...` how fast it may be asked
(limits.py); files and batches are in batches.py. The log has one line for each completion that is asked
for, written when it arrives: mark, attempt, key, status, fault, usage, time, path, model. `usage` is what the provider
charges: null unless the tokens were generated, whatever became of them on their way. Other lines have no mark.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import sys
import time
from typing import Any, NamedTuple

from fake_openai.answers import Completion, completion, fingerprint
from fake_openai.batches import Batches, Request, parse
from fake_openai.faults import CUT_SHORT, STANDING, Fate, Faults, error
from fake_openai.limits import STYLES, Limits

_REMEMBERED = 5_000
_HOLD = 5.0  # seconds


class Arrival(NamedTuple):
    """A body that arrives, live or as a line of a batch, for the attempt-th time."""

    body: dict[str, Any]
    model: str
    mark: str
    attempt: int
    key: str


class Server:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.log = open(options.log, "a", buffering=1)  # noqa: SIM115, PTH123 (open for the life of the process)
        self.faults = Faults(options.faults)
        self.limits = Limits(
            options.limit_style, options.limit_requests, options.limit_tokens, options.limit_burst, options.limit_window
        )
        self.batches = Batches(self.batched, options.batch_seconds)
        self.attempts: dict[str, int] = {}
        self.arrived = 0
        self.api_calls = 0
        self.completions: dict[tuple[str, bool], Completion] = {}  # the latest ones, by mark and whether cut
        self.start = time.monotonic()

    def note(self, line: dict[str, Any]) -> None:
        self.log.write(json.dumps(line) + "\n")

    def dead(self) -> bool:
        since, until = self.options.die
        return bool(since <= time.monotonic() - self.start < until)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while not self.dead() and await self.exchange(reader, writer):
                    pass
                if self.dead():
                    self.note({"reset": True, "time": time.time()})
                    writer.transport.abort()
        finally:
            writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False: the connection ends."""
        first, *rest = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in rest)}
        request = parse(first, headers, await reader.readexactly(int(headers.get("content-length", 0))))
        if self.dead():
            return False
        if request.path.startswith(("/v1/files", "/v1/batches")):
            return await self.api_call(request, reader, writer)
        if request.method != "POST":
            return await self.send(writer, error(404, f"Unknown request: {first}"))
        return await self.complete(request, reader, writer)

    async def complete(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        asked = self.arrival(json.loads(request.content), request.headers)
        self.arrived += 1
        fate = self.faults.live(asked.model, asked.mark, asked.attempt)
        if self.options.outage[0] < self.arrived <= self.options.outage[1] and asked.model not in STANDING:
            fate = error(503, "gone")
        made = self.completion(asked, fate)
        admitted, shown = self.limits.admit(sum(made.usage) if made else 0, time.monotonic())
        if not admitted:
            fate, made = error(429, "Rate limit reached", "rate_limit_exceeded"), None
        self.note_arrival(asked, fate, made, path=request.path)
        if self.options.latency:
            await asyncio.sleep(self.options.latency * (1 + self.options.jitter * (2 * random.Random(asked.mark).random() - 1)))
        if fate.status == "hang":
            await gone(reader, None)
            return False
        return await self.send(writer, fate, made, shown)

    async def send(self, writer: asyncio.StreamWriter, fate: Fate, made: Completion | None = None, headers: str = "") -> bool:
        if fate.status == 0:
            writer.transport.abort()
            return False
        data = (fate.payload if fate.payload is not None or made is None else json.dumps(made.data)) or ""
        promised = len(data.encode()) * (2 if fate.status == -2 else 1)
        status = 200 if fate.status == -2 else fate.status
        headers = f"content-type: {fate.kind}\r\n{fate.header}{headers}content-length: {promised}\r\n"
        writer.write(f"HTTP/1.1 {status} X\r\n{headers}\r\n{data}".encode())
        await writer.drain()
        return fate.status != -2

    def arrival(self, body: dict[str, Any], headers: dict[str, str]) -> Arrival:
        mark = fingerprint(body)
        self.attempts[mark] = attempt = self.attempts.get(mark, 0) + 1
        return Arrival(body, body["model"], mark, attempt, headers.get("authorization", "")[-4:])

    def completion(self, asked: Arrival, fate: Fate) -> Completion | None:
        """The completion of a request, if it is generated at all."""
        if not fate.charged:
            return None
        which = asked.mark, fate is CUT_SHORT
        if which not in self.completions:
            while len(self.completions) >= _REMEMBERED:
                del self.completions[next(iter(self.completions))]
            self.completions[which] = completion(asked.body, *which)
        return self.completions[which]

    def note_arrival(self, asked: Arrival, fate: Fate, made: Completion | None, **more: str) -> None:
        line = {"mark": asked.mark, "attempt": asked.attempt, "key": asked.key, "status": fate.status, "fault": fate.fault}
        self.note({**line, "usage": made and made.usage, "time": time.time(), "model": asked.model, **more})

    def batched(self, body: dict[str, Any], headers: dict[str, str], custom_id: str) -> tuple[Fate, dict[str, Any]]:
        """Work on one line of a batch: its fate, and the body of its answer."""
        asked = self.arrival(body, headers)
        fate = self.faults.batched(asked.model, asked.mark, asked.attempt)
        made = self.completion(asked, fate)
        self.note_arrival(asked, fate, made, path="/v1/batches", custom_id=custom_id)
        return fate, made.data if made and fate.payload is None else json.loads(fate.payload or "{}")

    async def api_call(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """A call to files or batches. Who disconnects while it is held before its effect was never there."""
        self.api_calls += 1
        api = f"{request.method} {request.path}"
        at, when = self.options.hold
        when = when if self.api_calls == int(at) else ""
        holding = {"held": self.api_calls, "api": api, "when": when}
        if when == "before" and await self.hold(holding, reader):
            return False
        self.note({"api": api, "time": time.time()})
        answer = self.batches.call(request)
        if when == "after" and await self.hold(holding, reader):
            return False
        return await self.send(writer, answer)

    async def hold(self, line: dict[str, Any], reader: asyncio.StreamReader) -> bool:
        """Give a test the time to kill the client; True: it is gone."""
        self.note({**line, "time": time.time()})
        return await gone(reader, _HOLD)


async def gone(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Whether the client closes its connection within that time."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds, give or take --jitter")
    parser.add_argument("--jitter", type=float, default=0.5, help="part of the latency")
    parser.add_argument("--outage", type=int, nargs=2, default=[0, 0], help="answer 503 after A requests, until B have come")
    parser.add_argument(
        "--die", type=float, nargs=2, default=[0, 0], help="reset all connections from A to B seconds after start"
    )
    parser.add_argument("--faults", default="", help="shares of requests: 429=0.05,500=0.03,length=0.03")
    parser.add_argument("--limit-requests", type=float, help="a minute")
    parser.add_argument("--limit-tokens", type=float, help="a minute")
    parser.add_argument("--limit-style", choices=STYLES, default="bucket")
    parser.add_argument("--limit-burst", type=float, default=1.0, help="how many seconds of its rate a bucket holds")
    parser.add_argument("--limit-window", type=float, default=60.0, help="seconds of a fixed window")
    parser.add_argument("--batch-seconds", type=float, default=0.5, help="until a batch is completed")
    parser.add_argument(
        "--hold", nargs=2, default=["0", ""], metavar=("K", "WHEN"), help="hold the K-th call to files or batches, before|after"
    )
    return parser.parse_args()


async def main() -> None:
    handler = Server(options()).connection
    server = await asyncio.start_server(handler, "127.0.0.1", 0, limit=1 << 24, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # ends with the test that started it


if __name__ == "__main__":
    asyncio.run(main())
