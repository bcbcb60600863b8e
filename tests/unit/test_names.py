"""Names that differ in hyphens, and the nearest name for an unknown one."""

from __future__ import annotations

import pytest

from selfinstruct.names import advice, either, matching, nearest
from selfinstruct.recipe.arguments import read_arguments
from selfinstruct.recipe.loading import parse

NAMES = ("word_count", "few-shot", "refusal")


@pytest.mark.parametrize(
    ("name", "found"),
    [("word_count", "word_count"), ("word-count", "word_count"), ("few_shot", "few-shot"), ("Refusal", None), ("", None)],
)
def test_hyphens_and_underscores_match(name: str, found: str | None) -> None:
    assert matching(name, NAMES) == found


def test_the_nearest_name_is_the_first() -> None:
    assert nearest("word-cuont", NAMES) == ["word_count"]
    assert nearest("ALPACA-JSN", ["alpaca", "alpaca-json"]) == ["alpaca-json", "alpaca"]
    assert nearest("zzz", NAMES) == []


def test_the_advice_names_the_nearest_or_all_or_where_to_look() -> None:
    assert advice("refusl", NAMES) == "choose refusal, or see `selfinstruct list`"
    assert advice("zzz", NAMES) == "choose one of word_count, few-shot, refusal"
    assert advice("zzz", NAMES, otherwise="give a file") == "choose one of word_count, few-shot, refusal, or give a file"
    many = [f"name_{number}" for number in range(9)]
    assert advice("zzz", many) == "see `selfinstruct list`"
    assert advice("zzz", []) == "see `selfinstruct list`"


def test_a_choice_has_commas_and_an_or() -> None:
    assert [either(names) for names in (["a"], ["a", "b"], ["a", "b", "c"], [])] == ["a", "a or b", "a, b or c", ""]


def test_a_recipe_and_a_call_record_the_names_of_files() -> None:
    recipe = parse(
        {
            "generate": {"method": "few-shot", "mix": {"one": {"method": "self-instruct"}}},
            "curate": {"filters": {"word_count": True, "word-count": False, "own.module:a-b": True}},
        }
    )
    assert (recipe.generate.method, recipe.generate.mix["one"].method) == ("few_shot", "self_instruct")
    assert recipe.curate.filters == {"word_count": False, "own.module:a-b": True}
    settings = read_arguments("local", "self-instruct", {"seed-echo": False}, {}).settings
    assert (settings["method"], settings["filters"]) == ("self_instruct", {"seed_echo": False})
