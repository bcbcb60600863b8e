"""Addresses with a query, keys in other headers, and headers from the environment, over real HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from selfinstruct.errors import RecipeError, TeacherStop, TransientError
from selfinstruct.records import Reply, Request
from selfinstruct.teachers.openai import OpenAI

SECRET = "gateway-secret-77"
TEXT = "Explain why the sky is blue at noon."


async def _serving(answer: bytes, ask: Any) -> tuple[Any, list[bytes]]:
    """Answer every request with the same bytes while `ask(port)` runs. Return its result and the heads of the requests."""
    heads: list[bytes] = []

    async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heads.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(connection, "127.0.0.1", 0)
    async with server:
        return await ask(server.sockets[0].getsockname()[1]), heads


def http(body: str, headers: str = "") -> bytes:
    data = body.encode()
    return f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n{headers}content-length: {len(data)}\r\n\r\n".encode() + data


def exchanged(answer: bytes, url: str = "http://127.0.0.1:{port}/v1", **more: Any) -> tuple[Reply, list[bytes]]:
    async def ask(port: int) -> Reply:
        teacher = OpenAI(url.replace("{port}", str(port)), "m", "sk-key-12345", 5.0, **more)
        try:
            return await teacher.reply("0", Request({}, messages=({"role": "user", "content": "x"},)))
        finally:
            await teacher.close()

    found: tuple[Reply, list[bytes]] = asyncio.run(_serving(answer, ask))
    return found


BODY = json.dumps({"choices": [{"message": {"content": TEXT}, "finish_reason": "stop"}]})


def test_the_query_is_kept_and_the_key_is_in_its_header() -> None:
    address = "http://127.0.0.1:{port}/openai/deployments/d?api-version=2024-10-21"
    reply, (head,) = exchanged(http(BODY), address, key_header="api-key", headers={"X-Title": "text"})
    assert reply.text == TEXT
    assert head.startswith(b"POST /openai/deployments/d/chat/completions?api-version=2024-10-21 ")
    assert b"api-key: sk-key-12345\r\n" in head and b"X-Title: text\r\n" in head and b"Authorization" not in head


def test_a_header_of_twelve_kilobytes_and_an_event_after_the_json_are_read() -> None:
    reply, _ = exchanged(http(f": PROCESSING\n\n{BODY}\ndata: [DONE]\n\n", f"x-long: {'a' * 12_000}\r\n"))
    assert reply.text == TEXT


def test_an_unknown_compression_says_what_to_install() -> None:
    with pytest.raises(TeacherStop, match=r"compresses its answers.*Fix: run `pip install Brotli`"):
        exchanged(http(BODY, "content-encoding: br\r\n"))


def test_a_call_that_takes_too_long_names_the_timeout() -> None:
    async def ask(port: int) -> None:
        teacher = OpenAI(f"http://127.0.0.1:{port}/v1", "m", "k", 0.05)
        try:
            await teacher.reply("0", Request({}, prompt="x"))
        finally:
            await teacher.close()

    async def silent() -> None:
        async def connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read()
            writer.close()

        server = await asyncio.start_server(connection, "127.0.0.1", 0)
        async with server:
            await ask(server.sockets[0].getsockname()[1])

    with pytest.raises(TransientError, match=r"no answer within 0.05 s. Fix: set timeout") as caught:
        asyncio.run(silent())
    assert caught.value.cause == "timeout" and caught.value.charged


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "SSL_CERT_FILE: the certificates are missing"),
        ("ALL_PROXY", "socks5://proxy.example:1080", "ALL_PROXY: a proxy with socks5:// cannot be used"),
        ("HTTPS_PROXY", "https://proxy.example", "HTTPS_PROXY: a proxy with https:// cannot be used"),
    ],
)
def test_certificates_and_proxies_that_cannot_work_are_named_at_once(
    variable: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    monkeypatch.setenv(variable, value)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-key-12345")
    with pytest.raises(TeacherStop, match=says):
        si.Run(tmp_path / "run", base_url="https://host.example/v1", model="m", num=1).generate()


@pytest.mark.slow
def test_a_header_from_the_environment_is_in_no_file(teacher: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    headers = {"X-Title": "Kenya", "x-gateway": "env:GATEWAY_KEY"}
    given = {"base_url": teacher.url, "model": "m", "num": 3, "headers": headers, "key_header": "api-key"}
    with pytest.raises(TeacherStop, match=r"the header 'x-gateway': GATEWAY_KEY is not set. Fix: run `export GATEWAY_KEY=VALUE`"):
        si.Run(tmp_path / "run", **given).generate()
    monkeypatch.setenv("GATEWAY_KEY", SECRET)
    made = si.Run(tmp_path / "run", **given)
    assert len(made.generate().rows) == 3
    assert json.loads((made.path / "run.json").read_text())["generate"]["headers"] == headers
    assert not any(SECRET in file.read_text() for file in made.path.iterdir())


@pytest.mark.parametrize("name", ["Authorization", "x-api-key", "Cookie"])
def test_a_secret_is_not_taken_as_the_value_of_a_header(name: str, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match='Fix: write "env:VARIABLE" instead'):
        si.Run(tmp_path / "run", headers={name: "abc"}, num=1)
