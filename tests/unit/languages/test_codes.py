"""Language codes as users write them, and the names and scripts of languages."""

from __future__ import annotations

import pytest

from selfinstruct.errors import RecipeError
from selfinstruct.languages.codes import base, canonical, name_of, scripts_of
from selfinstruct.recipe.resolve import resolve


@pytest.mark.parametrize(
    ("given", "code", "name"),
    [
        ("en", "en", "English"),
        ("ZH", "zh", "Chinese"),
        ("zh-CN", "zh-CN", "Chinese (Simplified, China)"),
        ("zh_cn", "zh-CN", "Chinese (Simplified, China)"),
        ("pt-br", "pt-BR", "Brazilian Portuguese"),
        ("ZH-HANT-tw", "zh-Hant-TW", "Chinese (Traditional, Taiwan)"),
        ("es-419", "es-419", "Latin American Spanish"),
        ("sr-latn", "sr-Latn", "Serbian (Latin)"),
        ("deu", "de", "German"),
        ("iw", "he", "Hebrew"),
        ("sw", "sw", "Swahili"),
        ("pcm", "pcm", "Nigerian Pidgin"),
        ("tlh", "tlh", "Klingon"),
        (" th ", "th", "Thai"),
    ],
)
def test_a_code_is_taken_in_any_case_and_named(given: str, code: str, name: str) -> None:
    assert (canonical(given), name_of(canonical(given))) == (code, name)
    assert canonical(code) == code


@pytest.mark.parametrize(
    ("given", "advice"),
    [
        ("German", "give its code, de"),
        ("swahili", "give its code, sw"),
        ("xx", "give a code such as zh, sw or pt-BR"),
        ("zh-XX", "give a code such as zh, sw or pt-BR"),
        ("de-1996", "give a code such as zh, sw or pt-BR"),
        ("und", "give a code such as zh, sw or pt-BR"),
        ("", "give a code such as zh, sw or pt-BR"),
    ],
)
def test_other_text_is_refused_in_words(given: str, advice: str) -> None:
    with pytest.raises(RecipeError) as caught:
        resolve({"language": given})
    assert str(caught.value) == f"language: is not a language code (got {given!r}). Fix: {advice}."


@pytest.mark.parametrize("value", [5, ["de"], True])
def test_what_is_not_text_is_refused_as_in_any_setting(value: object) -> None:
    with pytest.raises(RecipeError, match="language: must be a text"):
        resolve({"language": value})


def test_the_language_is_what_the_teacher_is_asked_for() -> None:
    assert resolve({"language": "ZH"}).generate.languages == {"zh": 1.0}
    assert resolve({"language": "pt-br"}).curate.language == "pt-BR"
    assert resolve({}).generate.languages == resolve({"language": "en"}).generate.languages == {}
    several = resolve({"languages": {"SW": 2, "en": 1}})
    assert several.generate.languages == {"sw": 2.0, "en": 1.0}
    with pytest.raises(RecipeError, match="cannot be given together"):
        from selfinstruct.recipe.resolve import merge

        merge({"language": "de", "languages": {"sw": 2}})


def test_scripts_and_base_of_codes() -> None:
    assert scripts_of("ja") == {"Hani", "Hira", "Kana"} and scripts_of("zh-TW") == {"Hani"} and scripts_of("sr-Latn") == {"Latn"}
    assert scripts_of("ko") == {"Hang", "Hani"} and scripts_of("hi") == {"Deva"} and scripts_of("qq") == frozenset()
    assert base("zh-Hant-TW") == "zh" and base("sw") == "sw"
