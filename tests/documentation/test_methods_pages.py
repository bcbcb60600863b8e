"""The tables of options on the pages about methods have the names and defaults of the code."""

from __future__ import annotations

import re

import pytest

from documentation.code_blocks import ROOT
from selfinstruct import plugins
from selfinstruct.contracts import Option

PAGES = "\n".join((ROOT / "docs" / name).read_text(encoding="utf-8") for name in ("methods.md", "methods-in-detail.md"))
METHODS = [name for name in plugins.names("method") if name not in ("alternating", "magpie")]  # these two have no table


@pytest.mark.parametrize("method", METHODS)
def test_a_table_of_options_is_that_of_the_code(method: str) -> None:
    section = PAGES.partition(f"\n## {method}\n")[2].partition("\n## ")[0]
    table = section.partition("| option | default | meaning |\n")[2].partition("\n\n")[0]
    shown = {name: default.strip("`") for name, default in re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", table, re.MULTILINE)}
    options: dict[str, Option] = plugins.of_module(plugins.find("method", method), "OPTIONS", {})
    assert shown == {name: str(option.default) for name, option in options.items()}
    for option in options.values():
        assert all(f"`{choice}`" in table for choice in option.choices)


def test_magpie_has_no_options_and_alternating_those_of_few_shot() -> None:
    found = {name: plugins.of_module(plugins.find("method", name), "OPTIONS", {}) for name in plugins.names("method")}
    assert found["magpie"] == {}
    assert found["alternating"] == found["few_shot"]
