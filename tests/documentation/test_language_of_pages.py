"""The pages are in plain English: short sentences, no semicolons, the reader is "you"."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from laws.test_language import BANNED

from documentation.code_blocks import GENERATED, ROOT

PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    *sorted((ROOT / ".github").glob("*.md")),
    ROOT / "examples" / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
TALKS = [path for path in PAGES if path.name not in ("CHANGELOG.md", *GENERATED)]  # lists of facts
MOST_LINES = {"README.md": 150}
LINES = 199
WORDS_IN_A_SENTENCE = 30
CODE = re.compile(r"^```.*?^```|<!--.*?-->", re.MULTILINE | re.DOTALL)
YOU = ("you", "your", "yours", "we", "our", "us")


def words(text: str) -> list[str]:
    return re.findall(r"[A-Za-z']+", text)


def prose(page: str) -> str:
    """Return the text of a page with `x` for inline code, and without blocks of code and addresses of links."""
    return re.sub(r"\]\([^)]*\)", "]", re.sub(r"`[^`]*`", "`x`", CODE.sub("\n\n", page)))


def sentences(page: str) -> list[str]:
    """Return the sentences of a page. An item of a list, a heading and a cell of a table end one."""
    pieces = re.split(r"(?<=[.!?:])\s+|\n\s*\n|\n\s*(?:[-*]|\d+\.) |\n#+ |\|", prose(page))
    return [" ".join(piece.split()) for piece in pieces if len(words(piece)) > 2]


def long_sentences(page: str) -> list[str]:
    return [sentence for sentence in sentences(page) if len(words(sentence)) > WORDS_IN_A_SENTENCE]


def per_thousand(count: int, page: str) -> float:
    return 1000 * count / max(len(words(prose(page))), 1)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_is_in_plain_english(path: Path) -> None:
    page = path.read_text(encoding="utf-8")
    assert [prose(page)[max(0, found.start() - 30) : found.end() + 20] for found in BANNED.finditer(prose(page))] == []
    assert per_thousand(prose(page).count(";"), page) < 3
    assert len(long_sentences(page)) < max(0.04 * len(sentences(page)), 1), long_sentences(page)
    assert page.count("\n") <= MOST_LINES.get(path.name, LINES)


def test_the_pages_talk_to_the_reader() -> None:
    text = "\n\n".join(path.read_text(encoding="utf-8") for path in TALKS)
    assert per_thousand(sum(word.lower() in YOU for word in words(prose(text))), text) > 12


def test_the_measures_find_what_they_look_for() -> None:
    page = "# Title\n\nOne; two `a;b` three. You are here.\n\n```sh\nx; y\n```\n\n- " + "word " * 31 + "\n- few words here\n"
    assert prose(page).count(";") == 1
    assert len(long_sentences(page)) == 1
    assert "You are here." in sentences(page)
