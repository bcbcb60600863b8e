"""Inputs in another language than the tasks would be in are noticed before anything is paid."""

# ruff: noqa: RUF001 (letters and signs of other scripts are meant)
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import cli
from fake_openai import FakeOpenAI
from language_texts import TASKS

import selfinstruct as si
from selfinstruct.errors import RecipeChanged, UserMistake
from selfinstruct.inputs.language_check import other_language

CHINESE = ["请解释光合作用。", "写一首关于大海的短诗。", "列出三种可再生能源。", "为什么天空是蓝色的？"]
GIVEN: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m", "num": 10}


def seeds(path: Path, instructions: list[str]) -> Path:
    rows = [{"instruction": text, "input": "", "output": "好。"} for text in instructions]
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return path


def test_chinese_seeds_without_a_language_cost_nothing(teacher: FakeOpenAI, tmp_path: Path) -> None:
    path = seeds(tmp_path / "mine.jsonl", CHINESE)
    words = ("generate", tmp_path / "run", "--seeds", path, "--model", "m", "--base-url", teacher.url, "--num", 5)
    done = cli(*words)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    said = " ".join(done.stderr.split())
    assert "most seeds are in Chinese" in said and "Fix: set --language zh, or --language en" in said
    assert teacher.requests() == [] and not (tmp_path / "run").exists()
    assert cli(*words, "--language", "zh-CN").returncode == 0


@pytest.mark.parametrize("code", [code for code in TASKS if code != "en"])
def test_each_language_is_noticed(code: str) -> None:
    assert other_language([TASKS[code][0]] * 3) == code


@pytest.mark.parametrize("settings", [{"language": "zh"}, {"language": "en"}, {"languages": {"zh": 1, "en": 1}}])
def test_a_language_that_is_named_decides(settings: dict[str, Any], tmp_path: Path) -> None:
    si.Run(tmp_path / "run", seeds=seeds(tmp_path / "mine.jsonl", CHINESE), **GIVEN, **settings)


def test_only_sure_and_large_shares_count(tmp_path: Path) -> None:
    english = [f"Explain why the kettle number {number} whistles." for number in range(4)]
    assert other_language(CHINESE + english) == "" and other_language(english) == ""
    assert other_language(CHINESE * 4 + english[:2]) == "zh"
    assert other_language(["好吗？"]) == "" and other_language([]) == "" and other_language(["x = 1", "1 + 1"]) == ""
    names = ["Paris, Lyon, Marseille", "Müller, Meier, Schulze und Söhne"]
    assert other_language(names) == ""
    si.Run(tmp_path / "run", seeds=seeds(tmp_path / "mine.jsonl", CHINESE + english), **GIVEN)


def test_documents_and_tasks_to_evolve_are_looked_at_too(tmp_path: Path) -> None:
    (tmp_path / "handbuch.md").write_text("# Brot\n\n" + TASKS["de"][1])
    with pytest.raises(UserMistake, match=r"most passages are in German.*Fix: set language='de'"):
        si.Run(tmp_path / "run", method="documents", documents=tmp_path / "handbuch.md", **GIVEN)
    with pytest.raises(UserMistake, match="most tasks are in Chinese"):
        si.Run(tmp_path / "run", method="evol", source=seeds(tmp_path / "tasks.jsonl", CHINESE), **GIVEN)


def test_a_run_keeps_the_language_that_it_began_with(teacher: FakeOpenAI, tmp_path: Path) -> None:
    given: dict[str, Any] = {"base_url": teacher.url, "model": "m", "num": 5}
    si.Run(tmp_path / "run", language="zh", **given).generate()
    assert si.Run(tmp_path / "run", language="ZH").recipe.curate.language == "zh"
    with pytest.raises(RecipeChanged, match="language: 'zh' -> 'de'"):
        si.Run(tmp_path / "run", language="de")
    relabelled = si.Run(tmp_path / "run").build(language="zh-TW")
    assert len(relabelled.rows) == 5 and 'language: ["zh"]' in (tmp_path / "run" / "README.md").read_text()
