"""Every command, flag, setting, rule, error, name and file occurs in the pages."""

from __future__ import annotations

import inspect
import re

import typer

import selfinstruct as si
from documentation.code_blocks import GENERATED, PAGES, ROOT
from selfinstruct import errors, plugins
from selfinstruct.cli.app import app
from selfinstruct.recipe.schema import SECTIONS

TEXT = {path.name: path.read_text(encoding="utf-8") for path in PAGES}
ALL = "\n".join(TEXT.values())
WRITTEN = "\n".join(text for name, text in TEXT.items() if name not in GENERATED)  # by hand


def missing(names: set[str], text: str = ALL) -> list[str]:
    """Return the names that do not occur in the text as inline code or in a block of code."""
    return sorted(name for name in names if not re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-])", text))


def test_every_command_and_flag_is_in_the_pages() -> None:
    command = typer.main.get_command(app)
    context = typer.Context(command)
    names = command.list_commands(context)  # type: ignore[attr-defined]
    assert missing({f"selfinstruct {name}" for name in names}, WRITTEN) == []
    flags = set()
    for name in names:
        one = command.get_command(context, name)  # type: ignore[attr-defined]
        made = one.make_context(name, ["x"], resilient_parsing=True).command
        flags |= {flag for option in made.params for flag in option.opts + option.secondary_opts if flag.startswith("--")}
    assert {"--num", "--no-batch", "--rejected"} <= flags
    assert missing(flags) == []


def test_every_setting_is_in_the_pages() -> None:
    settings = {name for model in SECTIONS.values() for name in model.model_fields}
    assert missing(settings, TEXT["settings.md"]) == []
    assert missing({f"[{name}]" for name in SECTIONS}) == []


def test_every_name_that_a_recipe_can_use_is_in_the_pages() -> None:
    names = {name for kind in plugins.FOLDERS for name in plugins.names(kind)}
    assert missing({name for name in names if not re.search(rf"\b{name.replace('_', '-')}\b", WRITTEN)}, WRITTEN) == []


def test_every_rule_is_in_the_pages() -> None:
    """A rule is a name in `rejected.jsonl` and in the funnel: a filter, or a text of the package."""
    rules = {"rouge", *plugins.names("filter")}
    given = re.compile(r"(?:ParseDefect\(|Decision\([^\"()]+, )(?:cut or )?\"([a-z_]+)\"")
    for path in (ROOT / "selfinstruct").rglob("*.py"):
        rules |= set(given.findall(path.read_text(encoding="utf-8")))
    assert {"over_quota", "unanswered", "truncated", "no_quote"} <= rules
    pages = ("filters.md", "methods.md", "methods-in-detail.md", "troubleshooting.md")
    assert missing(rules, "\n".join(TEXT[page] for page in pages)) == []


def test_every_error_is_in_the_pages() -> None:
    classes = {name for name, one in vars(errors).items() if inspect.isclass(one) and issubclass(one, Exception)}
    assert missing(classes, TEXT["troubleshooting.md"] + TEXT["python.md"]) == []


def test_every_public_name_is_in_the_pages() -> None:
    assert missing(set(si.__all__), TEXT["python.md"]) == []
    methods = {name for name, _ in inspect.getmembers(si.Run) if not name.startswith("_")}
    assert missing(methods, WRITTEN) == []


def test_the_words_that_newcomers_type_are_in_the_readme_or_the_quickstart() -> None:
    text = (TEXT["README.md"] + TEXT["quickstart.md"] + TEXT["interruptions.md"]).lower()
    words = ("resume", "retry", "chunk", "backoff", "synthetic data", "quickstart", "rate limit")
    assert [word for word in words if word not in text] == []
