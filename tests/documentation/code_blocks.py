"""Code blocks of Markdown pages, and a program that runs them: `python code_blocks.py PAGE.md ADDRESS`.

All blocks of a page run in order, in the current folder. A comment before a block says what the block alone cannot say:

    <!-- setup: ... -->       shell commands that run here, and that a reader does not see
    <!-- exit: 3 -->          the next block ends with this exit status
    <!-- output -->           the next block is output of the block before it, `…` stands for any text
    <!-- run by: PATH -->     the test in this file runs the next block (or several: PATH, PATH)

A block with `title="NAME"` is written to this file. Otherwise `sh` runs in bash, `python` in one namespace per page, `toml` is
checked as a recipe, `json` and `jsonl` are parsed, and `text` is output or a picture. Addresses of servers on this machine
become ADDRESS.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import json
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

ROOT = Path(__file__).parent.parent.parent
PAGES = (ROOT / "README.md", ROOT / ".github" / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
GENERATED = ("settings.md", "command-line.md", "command-line-look.md")
ADDRESS = re.compile(r"https?://[^\s\"'`,)\]}>#]+")
LOCAL = re.compile(r"http://(?:localhost|127\.0\.0\.1):\d+(?:/v1)?/?(?=[\s\"'`,)\]}]|$)")
HOSTS = frozenset(  # the providers that the pages name: requests to them go to the stand-in server, see providers.py
    {
        "api.openai.com",
        "api.anthropic.com",
        "api.deepseek.com",
        "api.mistral.ai",
        "generativelanguage.googleapis.com",
        "my-resource.openai.azure.com",
        "openrouter.ai",
    }
)
_PART = re.compile(
    r"^<!--\s*(?P<mark>setup|exit|output|run by)(?::\s*(?P<value>.*?))?\s*-->[ ]*$"
    r"|^```(?P<language>\w*)(?:[ ]+title=\"(?P<title>[^\"]+)\")?[ ]*\n(?P<text>.*?)^```[ ]*$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    """Code block of a page, or a hidden `setup`, with the marks before it."""

    line: int
    language: str
    text: str
    title: str = ""
    hidden: bool = False
    marks: dict[str, str] = field(default_factory=dict)


def blocks(page: str) -> Iterator[Block]:
    """Yield the blocks of a page in order."""
    marks: dict[str, str] = {}
    for found in _PART.finditer(page):
        line = page.count("\n", 0, found.start()) + 1
        if found["mark"] == "setup":
            yield Block(line, "sh", found["value"], hidden=True)
        elif found["mark"]:
            marks[found["mark"]] = found["value"] or ""
        else:
            yield Block(line, found["language"], found["text"], found["title"] or "", marks=marks)
            marks = {}


class Failed(Exception):
    """A block that does not do what its page says."""


class Runner:
    """Run the blocks of one page in the current folder, with `address` in place of servers on this machine."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.names: dict[str, Any] = {"__name__": "__main__"}
        self.printed = ""

    def run(self, block: Block) -> None:
        """Run one block. Raise Failed, or what its Python raises."""
        text = LOCAL.sub(self.address, block.text)
        others = [
            one for one in ADDRESS.findall(text) if urlsplit(one).hostname not in HOSTS and not one.startswith(self.address)
        ]
        if others and block.language in ("sh", "python", "toml"):
            raise Failed(f"{others[0]}: this host is not in HOSTS of tests/documentation/code_blocks.py")
        if named := block.marks.get("run by"):
            if not all((ROOT / path).is_file() for path in named.split(", ")):
                raise Failed(f"{named}: such a test does not exist")
        elif block.title:
            Path(block.title).parent.mkdir(parents=True, exist_ok=True)
            Path(block.title).write_text(text, encoding="utf-8")
        else:
            kind = getattr(self, f"_{block.language or 'unmarked'}", None)
            if kind is None:
                raise Failed(f"the language {block.language!r} is not run. Mark output and pictures as text")
            kind(text, block)

    def _sh(self, text: str, block: Block) -> None:
        # The variables that a block exports are there for the blocks after it.
        script = f"set -eo pipefail\ntrap 'env -0 > .environment' EXIT\n{text}"
        done = subprocess.run(["bash", "-c", script], check=False, capture_output=True, text=True, timeout=300)
        self.printed = done.stdout + done.stderr
        for pair in Path(".environment").read_text().split("\0"):
            name, _, value = pair.partition("=")
            if name and name not in ("_", "SHLVL"):
                os.environ[name] = value
        if done.returncode != int(block.marks.get("exit", 0)):
            raise Failed(f"exit status {done.returncode}\n{self.printed}")

    def _python(self, text: str, block: Block) -> None:
        code = compile(text, f"line {block.line}", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        if code.co_flags & inspect.CO_COROUTINE:
            asyncio.run(eval(code, self.names))
        else:
            exec(code, self.names)

    def _toml(self, text: str, block: Block) -> None:
        from selfinstruct.recipe.loading import load

        Path("checked.toml").write_text(text, encoding="utf-8")
        load("checked.toml")

    def _json(self, text: str, block: Block) -> None:
        try:
            json.loads(text)
        except ValueError:
            self._jsonl(text, block)

    def _jsonl(self, text: str, block: Block) -> None:
        for line in text.splitlines():
            json.loads(line)

    def _text(self, text: str, block: Block) -> None:
        if "output" in block.marks:
            for line in filter(None, map(str.strip, text.splitlines())):
                pattern = r".*".join(re.escape(piece.strip()) for piece in line.split("…"))
                if not re.search(pattern, self.printed):
                    raise Failed(f"not printed: {line}\nprinted:\n{self.printed}")


def main(page: str, address: str) -> str:
    """Run a page. Return the first block that fails with its line, or an empty text."""
    runner = Runner(address)
    sys.path.insert(0, "")  # a module that a block writes can be imported, as in a notebook
    for block in blocks(Path(page).read_text(encoding="utf-8")):
        try:
            runner.run(block)
        except Failed as failure:
            return f"{page}:{block.line}: {failure}"
        except Exception:  # noqa: BLE001 a page may raise anything
            return f"{page}:{block.line}: {traceback.format_exc()}"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]) or 0)
