"""Recipes: what a TOML file may say, what is refused and how, and that settings given beside it win."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import cli, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.errors import RecipeError, UserMistake
from selfinstruct.recipe import loading
from selfinstruct.recipe.loading import section_of, with_settings
from selfinstruct.recipe.schema import Recipe
from selfinstruct.run import Run

GOOD = """
[generate]
teacher = "openai"
model = "m"
temperature = 0.5
[generate.options]
seeds_per_request = 2
[generate.extra]
reasoning = {effort = "low"}
[curate]
num = 7
rouge = 0.6
language = "de"
[curate.filters]
refusal = false
word_count = {at_most = 80}
"my.rules:no_urls" = true
[runtime]
concurrency = 3
[card]
title = "Ein Datensatz"
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_bytes(text.encode())
    return path


def test_a_recipe_gives_the_settings_that_it_names_and_no_others(tmp_path: Path) -> None:
    assert loading.load(write(tmp_path, GOOD)) == {
        "teacher": "openai",
        "model": "m",
        "temperature": 0.5,
        "options": {"seeds_per_request": 2},
        "extra": {"reasoning": {"effort": "low"}},
        "num": 7,
        "rouge": 0.6,
        "language": "de",
        "filters": {"refusal": False, "word_count": {"at_most": 80}, "my.rules:no_urls": True},
        "concurrency": 3,
        "title": "Ein Datensatz",
    }


def test_an_empty_recipe_is_the_default_one(tmp_path: Path) -> None:
    assert loading.load(write(tmp_path, "")) == {}
    assert loading.parse({}, "x") == Recipe()


def test_a_recipe_may_have_windows_line_ends(tmp_path: Path) -> None:
    assert loading.load(write(tmp_path, GOOD.replace("\n", "\r\n"))) == loading.load(write(tmp_path, GOOD))


