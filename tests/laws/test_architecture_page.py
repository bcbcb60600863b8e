"""`docs/architecture.md` says what the code is like: its tree, its layers and its walks."""

from __future__ import annotations

import re
from pathlib import Path

from command_line import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
PACKAGE = ROOT / "selfinstruct"
MOST = 5  # modules of a walk


def test_the_tree_has_every_package_and_every_module_at_the_top() -> None:
    tree = PAGE.partition("selfinstruct/\n")[2].partition("tests/\n")[0]
    shown = set(re.findall(r"^  (\S+)", tree, re.MULTILINE))
    packages = {f"{path.parent.name}/" for path in PACKAGE.glob("*/__init__.py")}
    modules = {path.name for path in PACKAGE.glob("*.py") if not path.name.startswith("__")}
    assert shown == packages | modules


def test_the_layers_are_those_of_the_test() -> None:
    source = (Path(__file__).parent / "test_layers.py").read_text(encoding="utf-8")
    rows = re.findall(r'^    "([a-z_ ]+)",$', source.partition("LAYERS = (")[2].partition("\n)")[0], re.MULTILINE)
    assert "\n".join(rows) in PAGE


def test_each_walk_is_short_and_goes_through_modules_that_exist() -> None:
    walks = re.findall(r"^- \*\*.*?\*\*: ((?:`[a-z_/]+`(?: → )?)+)", PAGE, re.MULTILINE)
    assert len(walks) == 4
    for walk in walks:
        modules = re.findall(r"`([a-z_/]+)`", walk)
        assert len(modules) <= MOST and len(set(modules)) == len(modules)
        assert [name for name in modules if not (PACKAGE / f"{name}.py").exists()] == []


def test_the_precedence_is_stated_once_in_the_code() -> None:
    sources = {path.name: path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py")}
    assert [name for name, source in sources.items() if "Precedence, the strongest layer first" in source] == ["resolve.py"]
    assert [name for name, source in sources.items() if re.search(r"^EXCLUDES\b", source, re.MULTILINE)] == ["resolve.py"]
