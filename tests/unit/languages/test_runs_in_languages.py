"""Whole runs in other languages against a teacher that writes good tasks in each, with its own punctuation and headings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fake_openai import FakeOpenAI, tongues
from language_texts import TASKS

import selfinstruct as si
from selfinstruct.languages.detection import detect
from selfinstruct.records import Request

CODES = {"zh": "Chinese", "ja": "Japanese", "th": "Thai", "ar": "Arabic", "hi": "Hindi"}
NOT_OF_A_LANGUAGE = ("rouge", "same_task", "over_target")  # the templates of the stand-in repeat themselves


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("settings", [{}, {"prompt": "alpaca-json"}, {"method": "few_shot"}], ids=str)
def test_at_least_95_percent_of_good_tasks_are_kept(
    code: str, settings: dict[str, Any], teacher: FakeOpenAI, tmp_path: Path
) -> None:
    num = 30 if "method" in settings else 120
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", language=code, num=num, rouge=1.0, **settings)
    dataset = run.generate()
    rejected = sum(number for rule, number in dataset.funnel.items() if rule not in NOT_OF_A_LANGUAGE)
    assert dataset.complete, dataset.funnel
    assert rejected <= 0.05 * len(dataset.rows), dataset.funnel
    told = detect(" ".join(row.candidate.example.instruction for row in dataset.rows))
    assert told.language == code
    assert f'language: ["{code}"]' in (run.path / "README.md").read_text()
    frames = [frame[0] for frame in tongues.BANKS[CODES[code]].tasks]
    assert all(any(_fits(row.candidate.example.instruction, frame) for frame in frames) for row in dataset.rows)


def _fits(instruction: str, frame: str) -> bool:
    """Return True if an instruction begins and ends as its frame does, so that nothing was added or lost."""
    return instruction.startswith(frame.partition("{")[0]) and instruction.endswith(frame.rpartition("}")[2])


@pytest.mark.parametrize("code", [*CODES, "de", "ru"])
def test_loops_refusals_and_other_languages_are_dropped_and_counted(code: str, tmp_path: Path) -> None:
    instruction, output = TASKS[code]
    refusal = "I'm sorry, but I can't help with that."
    ends = {"loop": output * 30, "refusal": refusal, "english": TASKS["en"][1], "good": output}

    def answer(key: str, request: Request) -> str:
        if "solve" not in key:
            return f"{instruction} ({key})"
        return list(ends.values())[int(key.partition(".")[0]) % len(ends)]

    run = si.Run(tmp_path / "run", teacher=si.Scripted(answer), method="few_shot", language=code, num=5, rouge=1.0)
    dataset = run.generate()
    assert {row.candidate.example.output for row in dataset.rows} == {output}
    assert dataset.funnel["repetition"] >= 4 and dataset.funnel["refusal"] >= 4 and dataset.funnel["other_language"] >= 4
    assert "rejected by `other_language`" in (run.path / "README.md").read_text()


def test_each_request_is_checked_for_the_language_that_it_asked_for(tmp_path: Path) -> None:
    def answer(key: str, request: Request) -> str:
        text = "".join(message["content"] for message in request.messages)
        code = "de" if "German" in text and int(key.partition(".")[0]) % 3 else "en"
        return f"{TASKS[code][0]} ({key})" if "solve" not in key else TASKS[code][1]

    settings: dict[str, Any] = {"languages": {"de": 1, "en": 1}, "num": 20, "rouge": 1.0}
    dataset = si.Run(tmp_path / "run", teacher=si.Scripted(answer), method="few_shot", **settings).generate()
    assert dataset.complete and dataset.funnel["other_language"] > 2
    assert {row.candidate.trace["language"] for row in dataset.rows} == {"de", "en"}
    for row in dataset.rows:
        assert detect(row.candidate.example.output).language == row.candidate.trace["language"]
    assert {one.candidate.trace["language"] for one in dataset.rejected if one.rule == "other_language"} == {"de"}
