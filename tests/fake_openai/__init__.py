"""Stand-in server with OpenAI's API: `with running_fake_openai(faults="429=0.05") as server: ...`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


@dataclass
class FakeOpenAI:
    """Running server with its address and the log of its requests."""

    url: str
    log: Path
    process: subprocess.Popen[str] = field(repr=False)

    def log_lines(self) -> list[dict[str, Any]]:
        """Return all lines that the server has logged so far."""
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def requests(self) -> list[dict[str, Any]]:
        """Return the logged completion requests, live or by batch, without calls to files and batches."""
        return [line for line in self.log_lines() if "mark" in line]

    def stalls(self) -> int:
        """Count the stalls of `--stall` that have begun."""
        return len({line["stalled"] for line in self.log_lines() if "stalled" in line})

    def end_stall(self) -> None:
        """Let the server answer the requests that the present stall holds."""
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def asked(self) -> Counter[str]:
        """Count how often each different request body arrived, by its mark."""
        return Counter(line["mark"] for line in self.requests())

    def spent(self) -> tuple[int, int, int]:
        """Return what the provider charges for: requests, prompt tokens and completion tokens."""
        charged = [line["usage"] for line in self.requests() if line["usage"]]
        return len(charged), sum(prompt for prompt, _ in charged), sum(completion for _, completion in charged)


@contextmanager
def running_fake_openai(log: Path | None = None, **options: Any) -> Iterator[FakeOpenAI]:
    """Run a server in a separate process until the context ends.

    The options are those of server.py. `limit_requests=600` means `--limit-requests 600`, and `hold=(3, "after")` means
    `--hold 3 after`.
    """
    with tempfile.TemporaryDirectory() as directory:
        log = log or Path(directory) / "log.jsonl"
        log.touch()
        command = [sys.executable, "-m", "fake_openai.server", "--log", str(log)]
        for name, value in options.items():
            values = value if isinstance(value, (tuple, list)) else (value,)
            command += [f"--{name.replace('_', '-')}", *map(str, values)]
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent)}
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert process.stdout is not None
        try:
            yield FakeOpenAI(f"http://127.0.0.1:{int(process.stdout.readline())}/v1", log, process)
        finally:
            process.communicate("")