def test_a_recipe_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert loading.load(write(tmp_path, "\ufeff[curate]\nnum = 7\n")) == {"num": 7}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[curate]\nnumm = 5", "[curate] numm: unknown setting. Fix: rename it to num."),
        ("[generate]\nnum = 5", "[generate] num: is a setting of [curate]. Fix: move it below [curate]."),
        ("[curate]\nconcurrency = 5", "[curate] concurrency: is a setting of [runtime]. Fix: move it below [runtime]."),
        ("num = 5", "num: is a setting of [curate]. Fix: move it below [curate]."),
        ("[curator]\nnum = 5", "curator: unknown section. Fix: rename it to curate."),
        ("[x]\nnum = 5", "x: unknown section. Fix: remove it, or choose from generate, curate, runtime, card."),
        ("curate = 5", "curate: must be a table. Fix: give a table."),
        ('[curate]\nnum = "many"', "[curate] num: must be a whole number (got 'many'). Fix: give a whole number of at least 1."),
        ("[curate]\nnum = 0", "[curate] num: must be at least 1 (got 0). Fix: give a whole number of at least 1."),
        ("[curate]\nnum = 2.5", "[curate] num: must be a whole number (got 2.5). Fix: give a whole number of at least 1."),
        ("[curate]\nrouge = 1.5", "must be at most 1 (got 1.5). Fix: give a number greater than 0 and at most 1."),
        ("[curate]\nrouge = 0", "must be greater than 0 (got 0). Fix: give a number greater than 0 and at most 1."),
        ("[curate]\nrouge = nan", "[curate] rouge: must be a finite number (got nan). Fix: give a number greater than 0 and"),
        (
            '[curate]\nlanguage = "Swahili"',
            "[curate] language: is not a language code (got 'Swahili'). Fix: give its code, sw.",
        ),
        ("[curate]\nfilters = 5", "[curate] filters: must be a table (got 5). Fix: give a table."),
        ('[curate.filters]\nrefusal = "maybe"', "[curate.filters] refusal: must be true, false or a table (got 'maybe')."),
        ("[generate]\nmodel = 5", "[generate] model: must be a text (got 5). Fix: give a text in quotation marks."),
        ('[generate]\napi = "voice"', "[generate] api: must be one of chat, completions (got 'voice'). Fix: give one of chat,"),
        ("[generate]\ntemperature = 3", "must be at most 2 (got 3). Fix: give a number from 0 to 2."),
        ("[generate]\nlag = 0", "[generate] lag: must be at least 1 (got 0). Fix: give a whole number from 1 to 100,000."),
        ("[generate]\nbase_url = 5", "must be a text or a list of texts (got 5). Fix: give a text or a list of texts."),
        (
            "[generate.options]\nx = [3]",
            "[generate.options] x: must be a number or a text (got [3]). Fix: give a number or a text.",
        ),
        (
            "[runtime]\nbatch = 'yes please'",
            "[runtime] batch: must be true or false (got 'yes please'). Fix: give true or false.",
        ),
        ("[runtime]\nrpm = 0", "[runtime] rpm: must be at least 0.1 (got 0). Fix: give a number of at least 0.1."),
        ("[runtime.price]\ninptu = 5", "[runtime.price] inptu: unknown setting. Fix: rename it to input."),
        ("[runtime.price]\ninput = -5", "[runtime.price] input: must be at least 0 (got -5). Fix: give a number of at least 0."),
        ("[runtime.pace.a]\nconcurency = 5", "[runtime.pace.a] concurency: unknown setting. Fix: rename it to concurrency."),
        (
            "[runtime.pace.a.price]\nx = 5",
            "price] x: unknown setting. Fix: remove it, or choose from input, output, cached_input,",
        ),
        (
            "[generate.teachers.a]\ntemprature = 5",
            "[generate.teachers.a] temprature: unknown setting. Fix: rename it to temperature.",
        ),
        ("[generate.teachers.a]\nrpm = 5", "[generate.teachers.a] rpm: is a setting of [runtime.pace.a]. Fix: move it there."),
        (
            "[generate.teachers.B]\nmodel = 'm'",
            "[generate.teachers] B: must be a name of at most 31 characters: small letters, digits",
        ),
        ("[generate.teachers.a]\npropose = 0", "[generate] teachers: none has a weight to propose. Fix: set `propose = 1` for"),
        ("[generate.mix.a]\nmetod = 'evol'", "[generate.mix.a] method: is missing. Fix: add it."),
        ("[generate]\nmax_tokens = 5", "Fix: set reply_tokens for one reply, or move it below [runtime]."),
        ("[generate]\napi_key = 'sk-12345'", "Fix: remove it, and set the variable OPENAI_API_KEY."),
        (
            "[generate]\nkey_variable = 'sk-12345'",
            "must be the name of an environment variable (got a value that is not shown). Fix:",
        ),
        ("[card]\ntitle = 5", "[card] title: must be a text (got 5). Fix: give a text in quotation marks."),
    ],
)
def test_a_wrong_setting_is_refused_with_file_table_name_value_and_fix(tmp_path: Path, text: str, says: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecipeError) as caught:
        loading.load(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ") and "\n" not in message and "sk-12345" not in message
    assert says in message


@pytest.mark.parametrize("text", ["[curate\nnum = 5", "num 5", "[curate]\nnum = 5\nnum = 6\n", "{}", "a = 'x\ny'"])
def test_a_file_that_is_not_toml_is_refused_with_the_line(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RecipeError, match=r"is not valid TOML \(.*line \d") as caught:
        loading.load(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_utf_8_is_refused_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'[card]\ntitle = "caf\xe9"\n')
    with pytest.raises(RecipeError, match=r"latin.toml: is not UTF-8 text \(byte 20\)"):
        loading.load(path)


def test_a_missing_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.toml", tmp_path):
        with pytest.raises(RecipeError, match="cannot be read") as caught:
            loading.load(path)
        assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "part"),
    [("teacher", "generate"), ("seed", "generate"), ("seeds", "generate"), ("num", "curate"), ("filters", "curate"),
     ("concurrency", "runtime"), ("patience", "runtime"), ("title", "card"), ("seeds_licence", "card")],
)  # fmt: skip
def test_every_setting_is_in_one_part(name: str, part: str) -> None:
    assert section_of(name) == part


def test_a_password_in_an_address_is_not_repeated() -> None:
    with pytest.raises(RecipeError, match="holds a name or a password") as caught:
        with_settings(Recipe(), {"base_url": "http://user:secret@localhost/v1"})
    assert "secret" not in str(caught.value)


def test_no_name_is_in_two_parts() -> None:
    names = [name for part in Recipe.model_fields for name in type(getattr(Recipe(), part)).model_fields]
    assert len(names) == len(set(names)) > 20


