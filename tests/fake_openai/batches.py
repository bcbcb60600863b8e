"""Files and batches of the stand-in server, as in OpenAI's Batch API, in memory.

The lines of a batch are done in two halves, so that a batch which expires or is cancelled has half of its lines done.
The model's name chooses the trouble:

    batch-partial   some lines fail, are missing or come twice (see faults.py)
    batch-expires   the first batch of this model expires
    batch-fails     the first batch of this model fails
    batch-slow      a batch takes a hundred times as long
    unknown         a batch fails

The models that answer every request with an error (see faults.py) do so here too.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fake_openai.faults import STANDING, Outcome, error

_DAY = 86_400
_SLOWER = 100  # batch-slow takes this many times as long
_AT_ONCE = 10  # lines that are done before other connections are served
_OVER = {"completed", "failed", "expired", "cancelled"}
_TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
_UNFINISHED = {
    "expired": {"code": "batch_expired", "message": "This request could not be executed before the completion window expired."},
    "cancelled": {"code": "batch_cancelled", "message": "This request was not executed because the batch was cancelled."},
}
_BY_CREATE = ("bad-key", "no-credit", "down")  # models for which creating a batch fails


class Request(NamedTuple):
    """One HTTP request."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    content: bytes


@dataclass
class Batch:
    """A batch: the object that clients see, its lines, and its results so far."""

    shown: dict[str, Any]
    lines: list[dict[str, Any]]
    headers: dict[str, str]  # of the request that created it
    problems: list[dict[str, Any]]
    model: str
    nth: int  # its number among the batches of this model, from 1
    output: list[dict[str, Any]] = field(default_factory=list)
    errors: list[dict[str, Any]] = field(default_factory=list)
    done: int = 0
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def turn(self, status: str) -> None:
        """Set the status and the time at which it was reached."""
        self.shown["status"] = status
        self.shown[f"{status}_at"] = int(time.time())


Work = Callable[[dict[str, Any], dict[str, str], str], tuple[Outcome, dict[str, Any]]]


