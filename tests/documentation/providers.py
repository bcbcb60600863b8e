"""Addresses of providers that lead to the stand-in server: a proxy with certificates of its own.

A process with `HTTPS_PROXY` and `SSL_CERT_FILE` set to what `stand_in_for_providers` yields can use a provider's real address.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import trustme


@contextmanager
def stand_in_for_providers(hosts: set[str], address: str, folder: Path) -> Iterator[dict[str, str]]:
    """Run the proxy until the context ends. Yield the variables for the process that uses it.

    A connection to one of `hosts` goes to the server at `address`. Other hosts are refused. The certificate lies in `folder`.
    """
    authority = trustme.CA()
    certificate = folder / "authority.pem"
    authority.cert_pem.write_to_path(str(certificate))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    if hosts:
        authority.issue_cert(*sorted(hosts)).configure_cert(context)
    server = urlsplit(address)
    loop = asyncio.new_event_loop()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            asked = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            method, place, _ = asked.split(maxsplit=2)
            if method != "CONNECT" or place.rpartition(":")[0] not in hosts:
                writer.write(f"HTTP/1.1 403 Not in the pages\r\nContent-Length: 0\r\nX-Asked: {place}\r\n\r\n".encode("latin-1"))
                writer.close()
                return
            writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            await writer.start_tls(context)
            inner_reader, inner_writer = await asyncio.open_connection(server.hostname, server.port)
            await asyncio.gather(copy(reader, inner_writer), copy(inner_reader, writer))

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    listening = loop.run_until_complete(asyncio.start_server(connect, "127.0.0.1"))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    proxy = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    try:
        yield {"HTTPS_PROXY": proxy, "https_proxy": proxy, "SSL_CERT_FILE": str(certificate), "NO_PROXY": "", "no_proxy": ""}
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        listening.close()
        loop.close()
