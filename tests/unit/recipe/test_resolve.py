"""Settings are resolved in layers: the stronger one wins, and removes what it excludes."""

from __future__ import annotations

from typing import Any

import pytest

from selfinstruct.errors import RecipeError
from selfinstruct.recipe.resolve import EXCLUDES, SEVERAL, merge, resolve

SEVERAL_TEACHERS: dict[str, Any] = {"teachers": {"a": {"model": "m"}}, "pace": {"a": {"rpm": 5}}}
SEVERAL_METHODS: dict[str, Any] = {"mix": {"a": {"method": "few_shot"}}}


@pytest.fixture(autouse=True)
def no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def test_each_layer_wins_over_the_weaker_ones() -> None:
    stored = resolve({"model": "stored", "rouge": 0.5, "num": 5, "concurrency": 2})
    given = merge({"num": 7}, {"num": 6, "rouge": 0.6})
    recipe = resolve(given, stored)
    assert (recipe.curate.num, recipe.curate.rouge, recipe.runtime.concurrency, recipe.runtime.timeout) == (7, 0.6, 2, 300)


def test_none_counts_as_not_set() -> None:
    assert merge({"num": None}, {"num": 6}) == {"num": 6}


def test_filters_are_merged_by_name() -> None:
    merged = merge({"filters": {"refusal": True}}, {"filters": {"refusal": False, "word_count": False}})
    assert merged == {"filters": {"refusal": True, "word_count": False}}


@pytest.mark.parametrize("name", EXCLUDES)
def test_a_stronger_setting_removes_what_it_excludes(name: str) -> None:
    for excluded in EXCLUDES[name]:
        assert excluded not in merge({name: "x"}, {excluded: "y"})


@pytest.mark.parametrize(
    "layer",
    [{**SEVERAL_TEACHERS, "model": "m"}, {**SEVERAL_TEACHERS, "teacher": "openai"}, {**SEVERAL_METHODS, "method": "evol"}],
)
def test_two_settings_of_one_layer_that_exclude_each_other_are_refused(layer: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="cannot be given together"):
        merge(layer)


def test_prompt_and_options_of_another_method_are_removed() -> None:
    weaker = {"method": "evol", "prompt": "mine.txt", "options": {"rounds": 2}}
    assert merge({"method": "few_shot"}, weaker) == {"method": "few_shot"}
    assert merge({"method": "evol"}, weaker) == weaker
    without_method = {"prompt": "mine.txt"}
    assert merge({"method": "few_shot"}, without_method) == {"method": "few_shot", "prompt": "mine.txt"}


def test_defaults_of_a_teacher_and_its_method_give_way_to_settings() -> None:
    recipe = resolve({"teacher": "local", "method": "alpaca", "temperature": 0.1, "options": {"tasks_per_request": 3}})
    assert (recipe.generate.api, recipe.generate.prompt, recipe.generate.temperature) == ("completions", "alpaca-small", 0.1)
    assert recipe.generate.options["tasks_per_request"] == 3 and "longest_seed_words" in recipe.generate.options


def test_several_are_recorded_as_several() -> None:
    recipe = resolve({**SEVERAL_TEACHERS, **SEVERAL_METHODS})
    assert (recipe.generate.teacher, recipe.generate.method) == (SEVERAL, SEVERAL)


def test_defaults_of_two_methods_that_differ_are_refused_and_a_setting_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = {"few_shot": {"passage_words": 80}, "alpaca": {"passage_words": 90}}
    monkeypatch.setattr("selfinstruct.recipe.defaults.of_teacher", lambda name, settings: dict(usual[settings["method"]]))
    mix: dict[str, Any] = {"teacher": "local", "mix": {"one": {"method": "few_shot"}, "two": {"method": "alpaca"}}}
    with pytest.raises(RecipeError, match=r"mix.one and mix.two: need a different passage_words \(got 80 and 90\)"):
        resolve(mix)
    assert resolve({**mix, "passage_words": 100}).generate.passage_words == 100


def test_a_continued_run_keeps_the_rows_of_a_table_that_are_left_out() -> None:
    stored = resolve({"teachers": {"a": {"model": "m", "propose": 2.0}, "b": {"model": "n"}}})
    recipe = resolve({"teachers": {"a": {"solve": 3.0}}}, stored)
    assert recipe.generate.teachers["a"].propose == 2.0 and recipe.generate.teachers["a"].solve == 3.0
    assert recipe.generate.teachers["b"].model == "n"
