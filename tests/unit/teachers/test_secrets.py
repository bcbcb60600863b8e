"""The key goes to the endpoint and nowhere else: a marker is looked for in everything that a run leaves or says."""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cli, command
from fake_openai import Teacher

from selfinstruct.teachers import openai

MARKER = "sk-marker-3f9a1c77-do-not-print"


@pytest.mark.parametrize(
    ("model", "way"),
    [(model, "--no-batch") for model in ("m", "faulty", "bad-key", "unknown", "refuses-all", "empty", "no-credit", "down")]
    + [(model, "--batch") for model in ("m", "bad-key", "refuses-some")],
)
def test_no_key_in_any_file_or_message(model: str, way: str, teacher: Teacher, tmp_path: Path) -> None:
    flags = ("--base-url", teacher.url, "--model", model, "--num", 20, "--patience", 1, way)
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


def test_no_key_in_the_process_title(start_teacher: Callable[..., Teacher], tmp_path: Path) -> None:
    slow = start_teacher(latency=4.0)
    words = command("generate", tmp_path / "run", "--base-url", slow.url, "--model", "m", "--num", 20)
    process = subprocess.Popen(words, stderr=subprocess.DEVNULL, env={**os.environ, "OPENAI_API_KEY": MARKER})
    while not slow.requests():
        assert process.poll() is None
        time.sleep(0.01)
    title = subprocess.run(["ps", "-o", "args=", "-p", str(process.pid)], capture_output=True, text=True).stdout
    process.kill()
    process.wait()
    assert "selfinstruct" in title
    assert MARKER not in title


def test_a_crash_inside_shows_no_key(tmp_path: Path, teacher: Teacher) -> None:
    code = (
        "import selfinstruct as si\n"
        "def broken(example, around): raise RuntimeError('a bug in a filter')\n"
        f"si.Run({str(tmp_path / 'run')!r}, base_url={teacher.url!r}, model='m', num=5, filters=[broken]).generate()\n"
    )
    import sys

    environment = {**os.environ, "OPENAI_API_KEY": MARKER}
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, env=environment)
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
