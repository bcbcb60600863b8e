"""The messages and errors that the pages quote are those of the package."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest
from laws.test_language import PACKAGE, messages

from documentation.code_blocks import ROOT
from selfinstruct import errors

PAGE, EXTENDING = ((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("troubleshooting.md", "extending.md"))
LEAST = 10  # characters of a quotation, so that it is found in few messages
SOURCES = [text for path in sorted(Path(PACKAGE).rglob("*.py")) for _, text in messages(ast.parse(path.read_text()))]


def table(*header: str, page: str = PAGE) -> list[list[str]]:
    """Return the rows of all tables with this header."""
    rows, inside = [], False
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split(" | ")] if line.startswith("|") else []
        if cells and cells[0].startswith("---"):
            continue
        if inside and cells:
            rows.append(cells)
        inside = bool(cells) and (inside or cells == list(header))
    return rows


def occurs(quoted: str, sources: list[str]) -> bool:
    """Return True if one text has the parts between `…` in this order."""
    parts = [part.strip() for part in quoted.split("…") if part.strip()]
    pattern = re.compile(".*".join(map(re.escape, parts)), re.DOTALL)
    return sum(map(len, parts)) >= LEAST and any(map(pattern.search, sources))


QUOTED = [row[0] for page in (PAGE, EXTENDING) for row in table("message", "cause and fix", page=page)]


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_quoted_message_is_one_of_the_package(quoted: str) -> None:
    assert re.fullmatch("`[^`]+`", quoted)
    assert occurs(quoted.strip("`"), SOURCES)


def test_a_changed_message_would_be_found() -> None:
    assert len(QUOTED) > 50
    assert occurs("…: is missing, and …", ["{}: is missing, and nothing can be built without it."])
    assert not occurs("…: is missing, or …", ["{}: is missing, and nothing can be built without it."])
    assert not occurs("… Fix: …", ["Fix: change it."])  # too short to be the quotation of one message


def test_every_error_has_its_exit_status_in_the_table() -> None:
    classes = {
        name: str(one.exit_status)
        for name, one in vars(errors).items()
        if inspect.isclass(one) and issubclass(one, errors.SelfInstructError)
    }
    assert {row[0].strip("`"): row[1] for row in table("error", "status", "meaning")} == classes
