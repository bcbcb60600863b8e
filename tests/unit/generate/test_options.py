"""Options of a method: declared beside it, checked before anything is built, printed by `selfinstruct list`."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from command_line import cli, outcomes
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct import plugins
from selfinstruct.contracts import Ask, MethodContext, Option, Turn
from selfinstruct.errors import PluginError, RecipeError
from selfinstruct.generate import options
from selfinstruct.generate.options import MethodOptions, checked

HERE: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


def method_of(monkeypatch: pytest.MonkeyPatch, **names: Any) -> Any:
    """Return a coroutine method in a module that has these names."""
    module = ModuleType("mine")
    for name, value in names.items():
        setattr(module, name, value)

    async def mine(turn: Turn, ask: Ask, context: MethodContext) -> list[si.Example]:
        key = f"{turn.key}/task"
        reply = await ask(key, context.request("propose", key, f"Write task {turn.key} in {context.options} words."))
        return [si.Example.of(reply.text, "", "x y")]

    mine.__module__ = "mine"
    monkeypatch.setitem(sys.modules, "mine", module)
    return mine


@pytest.mark.parametrize("method", plugins.names("method"))
def test_each_method_of_the_package_declares_its_options(method: str) -> None:
    make = plugins.find("method", method)
    declared = options.declared(make, method)
    assert declared is not None and options.steps(make)[0] == "propose"
    defaults = {name: option.default for name, option in declared.items()}
    assert checked(make, method, {}, "options") == MethodOptions(defaults, {})
    assert checked(make, method, defaults, "options").values == defaults, "a default is an allowed value"


def test_a_value_replaces_the_default_and_a_field_of_a_step_is_kept_apart() -> None:
    make = plugins.find("method", "self_instruct")
    given = {"instances_per_task": 3, "instances_temperature": 0.2, "classify_max_tokens": 2}
    chosen = checked(make, "self_instruct", given, "options")
    assert chosen.values["instances_per_task"] == 3 and chosen.values["tasks_per_request"] == 16
    assert chosen.by_step == {"instances_temperature": 0.2, "classify_max_tokens": 2}


@pytest.mark.parametrize(
    ("option", "good", "bad", "allowed"),
    [
        (Option(5, "", least=1), [1, 7], [0, -1, 2.0, "5", True], "a whole number from 1 up"),
        (Option(5, ""), [-3], [0.5], "a whole number"),
        (Option(0.5, "", least=0), [0, 0.25, 3], [-0.1, "0.5", False], "a number from 0 up"),
        (Option("a", "", choices=("a", "b")), ["a", "b"], ["c", 1], "one of a, b"),
        (Option("", ""), ["any text"], [1], "a text"),
    ],
    ids=["whole", "any whole", "number", "choice", "text"],
)
def test_an_option_has_a_type_and_a_range(
    option: Option, good: list[Any], bad: list[Any], allowed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = method_of(monkeypatch, OPTIONS={"size": option})
    for value in good:
        assert checked(mine, "mine", {"size": value}, "options").values == {"size": value}
    for value in bad:
        with pytest.raises(RecipeError) as error:
            checked(mine, "mine", {"size": value}, "options")
        assert str(error.value) == f"options.size: must be {allowed} (got {value!r}). Fix: give {allowed}."


def test_an_unknown_option_is_refused_with_the_nearest_one_or_with_all(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as error:
        si.Run(tmp_path / "run", method="evol", options={"round": 3}, **HERE)
    assert str(error.value) == "options.round: the method 'evol' has no such option. Fix: rename it to rounds."
    with pytest.raises(
        RecipeError, match=r"Fix: remove it, or choose from judge, longest_task_words, rounds, .*equal_<field>\.$"
    ):
        si.Run(tmp_path / "run", method="evol", options={"x": 3}, **HERE)
    assert not (tmp_path / "run").exists()


def test_options_are_checked_before_a_method_is_made(tmp_path: Path) -> None:
    (tmp_path / "docs.txt").write_text("Bees live in hives and make honey from nectar. " * 20)
    mix: dict[str, dict[str, Any]] = {
        "first": {"method": "documents"},  # would fail too, when it is made: its prompt lacks a section
        "second": {"method": "few_shot", "options": {"seeds": 1}},
    }
    (tmp_path / "mine.txt").write_text("notation: plain\n=== question\n{{passage}}\n")
    mix["first"]["prompt"] = str(tmp_path / "mine.txt")
    with pytest.raises(RecipeError, match=r"^mix\.second\.options\.seeds: the method 'few_shot' has no such option"):
        si.Run(tmp_path / "run", mix=mix, documents=tmp_path / "docs.txt", **HERE)


def test_a_method_without_options_gets_all_that_the_recipe_sets(
    teacher: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {"anything": "goes", "propose_temperature": 0.25}
    mine = method_of(monkeypatch)
    assert checked(mine, "mine", given, "options") == MethodOptions(given, given)
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", method=mine, num=3, options=given)
    run.generate()
    sampled: list[Any] = [line["sampling"] for line in outcomes(run.path)]
    assert {fields["temperature"] for fields in sampled} == {0.25} and not any("anything" in fields for fields in sampled)


def test_a_method_of_your_own_may_declare_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = method_of(monkeypatch, OPTIONS={"rounds": Option(2, "", least=1)}, STEPS=("propose", "review"))
    si.Run(tmp_path / "run", method=mine, options={"rounds": 3, "review_temperature": 0, "solve_temperature": 1}, **HERE)
    with pytest.raises(RecipeError, match=r"no such option\. Fix: rename it to review_<field>"):
        si.Run(tmp_path / "run", method=mine, options={"review": 3}, **HERE)
    for wrong in (["rounds"], {"rounds": 3}):
        with pytest.raises(PluginError, match="OPTIONS must map names to Option"):
            si.Run(tmp_path / "run", method=method_of(monkeypatch, OPTIONS=wrong), **HERE)


def test_the_list_shows_options_within_80_columns() -> None:
    listed = cli("list", COLUMNS="80").stdout
    assert max(map(len, listed.split("\n"))) <= 80
    methods = listed[listed.index("\nmethods (") : listed.index("\nprompts (")]
    for method in plugins.names("method"):
        for name, option in (options.declared(plugins.find("method", method), method) or {}).items():
            assert f"{name} = " in methods and option.meaning.split()[0] in methods
    assert "propose, classify, instances\n" in methods
