"""Files for contributors: each path and command that they name exists, and the configuration files agree with the code."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped,unused-ignore]
from laws.test_layers import LAYERS

from documentation.code_blocks import ROOT
from selfinstruct import plugins

PAGES = (".github/CONTRIBUTING.md", ".github/SECURITY.md", "docs/architecture.md", "CHANGELOG.md")
CONTRIBUTING = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
TOP = tuple(path.name for path in ROOT.iterdir() if path.name not in (".git", ".venv"))
WORKFLOW = ROOT / ".github" / "workflows" / "tests.yml"


def loaded(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def paths(page: str) -> list[str]:
    """Return the files and folders of the repository that a page names as inline code or by a link."""
    named = [word for code in re.findall(r"`([^`\n]+)`", page) for word in code.split()]
    linked = [target.removeprefix("../") for target in re.findall(r"\]\(([^)#]+)", page) if "://" not in target]
    return [name for name in [*named, *linked] if name.partition("/")[0] in TOP and "NAME" not in name]


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_exists(page: str) -> None:
    found = paths((ROOT / page).read_text(encoding="utf-8"))
    assert [name for name in found if not (ROOT / name).exists()] == []


def test_paths_are_found_in_commands_and_links() -> None:
    assert paths("Run `python scripts/none.py -k x` and read [this](../docs/none.md#a). `my/own.py` `docs/NAME.md`") == [
        "scripts/none.py",
        "docs/none.md",
    ]
    assert len(paths(CONTRIBUTING)) > 40


def test_every_entry_of_the_tree_exists() -> None:
    folder, shown = "", []
    for line in CONTRIBUTING.partition("```text\n")[2].partition("```")[0].splitlines():
        names = [name for name in line.partition("   ")[0].split() if name.endswith(("/", ".py"))]
        if not line.startswith(" "):
            folder = names[0] if len(names) == 1 and not line.partition("   ")[2] else ""
        shown += [ROOT / (folder if line.startswith(" ") else "") / name for name in names or re.findall(r"\S+/", line)]
    assert len(shown) > 20
    assert [str(path) for path in shown if not path.exists()] == []


def test_programs_of_the_commands_can_run() -> None:
    commands = re.findall(r"`(scripts/[a-z_]+)(?= |`)", CONTRIBUTING)
    assert {"scripts/test", "scripts/demo", "scripts/write_reference"} <= set(commands)
    assert [name for name in commands if not (ROOT / name).stat().st_mode & 0o100] == []


@pytest.mark.parametrize("kind", plugins.FOLDERS)
def test_there_are_steps_for_each_kind_of_addition_with_a_test_to_run(kind: str) -> None:
    _, heading, steps = CONTRIBUTING.partition(f"### Add {'an' if kind[0] == 'e' else 'a'} {kind}\n")
    assert heading
    steps = steps.partition("\n#")[0]
    assert f"selfinstruct/{plugins.FOLDERS[kind]}/NAME.py" in steps
    assert re.search(r"\d\. Run\s+`\.venv/bin/python -m pytest tests/", steps)


def test_words_that_are_reserved_have_no_package_yet() -> None:
    reserved = re.search(r"reserved for parts that do not exist yet: (.*)\.", CONTRIBUTING)
    assert reserved
    packages = {name for row in LAYERS for name in row.split()}
    for word, package in (("repair", "repairs"), ("judge", "judge"), ("review", "review")):
        exists = (ROOT / "selfinstruct" / package / "__init__.py").exists()
        assert package in packages and (word in reserved[1].split(", ")) != exists


def test_the_citation_agrees_with_the_project() -> None:
    citation = loaded("CITATION.cff")
    assert (citation["title"], citation["version"], citation["license"]) == (
        PROJECT["name"],
        PROJECT["version"],
        PROJECT["license"],
    )
    assert {"cff-version", "message", "authors"} <= citation.keys()
    assert all(reference["authors"] and reference["title"] and reference["year"] for reference in citation["references"])
    titles = " ".join(reference["title"] for reference in citation["references"])
    assert all(name in titles for name in ("Self-Instruct", "Alpaca", "WizardLM", "Magpie", "ROUGE"))


def test_the_workflow_runs_all_checks_with_the_least_rights() -> None:
    workflow = loaded(WORKFLOW)
    assert {"push", "pull_request"} <= set(workflow.get("on", workflow.get(True)))  # YAML 1.1 reads `on` as true
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    assert job["timeout-minutes"] <= 60
    oldest = PROJECT["requires-python"].removeprefix(">=")
    assert oldest in job["strategy"]["matrix"]["python"]
    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    actions = [step["uses"] for step in job["steps"] if "uses" in step]
    assert actions and all(re.fullmatch(r"actions/[a-z-]+@v\d+", name) for name in actions)
    (cache,) = [step["with"] for step in job["steps"] if "cache" in step.get("with", {})]
    assert (ROOT / cache["cache-dependency-path"]).is_file()


def test_the_hooks_use_the_tools_of_the_environment_and_download_nothing() -> None:
    repos = loaded(".pre-commit-config.yaml")["repos"]
    hooks = [hook for repo in repos for hook in repo["hooks"]]
    assert {repo["repo"] for repo in repos} == {"local"} and {hook["language"] for hook in hooks} == {"system"}
    called = [shlex.split(hook["entry"]) for hook in hooks]
    assert {Path(words[0]).name for words in called} == {"ruff", "mypy", "python"}
    assert all(words[0].startswith(".venv/bin/") for words in called)
    assert all((ROOT / word).is_file() for words in called for word in words if word.startswith("scripts/"))


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    page = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    headings = re.findall(r"^##+ (.+)$", page, re.MULTILINE)
    assert headings[0] == "Unreleased"
    kinds = [heading for heading in headings if heading != "Unreleased" and not re.match(r"\d", heading)]
    assert set(kinds) <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_security_page_names_what_a_run_directory_may_do() -> None:
    """The two things that `run.json` can name must be on the page as long as the code allows them."""
    page = " ".join((ROOT / ".github" / "SECURITY.md").read_text(encoding="utf-8").split())
    definition = (ROOT / "selfinstruct" / "plugins.py").read_text(encoding="utf-8")
    assert "import_module(module_name)" in definition and "Python imports that module" in page
    assert "`key_variable`" in page and "`base_url`" in page
    assert not re.search(r"[\w.]+@[\w.]+\.\w", page), "no address for mail is known"
