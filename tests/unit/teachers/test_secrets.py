"""The API key goes to its endpoint and nowhere else: no file and no message of a run has it."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import cli, command, outcomes
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.errors import RecipeError, TeacherStop
from selfinstruct.records import Request
from selfinstruct.teachers import openai

MARKER = "sk-marker-3f9a1c77-do-not-print"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "batch"),
    [(model, "--no-batch") for model in ("m", "faulty", "bad-key", "unknown", "refuses-all", "empty", "no-credit", "down")]
    + [(model, "--batch") for model in ("m", "bad-key", "refuses-some")],
)
def test_no_key_in_any_file_or_message(model: str, batch: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    flags = ("--base-url", teacher.url, "--model", model, "--num", 20, "--patience", 1, batch)
    done = cli("generate", tmp_path / "run", *flags, OPENAI_API_KEY=MARKER, OPENAI_LOG="debug", PYTHONASYNCIODEBUG="1")
    assert MARKER not in done.stdout + done.stderr
    assert {line["key"] for line in teacher.requests()} == ({MARKER[-4:]} if teacher.requests() else set())
    for path in tmp_path.rglob("*"):
        assert MARKER not in path.name
        if path.is_file():
            assert MARKER.encode() not in path.read_bytes(), path
    for command_ in ("status", "fsck", "show"):
        said = cli(command_, tmp_path / "run", OPENAI_API_KEY=MARKER)
        assert MARKER not in said.stdout + said.stderr


@pytest.mark.slow
def test_no_key_in_the_process_title(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    slow = start_teacher(latency=4.0)
    words = command("generate", tmp_path / "run", "--base-url", slow.url, "--model", "m", "--num", 20)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env={**os.environ, "OPENAI_API_KEY": MARKER})
    while not slow.requests():
        assert process.poll() is None
        time.sleep(0.01)
    title = subprocess.run(["ps", "-o", "args=", "-p", str(process.pid)], capture_output=True, text=True, check=False).stdout
    process.kill()
    process.wait()
    assert "selfinstruct" in title
    assert MARKER not in title


@pytest.mark.slow
def test_a_crash_inside_shows_no_key(tmp_path: Path, teacher: FakeOpenAI) -> None:
    code = (
        "import selfinstruct as si\n"
        "def broken(example, context): raise RuntimeError('a bug in a filter')\n"
        f"si.Run({str(tmp_path / 'run')!r}, base_url={teacher.url!r}, model='m', num=5, filters=[broken]).generate()\n"
    )
    import sys

    environment = {**os.environ, "OPENAI_API_KEY": MARKER}
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, env=environment, check=False)
    assert "RuntimeError: a bug in a filter" in done.stderr
    assert MARKER not in done.stderr


def test_certificates_are_checked() -> None:
    async def context() -> ssl.SSLContext:
        teacher = openai.OpenAI("https://localhost:1/v1", "m", MARKER, 1.0)
        secure = teacher._opened().connector._ssl  # type: ignore[union-attr]
        await teacher.close()
        assert isinstance(secure, ssl.SSLContext)
        return secure

    found = asyncio.run(context())
    assert found.verify_mode == ssl.CERT_REQUIRED
    assert found.check_hostname


def test_a_redirect_is_not_followed(teacher: FakeOpenAI) -> None:
    class Redirect(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(307)
            self.send_header("location", f"{teacher.url}/chat/completions")
            self.send_header("content-length", "0")
            self.end_headers()

    async def ask(url: str) -> None:
        asked = openai.OpenAI(url, "m", MARKER, 5.0)
        try:
            await asked.reply("0", Request({}, messages=({"role": "user", "content": "x"},)))
        finally:
            await asked.close()

    with HTTPServer(("127.0.0.1", 0), Redirect) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            with pytest.raises(TeacherStop, match="redirects to another address"):
                asyncio.run(ask(f"http://127.0.0.1:{server.server_port}/v1"))
        finally:
            server.shutdown()
            serving.join()
    assert teacher.requests() == []


UNREACHABLE: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


def test_one_key_is_not_sent_to_two_hosts(teacher: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    addresses = (teacher.url, "https://one.invalid/v1", "https://two.invalid/v1")
    teachers = {f"t{number}": {"base_url": address, "model": "m"} for number, address in enumerate(addresses)}
    with pytest.raises(RecipeError, match="key_variable"):
        si.Run(tmp_path / "run", method="few_shot", teachers=teachers, patience=1).generate()
    assert not teacher.requests() and not (tmp_path / "run").exists()


def test_a_local_server_and_a_provider_can_be_used_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use the teachers of an example in the README. Nothing is sent, because the limit allows no call."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    teachers = {"strong": {"base_url": "https://one.invalid/v1", "model": "m"}, "cheap": {**UNREACHABLE}}
    dear: dict[str, Any] = {"price": {"input": 1.0, "output": 1.0}}
    run = si.Run(tmp_path / "run", method="few_shot", teachers=teachers, max_usd=1e-12, **dear)
    assert not run.generate().rows and not outcomes(run.path)


def test_each_teacher_gets_its_own_key(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = start_teacher(), start_teacher()
    for name, key in (("FIRST_KEY", "sk-1111"), ("SECOND_KEY", "sk-2222"), ("NEW_KEY", "sk-3333"), ("OPENAI_API_KEY", "sk-0000")):
        monkeypatch.setenv(name, key)
    teachers = {
        "a": {"base_url": first.url, "model": "m", "key_variable": "FIRST_KEY"},
        "b": {"base_url": second.url, "model": "m", "key_variable": "SECOND_KEY"},
    }
    si.Run(tmp_path / "run", method="few_shot", num=10, teachers=teachers).generate()
    assert {line["key"] for line in first.requests()} == {"1111"} and {line["key"] for line in second.requests()} == {"2222"}
    si.Run(tmp_path / "run", num=20, teachers={"a": {"key_variable": "NEW_KEY"}}).generate()
    assert {line["key"] for line in first.requests()} == {"1111", "3333"}
    monkeypatch.delenv("NEW_KEY")
    with pytest.raises(TeacherStop, match="export NEW_KEY="):
        si.Run(tmp_path / "run", num=100).generate()
