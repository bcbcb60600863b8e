"""Passages of other scripts: cut at the ends of sentences, and never inside a letter."""

# ruff: noqa: RUF001, E501 (letters and signs of other scripts are meant, and wide letters count twice)
from __future__ import annotations

import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st
from language_texts import TASKS

from selfinstruct.inputs.chunking import split

CLUSTERS = [
    "e\u0301", "ก็", "นี้", "กำ", "का", "क्षि", "한", "\u1112\u1161\u11ab", "が\u3099", "か\u3099", "👩\u200d👩\u200d👧", "👍🏽", "🇰🇪",
    "שָׁ", "ကို", "ខ្មែ", "བོད", "字\ufe00", "a", "字", "。", " ", "\n", "।", "၊", "។",
]  # fmt: skip


@settings(max_examples=300, deadline=None, derandomize=True)
@given(st.lists(st.sampled_from(CLUSTERS), min_size=1, max_size=120), st.integers(1, 30))
def test_no_passage_begins_or_ends_inside_a_letter(clusters: list[str], words: int) -> None:
    text = "".join(clusters).strip()
    edges = {0, *(letter.end() for letter in regex.finditer(r"\X", text))}
    for start, end, _ in split(text, words):
        assert {start, end} <= edges, (text[start - 3 : start + 3], text[end - 3 : end + 3])


def test_a_run_of_letters_with_marks_is_cut_between_letters() -> None:
    text = "นี้" * 50
    assert {text[start:end].replace("นี้", "") for start, end, _ in split(text, 20)} == {""}


@pytest.mark.parametrize(
    ("mark", "sentence"),
    [
        ("。", "酵母会吃掉面团里的糖"), ("！", "パンはふんわりと軽くなります"), ("？", "为什么面团要先静置"), ("।", "ख़मीर आटे की शक्कर खाता है"),
        ("۔", "خمیر آٹے کی چینی کھاتا ہے"), ("؟ ", "لماذا يرتاح العجين قبل الخبز"), ("။", "မုန့်စိမ်းကို ခဏထားပါ"), ("។", "ត្រូវទុកម្សៅឱ្យសម្រាក"),
        ("།", "བོད་སྐད་ཀྱི་ཚིག་གྲུབ"), ("።", "ሊጡ ከመጋገሩ በፊት ያርፋል"), (". ", "The dough rests before it is baked"),
    ],
)  # fmt: skip
def test_a_long_paragraph_is_cut_at_the_end_of_a_sentence(mark: str, sentence: str) -> None:
    text = (sentence + mark) * 40
    passages = split(text, 60)
    assert len(passages) > 2
    assert {text[end - len(mark.strip()) : end] for _, end, _ in passages} == {mark.strip()}


def test_thai_is_cut_at_spaces() -> None:
    clause = TASKS["th"][0]
    text = f"{clause} " * 30
    for start, end, _ in split(text.strip(), 150):
        assert text[start:end].startswith(clause) and text[start:end].endswith(clause)
