"""OpenAI's Batch API: files of requests, answered within a day."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from selfinstruct.errors import BatchGone, RequestRefused, TeacherError, TeacherStop, TransientError
from selfinstruct.journal.events import BatchState
from selfinstruct.records import Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")
_LABEL = "selfinstruct"  # the key in a batch's metadata that holds this package's name for the batch
_PAGE = 100
_FIELDS = dict.fromkeys(  # fields that a model may refuse; which of them a line has, the client knows
    ("temperature", "top_p", "max_tokens", "max_completion_tokens", "response_format", "seed", "stop", "reasoning_effort"), True
)


class OpenAIFormat(Protocol):
    """The part of the teacher `openai` that batches share: how requests are written, and replies and errors are read."""

    host: str

    def path(self, request: Request) -> str: ...
    def body(self, request: Request) -> dict[str, Any]: ...
    def read(self, text: str) -> Reply: ...
    def error(self, error: Exception) -> TeacherError: ...
    def error_of_status(self, status: int, body: Any, *, sent: Mapping[str, Any]) -> TeacherError: ...


class OpenAIBatches:
    """The batches of one endpoint. Each carries its name in its metadata, by which `find` finds it."""

    def __init__(self, endpoint: OpenAIFormat, client: AsyncOpenAI) -> None:
        self._endpoint = endpoint
        self._client = client

    def path(self, request: Request) -> str:
        """Return the path that all requests of one batch must share."""
        return f"/v1{self._endpoint.path(request)}"

    def line(self, key: str, request: Request) -> bytes:
        """Return a request as a line of a batch's file."""
        line = {"custom_id": key, "method": "POST", "url": self.path(request), "body": self._endpoint.body(request)}
        return json.dumps(line, ensure_ascii=True).encode() + b"\n"

    async def submit(self, name: str, path: str, lines: bytes) -> str:
        """Upload the lines, make a batch of them, and return its id."""
        client, file = self._client, (_file_name(name), lines, "application/jsonl")
        uploaded = getattr(await self._call(lambda: client.files.create(file=file, purpose="batch")), "id", None)
        if not isinstance(uploaded, str):
            raise TransientError(f"{self._endpoint.host} took a file and gave no id for it", cause="unreadable")
        body = {"input_file_id": uploaded, "endpoint": path, "completion_window": "24h", "metadata": {_LABEL: name}}
        made = await self._object(lambda: client.post("/batches", body=body, cast_to=dict[str, object]))
        if not isinstance(made.get("id"), str):
            raise TransientError(f"{self._endpoint.host} made a batch without an id", cause="unreadable")
        return str(made["id"])

    async def find(self, name: str) -> str | None:
        """Return the id of the batch with this name among the account's batches, or None."""
        after: str | None = None
        while True:
            page = await self._page({"limit": _PAGE} | ({"after": after} if after else {}))
            batches = _objects(page.get("data"))
            for batch in batches:
                if _object(batch.get("metadata")).get(_LABEL) == name and isinstance(batch.get("id"), str):
                    return str(batch["id"])
            if not page.get("has_more") or not batches:
                return None
            after = str(batches[-1].get("id"))

    async def discard(self, name: str) -> None:
        """Delete the uploaded lines of a batch that was not made, so that it cannot be made later either."""
        for uploaded in await self._uploaded(name):
            await self._call(lambda id=uploaded: self._client.files.delete(id))  # type: ignore[misc]

    async def look(self, id: str) -> BatchState:
        """Return the batch's state in the provider's own word."""
        return _state(await self._batch(id))

    async def results(self, id: str) -> AsyncIterator[tuple[str, Reply | TeacherError]]:
        """Yield the outcomes by key, from the file of replies and then from the file of errors."""
        batch = await self._batch(id)
        for file_id in (batch.get("output_file_id"), batch.get("error_file_id")):
            if not file_id:
                continue
            async for line in self._lines(str(file_id)):
                if outcome := self._outcome(line):
                    yield outcome

    async def cancel(self, id: str) -> None:
        """Ask for an early end. A batch that has ended already stays as it is."""
        try:
            await self._call(lambda: self._client.post(f"/batches/{id}/cancel", cast_to=dict[str, object]))
        except (TransientError, RequestRefused, TeacherStop):  # it may have ended, or be gone
            state = await self.look(id)
            if not state.ended and state.word != "cancelling":
                raise

    def _outcome(self, line: bytes) -> tuple[str, Reply | TeacherError] | None:
        """Return the key and the outcome in a line of a result file. None for a line without a key, which is useless."""
        try:
            fields = json.loads(line)
            key, response, error = str(fields["custom_id"]), fields.get("response"), fields.get("error")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        if not isinstance(response, dict):
            code = error.get("code") if isinstance(error, dict) else None
            return key, TransientError(f"{self._endpoint.host} did not answer ({code})", cause=str(code or "batch_error"))
        body = response.get("body")
        if response.get("status_code") == 200:
            try:
                return key, self._endpoint.read(json.dumps(body))
            except TeacherError as unreadable:
                return key, unreadable
        status = response.get("status_code")
        return key, self._endpoint.error_of_status(status if isinstance(status, int) else 500, body, sent=_FIELDS)

    async def _lines(self, file_id: str) -> AsyncIterator[bytes]:
        """Yield the lines of a file, which may be larger than the memory."""
        import httpx2
        from openai import NotFoundError, OpenAIError

        rest = b""
        try:
            async with self._client.files.with_streaming_response.content(file_id) as response:
                async for chunk in response.iter_bytes():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
        except NotFoundError:
            raise self._gone(f"file {file_id}") from None
        except OpenAIError as error:
            raise self._endpoint.error(error) from None
        except (OSError, httpx2.HTTPError) as error:  # the connection broke in the middle of the file
            raise TransientError(f"no connection to {self._endpoint.host} ({error})", cause="connection") from None
        if rest:
            yield rest

    async def _page(self, query: dict[str, object]) -> dict[str, Any]:
        return await self._object(lambda: self._client.get("/batches", cast_to=dict[str, object], options={"params": query}))

    async def _batch(self, id: str) -> dict[str, Any]:
        return await self._object(lambda: self._client.get(f"/batches/{id}", cast_to=dict[str, object]), gone=f"batch {id}")

    def _gone(self, thing: str) -> BatchGone:
        return BatchGone(
            f"{self._endpoint.host} has no {thing}. Fix: set the API key of the account that it belongs to, or give it up with "
            "`selfinstruct cancel`."
        )

    async def _uploaded(self, name: str) -> list[str]:
        """Return the ids of the files that were uploaded for a batch."""

        async def listed() -> list[str]:
            files = self._client.files.list(purpose="batch", limit=10_000, order="desc")
            return [file.id async for file in files if file.filename == _file_name(name)]

        return await self._call(listed)

    async def _object(self, call: Callable[[], Awaitable[Any]], gone: str = "") -> dict[str, Any]:
        """Return the JSON object that a call answers with. Raises TransientError for anything else."""
        answer = await self._call(call, gone)
        if not isinstance(answer, dict):
            raise TransientError(f"{self._endpoint.host} did not send a batch (got {type(answer).__name__})", cause="unreadable")
        return answer

    async def _call(self, call: Callable[[], Awaitable[T]], gone: str = "") -> T:
        """Return what a call answers with. Raises TeacherError.

        `gone` names the thing that is missing when the answer is "not found".
        """
        from openai import NotFoundError, OpenAIError

        try:
            return await call()
        except OpenAIError as error:
            if gone and isinstance(error, NotFoundError):
                raise self._gone(gone) from None
            raise self._endpoint.error(error) from None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            message = f"{self._endpoint.host} did not send a batch or a file ({error})"
            raise TransientError(message, cause="unreadable") from None


def _file_name(name: str) -> str:
    return f"{_LABEL}-{name}.jsonl"


def _state(batch: dict[str, Any]) -> BatchState:
    """Return a batch's state. Its counts and errors are only shown, so odd ones are ignored."""
    counts, errors = _object(batch.get("request_counts")), _objects(_object(batch.get("errors")).get("data"))
    detail = "; ".join(f"{error.get('code')}: {error.get('message')}" for error in errors[:3])[:300]
    total, done, failed = (
        count if isinstance(count := counts.get(name), int) else 0 for name in ("total", "completed", "failed")
    )
    return BatchState(str(batch.get("status") or "unknown")[:50], total, done, failed, detail)


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _objects(value: Any) -> list[dict[str, Any]]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []
