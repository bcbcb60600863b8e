"""Every code block of the pages runs, against the stand-in server where a teacher is needed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fake_openai import FakeOpenAI

from documentation.code_blocks import HOSTS, PAGES, ROOT, Failed, Runner, blocks
from documentation.providers import stand_in_for_providers
from selfinstruct.errors import SelfInstructError

CODE = {page: list(blocks(page.read_text(encoding="utf-8"))) for page in PAGES}


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page, code in CODE.items() if code], ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, teacher: FakeOpenAI, tmp_path: Path) -> None:
    environment = {
        "HOME": str(tmp_path),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "80",
        "ROOT": str(ROOT),
        "SAMPLE": str(ROOT / "data" / "sample"),
        "SELFINSTRUCT_CACHE": os.environ.get("SELFINSTRUCT_CACHE", str(Path.home() / ".cache" / "selfinstruct")),
    }
    place = tmp_path / "work"
    place.mkdir()
    command = [sys.executable, str(ROOT / "tests" / "documentation" / "code_blocks.py"), str(page), teacher.url]
    with stand_in_for_providers(set(HOSTS), teacher.url, tmp_path) as proxy:
        environment = {**os.environ, **environment, **proxy}
        done = subprocess.run(command, cwd=place, env=environment, check=False, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_fence_is_a_block() -> None:
    for page, code in CODE.items():
        fences = re.findall(r"^\s*```", page.read_text(encoding="utf-8"), re.MULTILINE)
        assert len(fences) == 2 * sum(not block.hidden for block in code), page.name


@pytest.mark.parametrize(
    "page",
    [
        "```sh\nfalse\n```\n",
        "<!-- exit: 3 -->\n```sh\nexit 2\n```\n",
        "```python\nassert False\n```\n",
        "```toml\n[generate]\nnonsense = 1\n```\n",
        "```json\n{\n```\n",
        "```sh\ncurl https://example.com\n```\n",
        "```perl\n1;\n```\n",
        "```sh\necho two\n```\n<!-- output -->\n```text\nthree\n```\n",
        "<!-- run by: tests/no_such_test.py -->\n```sh\ntrue\n```\n",
    ],
)
def test_a_wrong_block_is_found(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    runner = Runner("http://127.0.0.1:9/v1")
    with pytest.raises((Failed, AssertionError, ValueError, SelfInstructError)):
        for block in blocks(page):
            runner.run(block)


def test_blocks_share_variables_files_and_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KEY", "")
    page = (
        "<!-- setup: mkdir -p made -->\n```sh\nexport KEY=5\n```\n```python\nimport os\nkey = os.environ['KEY']\n```\n"
        '```python\nassert key == "5"\n```\n```json title="made/a.jsonl"\n{}\n```\n```sh\ntest -f made/a.jsonl; echo a b c\n```\n'
        "<!-- output -->\n```text\na … c\n```\n<!-- exit: 3 -->\n```sh\nexit 3\n```\n"
    )
    runner = Runner("http://127.0.0.1:9/v1")
    for block in blocks(page):
        runner.run(block)
