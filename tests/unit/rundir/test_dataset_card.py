"""The dataset card."""

from __future__ import annotations

import json
import re
import unicodedata
from pathlib import Path

from fake_openai import FakeOpenAI

import selfinstruct as si


def test_the_card_shows_text_and_nothing_else(teacher: FakeOpenAI, tmp_path: Path) -> None:
    bad = "![a](http://e.invalid/a.png) [b](http://e.invalid) \\[c](http://e.invalid) <img src=x> \u202e\u200b\x9b31m"
    (tmp_path / "topics.jsonl").write_text(json.dumps({"topic": bad + "\x1b[31m \x7f \ud800"}) + "\n")
    run = si.Run(
        tmp_path / "run", base_url=teacher.url, model="m", num=5, topics=tmp_path / "topics.jsonl", domain=bad[:-4], title=bad
    )
    run.generate()
    card = (run.path / "README.md").read_text()
    assert [sign for sign in card if unicodedata.category(sign) in ("Cc", "Cf", "Cs") and sign != "\n"] == []
    body = card.split("---\n")[2]
    assert body.count("e.invalid") == 9 and "<img" not in body
    assert not re.search(r"(?<!\\)(\\\\)*\]\(", body)  # an even number of backslashes leaves the bracket alive


def test_the_card_shows_names_of_settings_as_code(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", num=5, domain="`a|b` `[c]`(d) ``")
    run.generate()
    card = (run.path / "README.md").read_text()
    assert "| Licence of this dataset | not stated (`licence` in `[card]` of the recipe) |" in card
    assert "(`teacher_terms`) |" in card
    assert "| Domain | \\`a\\|b\\` `[c]`(d) \\`\\` |" in card
    assert "| Endpoint | 127.0.0.1 |" in card
