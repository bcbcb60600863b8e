"""A teacher for the tests: a real HTTP server that speaks OpenAI's API, in a process of its own.

    python tests/teacher_server.py --log FILE [--latency SECONDS] [--outage A B]

The answer to a body is a function of the body alone, its `created` too, so runs against it can be compared byte by byte.
The model's name chooses how it behaves (see `_fault`); every request that arrives is a line of the log.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import sys
from typing import Any

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u")]
_WORDS = [x + y for x in _SYLLABLES for y in _SYLLABLES[:40]]
_VERBS = ["Explain", "List", "Compare", "Summarise", "Translate", "Rank", "Describe", "Correct", "Plan", "Name"]
_UNUSABLE = [
    ("Draw a {0} {1} {2} near the {3}", "", "Done."),
    ("{0} {1}", "", "Too short an instruction."),
    ("Tell me how {0} and {1} meet {2}", "", ""),
    ("Explain {0} to {1} and {2} and {3}", "", "As an AI language model, I cannot do that."),
    ("Sort the {0} {1} words in the {2} list", "[insert text]", "Sorted."),
    ("Show where {0} {1} keeps {2} and {3}", "", "See https://{0}.invalid/{1} for that."),
]


def sentence(rng: random.Random, words: int) -> str:
    return " ".join(rng.choices(_WORDS, k=words))


def task(rng: random.Random) -> tuple[str, str, str]:
    if rng.random() < 0.15:
        instruction, input, output = rng.choice(_UNUSABLE)
        words = rng.choices(_WORDS, k=4)
        return instruction.format(*words), input, output.format(*words)
    instruction = f"{rng.choice(_VERBS)} {sentence(rng, rng.randint(5, 18))}{rng.choice('.?')}"
    input = sentence(rng, rng.randint(5, 30)) if rng.random() < 0.4 else ""
    output = sentence(rng, rng.randint(5, 40)).capitalize() + "."
    if rng.random() < 0.2:
        output += f"\n\n### {sentence(rng, 2)}\n- {sentence(rng, 4)} in 2020.\n- {sentence(rng, 4)}"
    return instruction, input, output


def numbered(rng: random.Random, first: int) -> str:
    items = []
    for number in range(first, 21):
        instruction, input, output = task(rng)
        items.append(
            f"{number}. Instruction: {instruction}\n{number}. Input:\n{input or '<noinput>'}\n{number}. Output:\n{output}"
        )
    return "\n###\n".join(items)


def answer(body: dict[str, Any]) -> str:
    rng = random.Random(fingerprint(body))
    last = body["messages"][-1]["content"] if "messages" in body else body["prompt"]
    if "response_format" in body:
        keys = ("instruction", "input", "output")
        return json.dumps({"tasks": [dict(zip(keys, task(rng), strict=True)) for _ in range(20)]})
    if "List of" in last:
        return numbered(rng, 4)
    if last == "Write a new instruction." or last.endswith("<|im_start|>user\n"):
        return task(rng)[0]
    return task(rng)[2]


def fingerprint(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class Server:
    def __init__(self, log: str, latency: float, outage: list[int]) -> None:
        self.log = open(log, "a", buffering=1)  # noqa: SIM115, PTH123 (open for the life of the process)
        self.latency = latency
        self.outage = outage
        self.attempts: dict[str, int] = {}

    async def connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while await self.exchange(reader, writer):
                pass
        writer.close()

    async def exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:])}
        body = json.loads(await reader.readexactly(int(headers["content-length"])))
        mark = fingerprint(body)
        self.attempts[mark] = attempt = self.attempts.get(mark, 0) + 1
        self.log.write(json.dumps({"mark": mark, "attempt": attempt, "key": headers.get("authorization", "")[-4:]}) + "\n")
        if self.latency:
            await asyncio.sleep(self.latency * (0.5 + random.Random(mark).random()))
        status, extra, payload = self._fault(body["model"], mark, attempt) or (200, "", None)
        if status == -1:  # break the connection
            writer.transport.abort()
            return False
        text = json.dumps(self._completion(body, mark)) if payload is None else payload
        data = text.encode()
        length = len(data) * 2 if status == -2 else len(data)  # -2: promise more than is sent
        shown = 200 if status == -2 else status
        writer.write(
            f"HTTP/1.1 {shown} X\r\ncontent-type: application/json\r\n{extra}content-length: {length}\r\n\r\n".encode() + data
        )
        await writer.drain()
        return status != -2

    def _completion(self, body: dict[str, Any], mark: str) -> dict[str, Any]:
        text, finish = answer(body), "stop"
        if body["model"] == "short" and int(mark[:2], 16) < 128:
            text, finish = text[: len(text) * 2 // 3], "length"
        choice: dict[str, Any] = {"index": 0, "finish_reason": finish}
        choice |= {"text": text} if "prompt" in body else {"message": {"role": "assistant", "content": text}}
        words = len(json.dumps(body.get("messages", body.get("prompt"))).split())
        usage = {"prompt_tokens": words, "completion_tokens": len(text.split())}
        usage["total_tokens"] = sum(usage.values())
        created = 1_700_000_000 + int(mark[:5], 16)
        if body["model"] == "odd-fields":  # a time in milliseconds, a count that is none, deep nesting
            odd: Any = []
            for _ in range(200):
                odd = [odd]
            usage, created = [{}, {"prompt_tokens": "n/a"}, {"prompt_tokens": 10**30}][created % 3], created * 1000
            return {"created": created, "model": body["model"], "choices": [choice], "usage": usage, "odd": odd}
        return {"id": f"x-{mark[:8]}", "created": created, "model": body["model"], "choices": [choice], "usage": usage}

    def _fault(self, model: str, mark: str, attempt: int) -> tuple[int, str, str | None] | None:
        """Status, extra header, body: what goes wrong with this request, by the model that was asked for."""

        def error(status: int, message: str, code: str = "", header: str = "") -> tuple[int, str, str]:
            return status, header, json.dumps({"error": {"message": message, "code": code, "type": code}})

        if model == "bad-key":
            return error(401, "Incorrect API key provided")
        if model == "no-credit":
            return error(429, "You exceeded your current quota", "insufficient_quota")
        if model == "unknown":
            return error(404, "The model does not exist", "model_not_found")
        if model == "down":
            return error(503, "overloaded")
        if model == "refuses-all" or (model == "refuses-some" and int(mark[:2], 16) < 64):
            return error(400, "This request is against the policy", "content_policy_violation")
        if self.outage[0] < sum(self.attempts.values()) <= self.outage[1]:
            return error(503, "gone")
        if model == "limited" and attempt == 1:
            return error(429, "slow down", "rate_limit_exceeded", "retry-after: 1200\r\n")
        if model == "empty":
            return 200, "", json.dumps({"created": 1, "model": model, "choices": []})
        if model == "rambling":
            return 200, "", json.dumps({"created": 1, "model": model, "choices": [{"message": {"content": "Sure!"}}]})
        if model == "faulty" and attempt == 1:
            return [
                error(429, "slow down", "rate_limit_exceeded", "retry-after: 0.05\r\n"),
                error(500, "oops"),
                (-1, "", None),
                (-2, "", '{"choices": [{"mess'),
                (200, "", "<html>gateway</html>"),
                (200, "", json.dumps({"choices": []})),
                None,
                None,
            ][int(mark[0], 16) % 8]
        return None


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--log", required=True)
    parser.add_argument("--latency", type=float, default=0.0)
    parser.add_argument("--outage", type=int, nargs=2, default=[0, 0], help="answer 503 after A requests, until B have come")
    options = parser.parse_args()
    handler = Server(options.log, options.latency, options.outage).connection
    server = await asyncio.start_server(handler, "127.0.0.1", 0, limit=1 << 24)
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)  # ends with the test that started it


if __name__ == "__main__":
    asyncio.run(main())
