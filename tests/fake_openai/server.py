"""Stand-in server: a real HTTP server with OpenAI's API, in a separate process.

    PYTHONPATH=tests .venv/bin/python -m fake_openai.server --log FILE [options, see --help]

It prints its port and ends when its standard input is closed. The answer to a request is a function of the request's body
alone, `created` included. So the files of two runs against it can be compared byte by byte.

    answers.py    the text of a completion
    faults.py     errors, chosen by the model's name and by `--faults`
    limits.py     rate limits, chosen by `--limit-...`
    batches.py    files and batches

The log has one line for each completion request, written when the request arrives: mark, attempt, key, status, fault, usage,
time, path, model. `usage` is what the provider charges. It is null unless the tokens were generated, even when the reply is
lost on its way. Lines of other kinds have no mark.
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
from fake_openai.faults import CUT_SHORT, STANDING, Faults, Outcome, error
from fake_openai.limits import STYLES, Limits
from fake_openai.modern import answered

_REMEMBERED = 5_000  # completions
_HOLD = 60.0  # seconds for which a call is held unless the client disconnects


class Arrival(NamedTuple):
    """Request body that arrives, live or as a line of a batch, for the attempt-th time."""

    body: dict[str, Any]
    model: str
    mark: str
    attempt: int
    key: str


class Server:
    """State of the running server, and the answer to each connection."""

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
        self.dead_since: float | None = None
        self.stalls: list[int] = list(options.stall)
        self.since_stall = 0  # requests that were let through
        self.stall_over = asyncio.Event()

    def note(self, line: dict[str, Any]) -> None:
        """Write a line of the log."""
        self.log.write(json.dumps(line) + "\n")

    def dead(self) -> bool:
        """Say if all connections are reset now. `--die` counts requests, so that a slow client meets the outage too."""
        requests, seconds = self.options.die
        if self.dead_since is None and seconds and self.arrived + self.api_calls >= requests:
            self.dead_since = time.monotonic()
        return self.dead_since is not None and bool(time.monotonic() - self.dead_since < seconds)

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, until it ends or the server is dead."""
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
        """Answer one request. Return False when the connection ends."""
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
        """Answer a completion request, after `--latency`. Return False when the connection ends."""
        body = json.loads(request.content)
        streaming = body.pop("stream", None)  # not a part of the mark
        asked = self.arrival(body, request.headers)
        if streaming is False:
            asked.body["stream"] = False
        self.arrived += 1
        outcome = self.faults.live(asked.model, asked.mark, asked.attempt)
        if self.options.outage[0] < self.arrived <= self.options.outage[1] and asked.model not in STANDING:
            outcome = error(503, "gone")
        made = self.completion(asked, outcome)
        admitted, shown = self.limits.admit(sum(made.usage) if made else 0, time.monotonic())
        if not admitted:
            outcome, made = error(429, "Rate limit reached", "rate_limit_exceeded"), None
        outcome, made = answered(asked.body, request.headers, request.path, outcome, made, self.arrived)
        self.note_arrival(asked, outcome, made, path=request.path)
        if self.options.latency:
            await asyncio.sleep(self.options.latency * (1 + self.options.jitter * (2 * random.Random(asked.mark).random() - 1)))
        if outcome.status == "hang":
            await gone(reader, None)
            return False
        if await self.stalled(reader):
            return False
        return await self.send(writer, outcome, made, shown)

    async def stalled(self, reader: asyncio.StreamReader) -> bool:
        """Hold a request during a stall. Return True when the client has disconnected, which ends the stall too."""
        while self.stalls and self.since_stall >= self.stalls[0]:
            over = self.stall_over
            self.note({"stalled": len(self.stalls), "time": time.time()})
            waiting, leaving = asyncio.ensure_future(over.wait()), asyncio.ensure_future(gone(reader, None))
            await asyncio.wait([waiting, leaving], return_when=asyncio.FIRST_COMPLETED)
            waiting.cancel()
            if leaving.done():
                if not over.is_set():  # the first client to leave
                    self.end_stall()
                return True
            leaving.cancel()
        self.since_stall += 1
        return False

    def end_stall(self) -> None:
        """Answer the requests that the present stall holds."""
        self.stall_over.set()
        self.stall_over, self.since_stall = asyncio.Event(), 0
        del self.stalls[0]

    async def send(
        self, writer: asyncio.StreamWriter, outcome: Outcome, made: Completion | None = None, headers: str = ""
    ) -> bool:
        """Send the answer to one request. Return False when the connection ends."""
        if outcome.status == 0:
            writer.transport.abort()
            return False
        data = (outcome.payload if outcome.payload is not None or made is None else json.dumps(made.data)) or ""
        promised = len(data.encode()) * (2 if outcome.status == -2 else 1)
        status = 200 if outcome.status == -2 else outcome.status
        headers = f"content-type: {outcome.kind}\r\n{outcome.header}{headers}content-length: {promised}\r\n"
        writer.write(f"HTTP/1.1 {status} X\r\n{headers}\r\n{data}".encode())
        await writer.drain()
        return outcome.status != -2

    def arrival(self, body: dict[str, Any], headers: dict[str, str]) -> Arrival:
        """Count the arrival of a body, and return it with its attempt and the last four characters of the key."""
        mark = fingerprint(body)
        self.attempts[mark] = attempt = self.attempts.get(mark, 0) + 1
        return Arrival(body, body["model"], mark, attempt, headers.get("authorization", "")[-4:])

    def completion(self, asked: Arrival, outcome: Outcome) -> Completion | None:
        """Return the completion of a request, or None if none is generated."""
        if not outcome.charged:
            return None
        which = asked.mark, outcome is CUT_SHORT
        if which not in self.completions:
            while len(self.completions) >= _REMEMBERED:
                del self.completions[next(iter(self.completions))]
            self.completions[which] = completion(asked.body, *which)
        return self.completions[which]

    def note_arrival(self, asked: Arrival, outcome: Outcome, made: Completion | None, **more: str) -> None:
        """Log a completion request with its outcome."""
        line = {"mark": asked.mark, "attempt": asked.attempt, "key": asked.key, "status": outcome.status, "fault": outcome.fault}
        self.note({**line, "usage": made and made.usage, "time": time.time(), "model": asked.model, **more})

    def batched(self, body: dict[str, Any], headers: dict[str, str], custom_id: str) -> tuple[Outcome, dict[str, Any]]:
        """Do one line of a batch, and return its outcome and the body of its answer."""
        asked = self.arrival(body, headers)
        outcome = self.faults.batched(asked.model, asked.mark, asked.attempt)
        made = self.completion(asked, outcome)
        outcome, made = answered(asked.body, headers, "", outcome, made, self.arrived)
        self.note_arrival(asked, outcome, made, path="/v1/batches", custom_id=custom_id)
        return outcome, made.data if made and outcome.payload is None else json.loads(outcome.payload or "{}")

    async def api_call(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer a call to files or batches. A client that disconnects while held before the effect has made no call."""
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
        """Give a test the time to kill the client. Return True when the client has disconnected."""
        self.note({**line, "time": time.time()})
        return await gone(reader, _HOLD)


async def gone(reader: asyncio.StreamReader, seconds: float | None) -> bool:
    """Wait at most this many seconds for the client to close its connection, and say if it has."""
    try:
        return await asyncio.wait_for(reader.read(1), seconds) == b""
    except TimeoutError:
        return False
    except ConnectionError:
        return True


def options() -> argparse.Namespace:
    """Return the parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--log", required=True, help="file that the log lines are added to")
    parser.add_argument("--latency", type=float, default=0.0, help="seconds before a completion is sent, give or take --jitter")
    parser.add_argument("--jitter", type=float, default=0.5, help="share of the latency, from 0 to 1")
    parser.add_argument(
        "--outage",
        type=int,
        nargs=2,
        default=[0, 0],
        metavar=("A", "B"),
        help="answer 503 after A requests, until B have arrived",
    )
    parser.add_argument(
        "--die", type=float, nargs=2, default=[0, 0], metavar=("K", "S"), help="reset all connections for S s after K requests"
    )
    parser.add_argument(
        "--stall",
        type=int,
        nargs="*",
        default=[],
        metavar="N",
        help="after N answers, hold requests until a client disconnects or a line comes on standard input",
    )
    parser.add_argument("--faults", default="", help="shares of requests, such as 429=0.05,500=0.03,length=0.03")
    parser.add_argument("--limit-requests", type=float, help="requests a minute")
    parser.add_argument("--limit-tokens", type=float, help="tokens a minute")
    parser.add_argument("--limit-style", choices=STYLES, default="bucket")
    parser.add_argument("--limit-burst", type=float, default=1.0, help="seconds of its rate that a bucket holds")
    parser.add_argument("--limit-window", type=float, default=60.0, help="length of a fixed window in seconds")
    parser.add_argument("--batch-seconds", type=float, default=0.5, help="seconds until a batch is completed")
    parser.add_argument(
        "--hold",
        nargs=2,
        default=["0", ""],
        metavar=("K", "WHEN"),
        help="hold the K-th call to files or batches, before or after",
    )
    return parser.parse_args()


async def main() -> None:
    """Serve until standard input is closed. Each line of it ends a stall."""
    serving = Server(options())
    server = await asyncio.start_server(serving.connection, "127.0.0.1", 0, limit=1 << 24, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201 (the parent process reads the port)
    while await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):  # until the parent ends or closes it
        serving.end_stall()


if __name__ == "__main__":
    asyncio.run(main())