def test_an_unknown_name_is_refused_with_those_that_there_are() -> None:
    for refused in (lambda: section_of("rows"), lambda: with_settings(Recipe(), {"rows": 5})):
        with pytest.raises(RecipeError, match=r"^rows: unknown setting\. Fix: remove it, or choose from teacher, .*num, "):
            refused()


def test_settings_go_to_their_parts_and_leave_the_rest_and_the_old_recipe_alone() -> None:
    before = Recipe()
    after = with_settings(before, {"num": 5, "model": "m", "concurrency": 2, "title": "t"})
    assert (after.curate.num, after.generate.model, after.runtime.concurrency, after.card.title) == (5, "m", 2, "t")
    assert with_settings(after, {"num": 100, "model": "", "concurrency": 8, "title": ""}) == before == Recipe()


def test_a_bad_setting_is_refused_as_in_a_file() -> None:
    with pytest.raises(RecipeError, match=r"^num: must be a whole number \(got 'x'\)"):
        with_settings(Recipe(), {"num": "x"})


def test_filter_settings_are_added_to_those_there_are_and_win_over_them() -> None:
    first = with_settings(Recipe(), {"filters": {"refusal": False, "word_count": {"at_most": 80}}})
    second = with_settings(first, {"filters": {"word_count": True, "repetition": {"at_most": 0.5}}})
    assert second.curate.filters == {"refusal": False, "word_count": True, "repetition": {"at_most": 0.5}}


def test_flags_win_over_the_recipe_and_what_they_do_not_say_stays(tmp_path: Path) -> None:
    run = Run(
        tmp_path / "run", write(tmp_path, GOOD.replace('"my.rules:no_urls" = true\n', "")), num=9, filters={"refusal": True}
    )
    made = run.recipe
    assert (made.curate.num, made.curate.rouge, made.generate.model, made.runtime.concurrency) == (9, 0.6, "m", 3)
    assert made.curate.filters["refusal"] is True and made.curate.filters["word_count"] == {"at_most": 80}


@pytest.mark.slow
def test_flags_win_over_the_recipe_on_the_command_line_too(tmp_path: Path) -> None:
    recipe = write(tmp_path, '[generate]\nteacher = "openai"\nmodel = "in-the-file"\nbase_url = "http://127.0.0.1:9/v1"\n')
    ended = cli("generate", tmp_path / "run", "--recipe", recipe, "--model", "in-the-flag", "--dry-run")
    assert ended.returncode == 0, ended.stderr
    assert "in-the-flag" in ended.stdout + ended.stderr and "in-the-file" not in ended.stdout + ended.stderr


def test_a_bad_recipe_is_one_sentence_on_the_command_line(tmp_path: Path) -> None:
    ended = cli("generate", tmp_path / "run", "--recipe", write(tmp_path, "[curate]\nnumm = 5"), "--dry-run")
    assert ended.returncode == 2 and ended.stdout == ""
    assert len(ended.stderr.splitlines()) == 1 and "[curate] numm" in ended.stderr


NOBODY: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


def stored(run: si.Run) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run.path / "run.json").read_text())
    return found


def in_a_sentence(ended: Any) -> str:
    """Return the message of a refused command, which must be one line."""
    assert ended.returncode == 2 and ended.stdout == "" and len(ended.stderr.splitlines()) == 1, ended.stderr
    return str(ended.stderr)


def test_settings_with_a_tuple_are_the_same_when_a_run_goes_on(teacher: FakeOpenAI, tmp_path: Path) -> None:
    given: dict[str, Any] = {"filters": {"unfit_for_text": {"words": ("sing", "dance")}}, "num": 10}
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", **given)
    assert run.generate().rows == run.generate().rows
    assert si.Run(run.path, **given).generate().complete


@pytest.mark.slow
@pytest.mark.parametrize("name", ["documents", "alpaca", "self-instruct"])
def test_a_folder_does_not_hide_a_recipe_or_a_prompt(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "bees.txt").write_text("Bees live in hives and make honey from nectar. " * 20)
    monkeypatch.chdir(tmp_path)
    more = ["--documents", name] if name == "documents" else []
    ended = cli("generate", "run", "--recipe", name, "--prompt", name, "--model", "m", "--dry-run", *more)
    assert ended.returncode == 0, ended.stderr


