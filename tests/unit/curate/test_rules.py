"""Filters switched on and off, with options, from this package and from outside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.curate.curator import Curator
from selfinstruct.curate.rules import rules
from selfinstruct.errors import PluginError, RecipeError
from selfinstruct.recipe.defaults import with_all_filters
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Example, ParsedTask, Rejection

FILTERS = plugins.names("filter")
CONTEXT = FilterContext(frozenset(), {})


def test_filters_for_english_are_off_for_other_languages() -> None:
    english = {"non_ascii_start", "placeholder_input", "program_request", "unfit_for_text"}
    assert with_all_filters(Curate(language="en")).filters == dict.fromkeys(FILTERS, True)
    assert with_all_filters(Curate(language="fr")).filters == {name: name not in english for name in FILTERS}


def test_a_filters_setting_in_the_recipe_wins_over_its_language() -> None:
    chosen = with_all_filters(
        Curate(language="fr", filters={"refusal": True, "word_count": {"at_most": 9}, "a.b:c": True})
    ).filters
    assert chosen["refusal"] is True and chosen["word_count"] == {"at_most": 9} and chosen["a.b:c"] is True
    assert chosen["unfit_for_text"] is False and chosen["empty_output"] is True


def test_filters_run_by_stage_and_name_unless_they_are_switched_off() -> None:
    chosen = rules(with_all_filters(Curate(filters={"refusal": False, "word_count": {"at_most": 9}})).filters)
    names = [rule.name for rule in chosen]
    on_proposals = [rule.name for rule in chosen if rule.stage is Stage.PROPOSED]
    assert sorted(names) == [name for name in FILTERS if name != "refusal"]
    assert names == sorted(on_proposals) + sorted(set(names) - set(on_proposals)) and on_proposals
    assert {rule.name: dict(rule.options) for rule in chosen if rule.options} == {"word_count": {"at_most": 9}}


@pytest.mark.parametrize("name", FILTERS)
def test_an_unknown_option_is_refused_with_a_list_of_the_known_ones(name: str) -> None:
    with pytest.raises(RecipeError, match=f"filter '{name}': has no option 'colour'. Fix: remove it") as caught:
        rules({name: {"colour": 5}})
    if name == "word_count":
        assert str(caught.value).endswith("choose from more_than, at_most.")


def test_an_option_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(RecipeError, match="at_most"):
        rules({"word_count": {"at_most": "many"}})


PLUGIN = """
from selfinstruct.contracts import Stage, filter
from selfinstruct.records import Rejection

NUMBER = 5

def no_urls(example, context, *, scheme="http"):
    return Rejection(scheme) if scheme in example.output else None

@filter(stage=Stage.PROPOSED)
def shy(example, context):
    return Rejection("shouts") if example.instruction.isupper() else None

def anything(example, context, **options):
    return Rejection(options) if options else None

class House:
    @staticmethod
    def rule(example, context):
        return Rejection("in the house")
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "plugin_of_filters.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return "plugin_of_filters"


def test_a_filter_from_outside_is_found_by_module_and_function(plugin: str) -> None:
    shy, house, urls = rules({f"{plugin}:no_urls": {"scheme": "ftp"}, f"{plugin}:House.rule": True, f"{plugin}:shy": True})
    assert [shy.name, house.name, urls.name] == [f"{plugin}:shy", f"{plugin}:House.rule", f"{plugin}:no_urls"]
    assert [shy.stage, house.stage, urls.stage] == [Stage.PROPOSED, Stage.FINISHED, Stage.FINISHED]
    assert urls.function(Example("a", "", "ftp://x"), CONTEXT, **urls.options) == Rejection("ftp")


def test_a_filter_from_outside_runs_last_in_its_stage_and_is_recorded_by_its_name(plugin: str) -> None:
    names = [
        rule.name for rule in rules(with_all_filters(Curate(filters={f"{plugin}:shy": True, f"{plugin}:no_urls": True})).filters)
    ]
    assert names[-1] == f"{plugin}:no_urls" and names.index(f"{plugin}:shy") == names.index("word_count") + 1
    decision = Curator([], Curate(filters={f"{plugin}:shy": True})).admit([Candidate("0", 0, ParsedTask("HEY YOU", "", "x"))])[0]
    assert (decision.rule, decision.value) == (f"{plugin}:shy", "shouts")


def test_a_filter_from_outside_with_an_unknown_option_is_refused(plugin: str) -> None:
    with pytest.raises(RecipeError, match=r"no option 'colour'\. Fix: remove it, or choose from scheme"):
        rules({f"{plugin}:no_urls": {"colour": 5}})


def test_a_filter_from_outside_may_take_any_option(plugin: str) -> None:
    (rule,) = rules({f"{plugin}:anything": {"colour": 5}})
    assert rule.function(Example("a", "", "b"), CONTEXT, **rule.options) == Rejection({"colour": 5})


def test_a_function_is_recorded_under_its_module_and_name() -> None:
    def never(example: Example, context: FilterContext) -> Rejection:
        return Rejection("never")

    name = plugins.name_of(never)
    decision = Curator([], Curate(filters={name: True}), {name: never}).admit([Candidate("0", 0, ParsedTask("a b", "", "x"))])[0]
    assert decision.rule == name and name.startswith(f"{__name__}:") and name.endswith("never")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such", ["no filter is named 'no_such'", "see `selfinstruct list`", "package.module:function"]),
        ("", ["no filter is named ''"]),
        ("__init__", ["no filter is named"]),
        ("../methods/alpaca", ["no filter is named"]),
        ("no_such_module:f", ["'no_such_module' cannot be imported", "set PYTHONPATH"]),
        ("__main__:no_such", ["is known only in the notebook", "add --without __main__:no_such"]),
        ("os.no_such:f", ["cannot be imported"]),
        ("os:no_such", ["'os' has no 'no_such'"]),
        ("os:", ["'os' has no ''"]),
        ("os:sep", ["is str, not a function"]),
        (":f", ["':f'"]),
        (".x:f", ["'.x:f'"]),
    ],
)
@pytest.mark.parametrize("setting", [True, {"colour": 5}])
def test_a_bad_name_is_refused_in_a_sentence(name: str, words: list[str], setting: bool | dict[str, Any]) -> None:
    with pytest.raises(PluginError) as caught:
        rules({name: setting})
    message = str(caught.value)
    assert [word for word in words if word not in message] == [] and "\n" not in message


def test_an_undecorated_function_runs_on_finished_tasks_of_any_language() -> None:
    def plain(example: Example, context: FilterContext) -> None:
        return None

    (rule,) = rules({"own:plain": True}, {"own:plain": plain})
    assert (rule.stage, rule.languages) == (Stage.FINISHED, None)


@pytest.mark.parametrize("languages", ["en", ["en"], ("en",), frozenset({"en"})])
def test_the_decorator_takes_one_language_or_several(languages: Any) -> None:
    @filter(languages=languages)
    def english(example: Example, context: FilterContext) -> None:
        return None

    assert rules({"own:english": True}, {"own:english": english})[0].languages == frozenset({"en"})


def test_a_stage_of_another_type_is_refused() -> None:
    def odd(example: Example, context: FilterContext) -> None:
        return None

    odd.stage = "early"  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="filter 'own:odd': `stage` must be a Stage \\(got 'early'\\)"):
        rules({"own:odd": True}, {"own:odd": odd})
