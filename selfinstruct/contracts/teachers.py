"""The contract of a teacher: a model that answers requests, live or by batch."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from selfinstruct.errors import TeacherError
from selfinstruct.journal.events import BatchState
from selfinstruct.records import Reply, Request


class Teacher(Protocol):
    """A model that answers requests. One call is one attempt. Retries, saving and counting happen around it.

    A teacher whose provider takes batches also has an attribute `batches` (see `BatchEndpoint`).
    """

    name: str
    model: str
    host: str

    async def reply(self, key: str, request: Request) -> Reply:
        """Return the answer.

        Raises:
            TransientError: The same request may succeed later.
            RequestRefused: This request will never be answered, though others may be.
            TeacherStop: No request will be answered until the user acts.
        """

    async def close(self) -> None:
        """Release connections, threads and models."""


class BatchEndpoint(Protocol):
    """A provider's batch service: files of requests that are answered together, later and at a lower price.

    Every method raises TransientError when it is unknown whether the call took effect. It raises RequestRefused or TeacherStop
    when the call took no effect.
    """

    def path(self, request: Request) -> str:
        """Return the URL path of a request. Only requests of one path can share a batch."""

    def line(self, key: str, request: Request) -> bytes:
        """Return a request as one line of a batch file."""

    async def submit(self, name: str, path: str, lines: bytes) -> str:
        """Submit a batch under the unique `name` that this package gave it. Return the provider's id of it."""

    async def find(self, name: str) -> str | None:
        """Return the id of the batch that was submitted under this name, or None."""

    async def discard(self, name: str) -> None:
        """Delete the uploaded file of a batch that was never submitted."""

    async def look(self, id: str) -> BatchState:
        """Return the state of a batch."""

    def results(self, id: str) -> AsyncIterator[tuple[str, Reply | TeacherError]]:
        """Yield the outcomes of an ended batch with their request keys, in any order. A key may be missing or come twice."""

    async def cancel(self, id: str) -> None:
        """Ask the provider to end a batch early. Requests that are done by then are kept and charged."""