class Batches:
    """Server side of /v1/files and /v1/batches.

    `work` does one line, given its body, the headers of the request that created the batch, and its custom_id. `seconds` is
    the time from the creation of a batch to its end.
    """

    def __init__(self, work: Work, seconds: float) -> None:
        self.work, self.seconds = work, seconds
        self.files: dict[str, tuple[dict[str, Any], bytes]] = {}
        self.batches: dict[str, Batch] = {}
        self.of_model: Counter[str] = Counter()
        self.made = 0
        self.tasks: set[asyncio.Task[None]] = set()

    def call(self, request: Request) -> Outcome:  # noqa: PLR0911 (one line for each call of the API)
        """Do what a request asks for, and return the answer."""
        if request.headers.get("authorization", "").endswith("bad-key"):
            return STANDING["bad-key"]
        match request.method, *request.path.split("/")[2:]:
            case "POST", "files":
                return self._upload(request)
            case "GET", "files":
                purpose = request.query.get("purpose")
                return page(
                    [file for file, _ in self.files.values() if purpose in (None, file["purpose"])], request.query, 10_000
                )
            case method, "files", name, *rest if name in self.files:
                return self._file(method, name, rest)
            case "POST", "batches":
                return self._create(request)
            case "GET", "batches":
                return page([batch.shown for batch in self.batches.values()], request.query, 20)
            case "GET", "batches", name if name in self.batches:
                return found(self.batches[name].shown)
            case "POST", "batches", name, "cancel" if name in self.batches:
                return self._cancel(self.batches[name])
        return error(404, f"No such object: {request.path}", "not_found")

    def _upload(self, request: Request) -> Outcome:
        fields, filename = form(request)
        if "file" not in fields or "purpose" not in fields:
            return error(400, "a file and its purpose are required", "missing_required_parameter")
        if fields["purpose"] == b"batch" and read_lines(fields["file"])[2] == "bad-key":
            return STANDING["bad-key"]
        return found(self._store(fields["file"], fields["purpose"].decode(), filename))

    def _store(self, content: bytes, purpose: str, filename: str) -> dict[str, Any]:
        file: dict[str, Any] = {
            "id": f"file-{self._number()}",
            "object": "file",
            "bytes": len(content),
            "created_at": int(time.time()),
        }
        file |= {"filename": filename, "purpose": purpose, "status": "processed"}
        self.files[file["id"]] = file, content
        return file

    def _file(self, method: str, name: str, rest: list[str]) -> Outcome:
        if method == "GET" and rest == ["content"]:
            return Outcome(payload=self.files[name][1].decode(), kind="application/octet-stream")
        if method == "DELETE" and not rest:
            del self.files[name]
            return found({"id": name, "object": "file", "deleted": True})
        if method == "GET" and not rest:
            return found(self.files[name][0])
        return error(404, "No such call", "not_found")

    def _create(self, request: Request) -> Outcome:
        asked = json.loads(request.content)
        if asked.get("completion_window") != "24h" or asked.get("endpoint") not in ("/v1/chat/completions", "/v1/completions"):
            return error(400, "Invalid completion_window or endpoint", "invalid_value")
        if asked.get("input_file_id") not in self.files:
            return error(400, f"No such file: {asked.get('input_file_id')}", "invalid_file")
        lines, problems, model = read_lines(self.files[asked["input_file_id"]][1])
        if model in _BY_CREATE:
            return STANDING[model]
        self.of_model[model] += 1
        now = int(time.time())
        shown = {"id": f"batch_{self._number()}", "object": "batch", "endpoint": asked["endpoint"], "model": model}
        shown |= {"errors": None, "input_file_id": asked["input_file_id"], "completion_window": "24h", "status": "validating"}
        shown |= {"output_file_id": None, "error_file_id": None, "created_at": now, "expires_at": now + _DAY}
        shown |= {f"{status}_at": None for status in _TIMES}
        shown |= {"request_counts": {"total": 0, "completed": 0, "failed": 0}, "metadata": asked.get("metadata")}
        batch = Batch(shown, lines, request.headers, problems, model, self.of_model[model])
        self.batches[shown["id"]] = batch
        task = asyncio.get_running_loop().create_task(self._live(batch))
        self.tasks.add(task)  # an event loop alone does not keep its tasks from being garbage-collected
        task.add_done_callback(self.tasks.discard)
        return found(shown)

    def _cancel(self, batch: Batch) -> Outcome:
        status = batch.shown["status"]
        if status in _OVER:
            return error(409, f"Cannot cancel a batch with status '{status}'.", "conflict")
        if status != "cancelling":
            batch.turn("cancelling")
            batch.cancelled.set()
        return found(batch.shown)

    def _number(self) -> str:
        self.made += 1
        return f"{self.made:08d}"

    async def _live(self, batch: Batch) -> None:
        """Take a batch from its creation to its end."""
        whole = self.seconds * (_SLOWER if batch.model == "batch-slow" else 1)
        half = (len(batch.lines) + 1) // 2
        start = time.monotonic()

        async def until(share: float) -> bool:
            return await happens(batch.cancelled, start + whole * share - time.monotonic())

        if not await happens(batch.cancelled, self.seconds * 0.2):
            if problems := problems_of(batch):
                batch.shown["errors"] = {"object": "list", "data": problems}
                return batch.turn("failed")
            batch.turn("in_progress")
            batch.shown["request_counts"]["total"] = len(batch.lines)
            await self._do(batch, half)
            cancelled = await until(0.6)
            if batch.model == "batch-expires" and batch.nth == 1 and not cancelled:
                return self._end(batch, "expired")
            if not cancelled:
                await self._do(batch, len(batch.lines))
            if not await until(0.9):
                batch.turn("finalizing")
                if not await until(1):
                    return self._end(batch, "completed")
        await asyncio.sleep(self.seconds / 2)
        return self._end(batch, "cancelled")

    async def _do(self, batch: Batch, end: int) -> None:
        """Work on the lines that are not done yet, up to the line `end`."""
        counts = batch.shown["request_counts"]
        for number in range(batch.done, end):
            if number % _AT_ONCE == 0:
                await asyncio.sleep(0)
            line = batch.lines[number]
            outcome, body = self.work(line["body"], batch.headers, line["custom_id"])
            result = answered(f"{batch.shown['id']}_{number}", line["custom_id"], outcome, body)
            if outcome.status == 200:
                batch.output += [result] * {"missing": 0, "twice": 2}.get(outcome.fault, 1)
            else:
                batch.errors.append(result)
            counts["completed" if outcome.status == 200 else "failed"] += 1
            batch.done = number + 1

    def _end(self, batch: Batch, status: str) -> None:
        """Write the output and error files of a batch, with their lines shuffled as a provider may do."""
        name = batch.shown["id"]
        for number in range(batch.done, len(batch.lines)):
            line = {"id": f"req_{name}_{number}", "custom_id": batch.lines[number]["custom_id"]}
            batch.errors.append({**line, "response": None, "error": _UNFINISHED[status]})
        for kind, results in (("output", batch.output), ("error", batch.errors)):
            if results:
                random.Random(name).shuffle(results)
                content = "".join(json.dumps(result) + "\n" for result in results).encode()
                batch.shown[f"{kind}_file_id"] = self._store(content, "batch_output", f"{name}_{kind}.jsonl")["id"]
        batch.turn(status)