def test_a_method_wins_over_a_recipes_mix(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", "mixed", method="few_shot", base_url=teacher.url, model="m", num=10)
    assert run.generate().complete
    assert {origin["method"] for origin in rows(run.path / "provenance.jsonl")} == {"few_shot"}
    assert not run.recipe.generate.mix and stored(run)["prompts"][""]["name"] == "few-shot"


def test_what_a_table_leaves_out_is_as_it_was(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    first, second = start_teacher(), start_teacher()
    price = {"input": 1.0, "output": 2.0}
    teachers = {"a": {"base_url": first.url, "model": "m", "temperature": 0.5}, "b": {"base_url": first.url, "model": "n"}}
    pace: dict[str, Any] = {"a": {"concurrency": 3, "price": price}, "b": {"price": price}}
    si.Run(tmp_path / "run", method="few_shot", num=10, teachers=teachers, pace=pace).generate()
    run = si.Run(tmp_path / "run", num=20, teachers={"a": {"base_url": second.url}}, pace={"a": {"rpm": 6000}})
    assert run.generate().complete
    assert {line["model"] for line in second.requests()} == {"m"}
    found = stored(run)
    assert found["generate"]["teachers"]["a"]["temperature"] == 0.5
    assert found["generate"]["teachers"]["b"]["base_url"] == first.url
    assert found["runtime"]["pace"]["a"] == {"concurrency": 3, "rpm": 6000, "tpm": None, "price": price}
    assert found["runtime"]["pace"]["b"]["price"] == price


def test_other_teachers_make_the_paces_of_a_recipe_void(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text('[generate.teachers.a]\nmodel = "m"\n[runtime.pace.a]\nrpm = 60\n')
    run = si.Run(tmp_path / "run", recipe, **NOBODY)  # flags win
    assert run.recipe.generate.model == "m" and not run.recipe.generate.teachers


def test_the_usual_address_is_that_of_named_teachers_too(
    teacher: FakeOpenAI, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", teacher.url)
    run = si.Run(tmp_path / "run", method="few_shot", num=5, teachers={"a": {"model": "m"}})
    run.generate()
    monkeypatch.delenv("OPENAI_BASE_URL")
    assert stored(run)["generate"]["teachers"]["a"]["base_url"] == teacher.url
    assert si.Run(run.path, num=10).generate().complete


@pytest.mark.parametrize("domain", ["bees \udcff", "bees \x1b[31m"], ids=["surrogate", "control"])
def test_a_domain_that_is_not_text_is_refused_in_a_sentence(domain: str, tmp_path: Path) -> None:
    said = in_a_sentence(cli("generate", tmp_path / "run", "--model", "m", "--domain", domain, "--dry-run"))
    assert "\x1b" not in said and ("UTF-8" in said or "--domain" in said)


@pytest.mark.parametrize(
    "given",
    [
        {"languages": {"sw": 1e308, "en": 1e308}},
        {"mix": {name: {"method": "few_shot", "weight": 1e308} for name in "ab"}},
        {"teachers": {name: {"model": "m", "propose": 1e308} for name in "ab"}},
        {"teachers": {name: {"model": "m", "solve": 1e308} for name in "ab"}},
    ],
    ids=["languages", "mix", "propose", "solve"],
)
def test_a_weight_that_is_too_large_is_refused_in_a_sentence(given: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="must be at most 1,000,000,000") as caught:
        si.Run(tmp_path / "run", **{**({} if "teachers" in given else NOBODY), **given})
    assert "\n" not in str(caught.value)


def test_options_of_a_recipe_that_names_no_method_are_for_the_one_that_a_flag_names(teacher: FakeOpenAI, tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_text("generate.options = { tasks_per_request = 4 }\n")
    given: dict[str, Any] = {"recipe": tmp_path / "recipe.toml", "base_url": teacher.url, "model": "m"}
    assert si.Run(tmp_path / "one", method="alpaca", **given).recipe.generate.options == {"tasks_per_request": 4}
    (tmp_path / "recipe.toml").write_text('generate.method = "alpaca"\ngenerate.options = { tasks_per_request = 4 }\n')
    assert si.Run(tmp_path / "two", method="few_shot", **given).recipe.generate.options == {}
