"""Messages name what the user wrote: the flag, the keyword, or the file with table and key."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from click import Context

import selfinstruct
from selfinstruct.cli import app
from selfinstruct.cli.flags import spelled
from selfinstruct.errors import RecipeError, UserMistake, setting, spelled_by
from selfinstruct.recipe import loading
from selfinstruct.recipe.reference import flag_of
from selfinstruct.recipe.schema import SECTIONS
from selfinstruct.run import Run

PACKAGE = Path(selfinstruct.__file__).parent
FLAGS = {name: section for section, model in SECTIONS.items() for name, field in model.model_fields.items() if flag_of(field)}
LIMITED: dict[str, Any] = {
    "base_url": "localhost:8000", "api": "smoke", "domain": "bees\x1b", "seed_sampling": "random", "seed": -1, "temperature": 9,
    "reply_tokens": -1, "num": 0, "rouge": 1.5, "language": "Swahili", "concurrency": 0, "rpm": 0, "tpm": 0, "max_requests": 0,
    "max_tokens": 0, "max_usd": 0, "timeout": 0, "patience": -1, "grace": -1,
}  # fmt: skip
ANY_TEXT = {"teacher", "model", "method", "prompt", "seeds", "source", "documents", "column", "topics", "reasoning_effort"}


def said_by(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> str:
    """Run a command in this process, and return the one line of its error."""
    monkeypatch.setattr(sys, "argv", ["selfinstruct", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        app.main()
    printed = capsys.readouterr()
    assert (ended.value.code, printed.out, printed.err.count("\n")) == (2, "", 1), printed.err
    return printed.err


def real_flags() -> set[str]:
    """Return every flag of every command."""
    group = typer.main.get_command(app.app)
    found = {option for parameter in group.params for option in parameter.opts}
    for name, command in group.commands.items():  # type: ignore[attr-defined]
        context: Context = command.make_context(name, ["x", "--out", "y", "--to", "z"], resilient_parsing=True)
        parameters = context.command.params
        found |= {option for parameter in parameters for option in (*parameter.opts, *parameter.secondary_opts)}
    return found


def test_every_flag_has_a_bad_value_here_or_takes_any_text() -> None:
    assert set(FLAGS) == set(LIMITED) | ANY_TEXT | {"batch", "extra"}


@pytest.mark.parametrize("name", LIMITED)
def test_a_bad_value_names_the_flag_the_keyword_or_the_place_in_the_file(
    name: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    value, run = LIMITED[name], tmp_path / "run"
    flag = f"--{name.replace('_', '-')}"
    said = said_by(capsys, monkeypatch, "generate", run, f"{flag}={value}")
    assert said.startswith(f"selfinstruct: {flag}: ") and ". Fix: " in said and said.endswith(".\n")

    with pytest.raises(RecipeError) as caught:
        Run(run, **{name: value})
    assert str(caught.value) == said.removeprefix("selfinstruct: ").strip().replace(f"{flag}: ", f"{name}: ", 1)

    recipe = tmp_path / "mine.toml"
    recipe.write_text(f"[{FLAGS[name]}]\n{name} = {json.dumps(value)}\n")
    with pytest.raises(RecipeError) as caught:
        loading.load(recipe)
    assert str(caught.value).startswith(f"{recipe}: [{FLAGS[name]}] {name}: ")


@pytest.mark.parametrize("name", sorted({*ANY_TEXT, "batch"} - {"teacher"}))
def test_a_value_that_is_not_text_names_the_keyword_or_the_place_in_the_file(name: str, tmp_path: Path) -> None:
    given: dict[str, Any] = {"model": "m", name: ["x", 5]}
    with pytest.raises(UserMistake, match=f"^{name}: must be "):
        Run(tmp_path / "run", **given)
    recipe = tmp_path / "mine.toml"
    recipe.write_text(f"[{FLAGS[name]}]\n{name} = ['x', 5]\n")
    with pytest.raises(RecipeError, match=rf"mine\.toml: \[{FLAGS[name]}\] {name}: must be "):
        loading.load(recipe)


def test_two_settings_that_exclude_each_other_are_named_with_their_places(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('[generate]\nmodel = "m"\n[generate.mix.a]\nmethod = "evol"\n')
    said = said_by(capsys, monkeypatch, "generate", tmp_path / "run", "--recipe", recipe, "--prompt", "alpaca")
    assert said == f"selfinstruct: {recipe}: [generate] mix and --prompt: cannot be given together. Fix: remove one of them.\n"
    with pytest.raises(UserMistake, match=r"^method and mix: cannot be given together\. Fix: remove one of them\.$"):
        Run(tmp_path / "run", method="evol", mix={"a": {"method": "evol"}})
    recipe.write_text('[generate]\nmethod = "evol"\n[generate.mix.a]\nmethod = "evol"\n')
    with pytest.raises(UserMistake, match=r"mine\.toml: \[generate\] method and mix: cannot be given together"):
        Run(tmp_path / "run", recipe)


def test_a_bad_address_in_the_environment_names_the_variable(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "localhost:8000")
    with pytest.raises(RecipeError, match=r"^OPENAI_BASE_URL: is not an http\(s\) address\. Fix: write it like http://"):
        Run(tmp_path / "run", model="m")


@pytest.mark.parametrize(
    ("name", "value", "keyword", "flag"),
    [
        ("num", None, "num", "--num"),
        ("max_usd", 5, "max_usd=5", "--max-usd 5"),
        ("batch", False, "batch=False", "--no-batch"),
        ("documents", "my notes", "documents='my notes'", "--documents 'my notes'"),
        ("price", None, "price", "`price` in [runtime] of a recipe"),
        ("send_seed", True, "send_seed=True", "`send_seed = true` in [generate] of a recipe"),
        ("pace.a.price", None, "pace.a.price", "`price` in [runtime.pace.a] of a recipe"),
        ("against_fields", None, "against_fields", "--against-field"),
        ("out", None, "out", "--out"),
    ],
)
def test_a_setting_reads_as_the_user_writes_it(name: str, value: object, keyword: str, flag: str) -> None:
    assert setting(name, value) == keyword
    with spelled_by(spelled):
        assert setting(name, value) == flag
    assert setting(name, value) == keyword


def test_messages_name_only_flags_and_settings_that_exist() -> None:
    flags, wrong = real_flags() | {"--help", "--no-deps"}, []  # the last one is for pip
    settings = {name for model in SECTIONS.values() for name in model.model_fields}
    settings |= {"fields", "against_fields"} | {flag[2:].replace("-", "_") for flag in flags}
    assert {"--num", "--no-batch", "--out", "--rejected", "--without"} <= flags
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        documented = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
                in_text = re.findall(r"(?<![\w-])--[a-z][a-z-]+", node.value if " " in node.value else "")
                wrong += [f"{path.name}: {flag}" for flag in in_text if flag not in flags]
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setting":
                name = getattr(node.args[0], "value", "num")  # a name in a variable comes from a table
                wrong += [] if not isinstance(name, str) or name in settings else [f"{path.name}: setting {name}"]
    assert wrong == []


def test_a_field_of_the_request_is_written_as_key_and_value(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    said = said_by(capsys, monkeypatch, "generate", tmp_path / "run", "--extra", "top_k 40")
    assert said == "selfinstruct: --extra: must be written as KEY=VALUE (got 'top_k 40'). Fix: write it like top_k=40.\n"
    said = said_by(capsys, monkeypatch, "generate", tmp_path / "run", "--extra", "model=x")
    assert "cannot set 'model', which this package sets itself" in said