async def happens(event: asyncio.Event, seconds: float) -> bool:
    """Wait at most this many seconds for an event, and say if it has happened."""
    if seconds > 0 and not event.is_set():
        await asyncio.wait([waiting := asyncio.ensure_future(event.wait())], timeout=seconds)
        waiting.cancel()
    return event.is_set()


def problems_of(batch: Batch) -> list[dict[str, Any]]:
    """Return the reasons for which a batch fails before any of its lines is done."""

    def problem(code: str, message: str) -> list[dict[str, Any]]:
        return [{"code": code, "message": message, "line": None, "param": None}]

    if batch.model == "unknown":
        return problem("model_not_found", "The provided model 'unknown' is not supported by the Batch API.")
    if batch.model == "batch-fails" and batch.nth == 1:
        return problem("token_limit_exceeded", "Enqueued token limit reached for batch-fails. Limit: 1 enqueued tokens.")
    return batch.problems


def answered(name: str, custom_id: str, outcome: Outcome, body: dict[str, Any]) -> dict[str, Any]:
    """Return a line of an output or error file."""
    response = {"status_code": outcome.status, "request_id": f"asked_{name}", "body": body}
    return {"id": f"req_{name}", "custom_id": custom_id, "response": response, "error": None}


def read_lines(content: bytes) -> tuple[list[dict[str, Any]], list[dict[str, Any]], str]:
    """Return the lines of a batch's input file, its problems, and the model of its first line."""
    lines: list[dict[str, Any]] = []
    problems: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, text in enumerate(content.splitlines(), 1):
        code = "invalid_json_line"
        try:
            line = json.loads(text)
            code = "duplicate_custom_id" if line["custom_id"] in seen else ""
            seen.add(line["custom_id"])
            lines.append({"custom_id": line["custom_id"], "body": line["body"], "model": line["body"]["model"]})
        except (ValueError, KeyError, TypeError):
            pass
        if code:
            problems.append({"code": code, "message": f"Line {number} is wrong", "line": number, "param": None})
    if not lines and not problems:
        problems.append({"code": "empty_file", "message": "The input file is empty.", "line": None, "param": None})
    return lines, problems, lines[0]["model"] if lines else ""


def found(shown: dict[str, Any]) -> Outcome:
    """Return the answer that shows an object."""
    return Outcome(payload=json.dumps(shown))


def page(objects: list[dict[str, Any]], query: dict[str, str], limit: int) -> Outcome:
    """Return one page of a list, newest first unless the query says `order=asc`."""
    objects = objects if query.get("order") == "asc" else objects[::-1]
    names = [shown["id"] for shown in objects]
    if "after" in query and query["after"] not in names:
        return error(400, f"No such object: {query['after']}", "invalid_value")
    start = names.index(query["after"]) + 1 if "after" in query else 0
    end = start + int(query.get("limit", limit))
    ends = {"first_id": names[start:][0], "last_id": names[start:end][-1]} if names[start:end] else {}
    return found({"object": "list", "data": objects[start:end], "has_more": end < len(objects), **ends})


def form(request: Request) -> tuple[dict[str, bytes], str]:
    """Return the fields of a multipart form, and the name of its file."""
    fields, filename = {}, "file"
    boundary = request.headers["content-type"].partition("boundary=")[2].strip('"')
    for part in request.content.split(f"--{boundary}".encode())[1:-1]:
        head, _, value = part.partition(b"\r\n\r\n")
        if name := re.search(rb'[; ]name="([^"]*)"', head):
            fields[name[1].decode()] = value[:-2]  # the two bytes before the next boundary end the line
        if name := re.search(rb'filename="([^"]*)"', head):
            filename = name[1].decode()
    return fields, filename


def parse(first: str, headers: dict[str, str], content: bytes) -> Request:
    """Return a request, given its first line, its headers and its content."""
    method, address, _ = first.split(" ")
    path, _, query = address.partition("?")
    return Request(method, path, dict(parse_qsl(query)), headers, content)
