"""The rules of a prompt agree with its settings: every bundled prompt with every combination of domain, topics and language."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import selfinstruct as si
from selfinstruct import plugins
from selfinstruct.errors import PromptError
from selfinstruct.inputs import prompts
from selfinstruct.records import Request

METHOD_OF = {  # prompts that are not the usual one of a method
    "alpaca-json": "alpaca",
    "alpaca-small": "alpaca",
    "documents-small": "documents",
    **{name: "magpie" for name in prompts.available() if name.startswith("magpie-")},
}
PROMPTS = {name: METHOD_OF.get(name, name.removesuffix("-chatml").replace("-", "_")) for name in prompts.available()}
STEERABLE = [name for name in PROMPTS if name != "magpie-mistral"]
LANGUAGES: dict[str, dict[str, Any]] = {
    "": {},
    "English": {"language": "en"},
    "Chinese": {"language": "ZH"},
    "Brazilian Portuguese": {"language": "pt-br"},
    "Swahili": {"languages": {"sw": 1}},
}
VERDICTS = ("Answer Yes or No.", "Answer Equal or Not equal.")  # requests for one English word


def text_of(request: Request) -> str:
    return request.prompt or "\n".join(message["content"] for message in request.messages)


def asked_by(folder: Path, name: str, **settings: Any) -> list[str]:
    """Return the texts of all requests of a short run with a prompt."""
    texts: list[str] = []

    def answer(key: str, request: Request) -> str:
        text = text_of(request)
        texts.append(text)
        if "classif" in key:
            return "Yes" if len(texts) % 2 else "No"
        if "instances" in key:
            return "Label: red\nInput: a rose of number " + key
        return f"Tell me all about the kettle that number {key} owned"

    folder.mkdir(exist_ok=True)
    (folder / "passage.md").write_text("# Kettles\n\nA kettle with a narrow spout pours slowly and evenly.\n")
    (folder / "topics.txt").write_text("matatus\n")
    if settings.pop("topics", False):
        settings["topics"] = folder / "topics.txt"
    if PROMPTS[name] == "documents":
        settings["documents"] = folder / "passage.md"
        settings["options"] = {"quote": "verified"}
    filters = dict.fromkeys(plugins.names("filter"), False)
    run = si.Run(
        folder / "run", teacher=si.Scripted(answer), method=PROMPTS[name], prompt=name, num=2, rouge=1.0, give_up_after=4,
        filters=filters, **settings,
    )  # fmt: skip
    run.generate()
    return texts


@pytest.mark.parametrize("name", STEERABLE)
@pytest.mark.parametrize(
    ("domain", "topics"), [("", False), ("road traffic in Kenya", False), ("", True), ("road traffic in Kenya", True)]
)
@pytest.mark.parametrize("language", LANGUAGES)
def test_the_rules_follow_from_the_settings(name: str, domain: str, topics: bool, language: str, tmp_path: Path) -> None:
    texts = asked_by(tmp_path, name, domain=domain, topics=topics, **LANGUAGES[language])
    assert texts and "{{" not in "".join(texts)
    first = texts[0]
    assert domain in first
    assert ("matatus" in first) == topics
    if domain or topics:
        assert "all walks of life" not in first and "the same field as the one given" not in first
    wanted = language or "English"
    for text in texts:
        others = {other for other in ("English", "Chinese", "Portuguese", "Swahili") if re.search(rf"\bin {other}\b", text)}
        if not any(verdict in text for verdict in VERDICTS):
            assert others <= {wanted.split()[-1]}
            assert language in ("", "English") or wanted in text, text
    if name in ("alpaca", "alpaca-json"):
        assert re.findall(r"^(\d)\. [A-Z]", first.partition("\nList of")[0], re.MULTILINE) == list("123456789")


@pytest.mark.parametrize("name", ["alpaca", "alpaca-json"])
def test_the_rules_of_english_without_a_domain_are_as_before(name: str, tmp_path: Path) -> None:
    text = asked_by(tmp_path, name)[0]
    assert "4. The matter comes from all walks of life and all parts of the world.\n5. Everything" in text
    assert "6. The tasks are in English unless a task is about another language.\n7. An instruction" in text
    assert "\n\n\n" not in text


def test_a_template_without_a_place_is_refused_before_anything_is_asked(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"has no place for a language\. Fix: add a line \{\{steering\}\} to a section"):
        asked_by(tmp_path, "magpie-mistral", language="zh")
    assert asked_by(tmp_path, "magpie-mistral", language="en")


OWN = (
    "notation: plain\n=== ask\nAsk something.{steering}\n=== solve\n{{{{input}}}}\n=== solve_without_input\n{{{{instruction}}}}\n"
)


@pytest.mark.parametrize(
    ("steering", "asked"),
    [
        ("\n{{steering}}", "Ask something.\nWrite in Chinese."),
        ("", "Write in Chinese.\n\nAsk something."),
        (" It is in {{language}}.", "Ask something. It is in Chinese."),
    ],
)
def test_a_prompt_of_the_users_own_gets_the_language(steering: str, asked: str, tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(OWN.format(steering=steering))
    run = si.Run(tmp_path / "run", base_url="http://127.0.0.1:9/v1", model="m", method="few_shot", prompt=tmp_path / "own.txt",
                 language="zh")  # fmt: skip
    assert run.first_request().messages[-1]["content"] == asked


def test_a_prompt_with_a_subject_needs_words_for_it(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text(OWN.format(steering=" It is about {{subject}}."))
    with pytest.raises(PromptError, match="has no section 'any_subject'"):
        si.Run(tmp_path / "run", base_url="http://127.0.0.1:9/v1", model="m", method="few_shot", prompt=tmp_path / "own.txt")
