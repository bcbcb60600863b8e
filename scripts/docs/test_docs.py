"""The generated pages are up to date, and the site builds without warnings and without the network."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import reference
from site_hooks import LINK, place

ROOT = Path(__file__).parent.parent.parent
LOADED = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?\b(?:src|href)=\"?(?:https?:)?//(?!schema\.org)[^>]*>")


@pytest.mark.parametrize("page", reference.PAGES)
def test_a_generated_page_is_what_the_code_gives(page: str) -> None:
    """If this fails, run scripts/write_reference."""
    assert (ROOT / "docs" / page).read_text(encoding="utf-8") == reference.PAGES[page]()


@pytest.mark.slow
def test_the_site_builds_strictly_and_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    # A proxy where nothing listens: a request would fail, and with it the build.
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    environment = {**os.environ, **nowhere, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stderr.strip() == ""
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) >= len(list((ROOT / "docs").glob("*.md")))
    for page in pages:
        assert LOADED.findall(page.read_text(encoding="utf-8")) == [], page
    names = re.findall(r"id=\"selfinstruct\.(\w+)\"", (tmp_path / "site" / "python" / "index.html").read_text(encoding="utf-8"))
    assert {"Run", "Dataset", "Example", "Rejection", "RougeIndex"} <= set(names)


def test_a_link_out_of_the_docs_becomes_a_copy() -> None:
    page = "[a](../.github/SECURITY.md) [b](methods.md#evol) ![c](../data/bench/rouge.png) [d](../selfinstruct/run.py#L3)"
    assert LINK.findall(page) == [".github/SECURITY.md", "data/bench/rouge.png", "selfinstruct/run.py"]
    assert place(".github/SECURITY.md") == "source/github/SECURITY.md.txt"
    assert place("data/bench/rouge.png") == "source/data/bench/rouge.png"
