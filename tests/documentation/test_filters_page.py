"""The examples in the tables of docs/filters.md are rejected, and the scores in docs/near-duplicates.md are right."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from documentation.code_blocks import ROOT
from selfinstruct import plugins
from selfinstruct.contracts import FilterContext
from selfinstruct.recipe.defaults import languages_of
from selfinstruct.records import Example, Rejection
from selfinstruct.rouge import RougeIndex

PAGE = (ROOT / "docs" / "filters.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^\| `(\w+)`(?: \(en\))? \|[^|\n]*\| (instruction|input|output) `([^`\n]+)`", PAGE, re.MULTILINE)
CONTEXT = FilterContext(frozenset({"name a river.", "name a river"}), {})


@pytest.mark.parametrize(("name", "field", "text"), EXAMPLES, ids=lambda value: value[:30])
def test_the_filter_rejects_its_example(name: str, field: str, text: str) -> None:
    example = replace(Example("Tell me something about that.", "Salt", "An answer."), **{field: text})
    assert isinstance(plugins.find("filter", name)(example, CONTEXT), Rejection)


def test_every_filter_is_in_a_table_and_nearly_all_have_an_example() -> None:
    listed = re.findall(r"^\| `(\w+)`(?: \(en\))? \|[^|\n]*\|[^|\n]*\| [\w -]+ \|$", PAGE, re.MULTILINE)
    assert sorted(listed) == sorted(plugins.names("filter"))
    assert {*plugins.names("filter")} - {name for name, _, _ in EXAMPLES} == {"empty_instruction", "same_task"}


def test_filters_for_english_are_marked() -> None:
    marked = set(re.findall(r"^\| `(\w+)` \(en\) \|", PAGE, re.MULTILINE))
    assert marked == {name for name in plugins.names("filter") if languages_of(name)}


def test_the_scores_of_pairs_are_right() -> None:
    page = (ROOT / "docs" / "near-duplicates.md").read_text(encoding="utf-8")
    pairs = re.findall(r"^\| (\d\.\d\d) \| ([^|\n]+) \| ([^|\n]+) \|$", page, re.MULTILINE)
    assert len(pairs) >= 8
    for score, one, other in pairs:
        index = RougeIndex()
        index.add(one)
        assert f"{index.scores(other)[0]:.2f}" == score, one
