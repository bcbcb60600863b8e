"""The tokens that ROUGE-L compares: those of `rouge_score` for ASCII text, and tokens for all other scripts."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nltk.stem.porter import PorterStemmer
from rouge_score.tokenize import tokenize

from selfinstruct.errors import UserMistake
from selfinstruct.rouge.tokens import ascii_tokens, tokenizer, unicode_tokens

REPEATABLE = settings(max_examples=400, derandomize=True, deadline=None)
ASCII = st.text(st.characters(max_codepoint=127), max_size=60)
SUFFIXED = st.lists(
    st.tuples(
        st.from_regex(r"[a-z]{1,6}", fullmatch=True),
        st.sampled_from(
            ["", "s", "es", "ed", "eed", "ing", "ies", "ational", "ization", "iveness", "ly", "y", "sses", "e", "ll", "9"]
        ),
    ).map("".join),
    max_size=8,
).map(" ".join)
TYPOGRAPHIC = "\u2018\u2019\u201c\u201d\u2013\u2014\u2022\u2026\u00a0\u00ab\u00bb\u00bf\u00a1\u20ac\u00b7\u3001\u3002"


@given(ASCII)
@REPEATABLE
def test_tokens_of_ascii_text_are_those_of_rouge_score(text: str) -> None:
    assert unicode_tokens(text) == ascii_tokens(text) == tokenizer()(text) == tokenize(text, None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["unicode", "ascii"])
@given(ASCII | SUFFIXED)
@REPEATABLE
def test_stemmed_tokens_of_ascii_text_are_those_of_rouge_score(kind: str, text: str) -> None:
    assert tokenizer(kind, stem=True)(text) == tokenize(text, PorterStemmer())  # type: ignore[arg-type]


@given(st.text())
@REPEATABLE
def test_tokens_of_kind_ascii_are_those_of_rouge_score_for_any_text(text: str) -> None:
    assert ascii_tokens(text) == tokenizer("ascii")(text) == tokenize(text, None)
    assert tokenizer("ascii", stem=True)(text) == tokenize(text, PorterStemmer())


@given(st.text(st.characters(max_codepoint=127) | st.sampled_from(TYPOGRAPHIC), max_size=60))
@REPEATABLE
def test_english_with_typographic_signs_has_the_tokens_of_rouge_score(text: str) -> None:
    assert unicode_tokens(text) == tokenize(text, None)


def test_pairs_of_ascii_characters_have_the_tokens_of_rouge_score_next_to_another_script() -> None:
    for one in map(chr, range(128)):
        for other in map(chr, range(128)):
            assert unicode_tokens(f"\u00e9 {one}{other}") == ["\u00e9", *tokenize(one + other, None)]


@given(st.text())
@REPEATABLE
def test_the_tokens_of_a_token_are_the_token_itself(text: str) -> None:
    found = unicode_tokens(text)
    assert unicode_tokens("\u00e9 " + " ".join(found)) == ["\u00e9", *found]
    assert all(token and not set(token) & set(" \t\n.,!?") for token in found)


@given(st.text(), st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
@REPEATABLE
def test_every_form_of_a_text_has_the_same_tokens(text: str, form: str) -> None:
    text += "\u00e9"  # so that no form of it is ASCII
    assert unicode_tokens(unicodedata.normalize(form, text)) == unicode_tokens(text)  # type: ignore[arg-type]


@given(st.text())
@REPEATABLE
def test_a_text_with_a_letter_is_never_without_tokens(text: str) -> None:
    visible = [character for character in text if character not in "\u115f\u1160\u3164\uffa0"]  # invisible letters
    letters = any(unicodedata.category(character) in ("Lu", "Ll", "Lt", "Lo", "Nd") for character in visible)
    assert unicode_tokens(text) or not letters


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22 \u0e21\u0e35",
            "\u0e20 \u0e32 \u0e29 \u0e32 \u0e44 \u0e17 \u0e22 \u0e21\u0e35",
        ),  # Thai
        ("\u0e9e\u0eb2\u0eaa\u0eb2\u0ea5\u0eb2\u0ea7", "\u0e9e \u0eb2 \u0eaa \u0eb2 \u0ea5 \u0eb2 \u0ea7"),  # Lao
        (
            "\u1797\u17b6\u179f\u17b6\u1781\u17d2\u1798\u17c2\u179a\u17d4",
            "\u1797\u17b6 \u179f\u17b6 \u1781\u17d2 \u1798\u17c2 \u179a",
        ),  # Khmer
        ("\u1019\u103c\u1014\u103a\u1019\u102c\u104b", "\u1019\u103c \u1014\u103a \u1019\u102c"),  # Burmese
        ("\u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51\u0f0d", "\u0f56\u0f7c \u0f51 \u0f66\u0f90 \u0f51"),  # Tibetan
        ("\u4e2d\u6587\uff0c\u6d4b\u8bd5\u3002GPT4", "\u4e2d \u6587 \u6d4b \u8bd5 gpt4"),  # Chinese
        ("\U00020bb7\u91ce\u5bb6", "\U00020bb7 \u91ce \u5bb6"),  # Han beyond 16 bits
        (
            "\u65e5\u672c\u306e\u30b3\u30fc\u30d2\u30fc\u30fb\u8336",
            "\u65e5 \u672c \u306e \u30b3 \u30fc \u30d2 \u30fc \u8336",
        ),  # Japanese
        ("\uff76\uff9e\uff77", "\u30ac \u30ad"),  # half-width kana
        ("\u304b\u3099", "\u304c"),  # kana and a voicing mark
        ("\u3105\u3106", "\u3105 \u3106"),  # Bopomofo
        ("\ud55c\uad6d\uc5b4 \ub2e8\uc5b4.", "\ud55c\uad6d\uc5b4 \ub2e8\uc5b4"),  # Korean
        ("\u1112\u1161\u11ab\uad6d", "\ud55c\uad6d"),  # Korean, written by its parts
        (
            "\u0645\u0631\u062d\u0628\u0627\u060c \u0639\u0627\u0644\u0645\u061f",
            "\u0645\u0631\u062d\u0628\u0627 \u0639\u0627\u0644\u0645",
        ),  # Arabic
        (
            "\u0645\u0640\u0640\u062d\u0645\u062f \ufee3\ufea4\ufee4\ufeaa",
            "\u0645\u062d\u0645\u062f \u0645\u062d\u0645\u062f",
        ),  # stretched; as shapes
        ("\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "\u0645\u06cc\u062e\u0648\u0627\u0647\u0645"),  # Persian with a ZWNJ
        ("\u05e9\u05dc\u05d5\u05dd, \u05e2\u05d5\u05dc\u05dd", "\u05e9\u05dc\u05d5\u05dd \u05e2\u05d5\u05dc\u05dd"),  # Hebrew
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902\u0964",
            "\u0939\u093f\u0928\u094d\u0926\u0940 \u092e\u0947\u0902",
        ),  # Hindi
        ("\u0915\u094d\u200d\u0937 \u0915\u094d\u200c\u0937", "\u0915\u094d\u0937 \u0915\u094d\u0937"),  # Hindi with joiners
        (
            "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0bae\u0bca\u0bb4\u0bbf",
            "\u0ba4\u0bae\u0bbf\u0bb4\u0bcd \u0bae\u0bca\u0bb4\u0bbf",
        ),  # Tamil
        (
            "\u039f\u0394\u039f\u03a3 \u03bf\u03b4\u03bf\u03c2",
            "\u03bf\u03b4\u03bf\u03c3 \u03bf\u03b4\u03bf\u03c3",
        ),  # Greek, final sigma
        (
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440!",
            "\u043f\u0440\u0438\u0432\u0435\u0442 \u043c\u0438\u0440",
        ),  # Cyrillic
        ("Ti\u1ebfng Vi\u1ec7t", "ti\u1ebfng vi\u1ec7t"),  # Vietnamese, composed
        ("Tie\u0302\u0301ng Vie\u0323\u0302t", "ti\u1ebfng vi\u1ec7t"),  # and decomposed
        ("\u0130stanbul i\u0307stanbul I\u0307STANBUL", "istanbul istanbul istanbul"),  # Turkish
        ("\u0131\u015f\u0131k", "\u0131\u015f\u0131k"),
        ("Stra\u00dfe STRASSE caf\u00e9", "strasse strasse caf\u00e9"),
        ("\uff21\uff22\uff23\u3000\uff11\uff12", "abc 12"),  # full width
        ("\ufb01ne x\u00b2", "fine x2"),  # a ligature, a raised digit
        ("don\u2019t", "don t"),
        ("co\u00adop\u00e9ration \ufeffmot", "coop\u00e9ration mot"),  # a soft hyphen, a byte-order mark
        ("\u0e01\u200b\u0e02 a\u200bb", "\u0e01 \u0e02 a b"),  # a zero-width space ends a word
        ("abc\u4e2d12\u0e01\u0e35\u043c\u0438\u0440", "abc \u4e2d 12 \u0e01\u0e35 \u043c\u0438\u0440"),  # mixed
        ("1\ufe0f\u20e3 #\ufe0f\u20e3", "1"),  # keycaps
    ],
)
def test_tokens_are_words_or_letters_with_their_marks_in_scripts_without_spaces(text: str, expected: str) -> None:
    assert unicode_tokens(text) == expected.split()


@pytest.mark.parametrize(
    "text",
    [
        "\u2764\ufe0f",  # a heart with a variation selector, which is a mark
        "\U0001f600\U0001f44d\U0001f3fd",
        "\U0001f469\u200d\U0001f469\u200d\U0001f467",
        "\U0001f1e9\U0001f1ea",
        "\u00a8 \u00b4 \u0301",  # accents without a letter
        "\u3164\u115f",  # invisible letters
        "\u0f0b\u0f0d\u17d4\u104b\u0e4f\u0e3f\u3002\u060c",  # signs of scripts
        "\u200b\u200d\ufeff",
    ],
)
def test_signs_without_a_letter_or_digit_give_no_tokens(text: str) -> None:
    assert unicode_tokens(text) == []


def test_thousands_of_marks_on_one_letter_are_not_slower_than_other_text() -> None:
    """Without a limit this would take minutes, because normalization compares each mark with each other."""
    found = unicode_tokens("a" + "\u0315\u0300" * 400_000)
    assert len(found) == 1 and len(found[0]) <= 31


def test_stemming_does_not_change_other_scripts_and_short_words() -> None:
    stemmed = tokenizer(stem=True)
    text = "\u0939\u093f\u0928\u094d\u0926\u0940 \u043c\u0438\u0440\u043d\u044b\u0439 \u00e9t\u00e9s was"
    assert stemmed(text)[:2] == unicode_tokens(text)[:2] and stemmed(text)[3] == "was"
    assert stemmed("caf\u00e9 running")[1] == "run"


def test_an_unknown_kind_of_tokens_is_refused() -> None:
    with pytest.raises(UserMistake, match=r"unicode, ascii .*'words'"):
        tokenizer("words")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("with_vowels", "without"),
    [
        ("كَتَبَ الطَّالِبُ الدَّرْسَ", "كتب الطالب الدرس"),
        ("قَرَأَ آيَةً مِنَ القُرْآنِ", "قرأ آية من القرآن"),
        ("هٰذَا بَيْتٌ", "هذا بيت"),
        ("שָׁלוֹם עֲלֵיכֶם", "שלום עליכם"),
        ("\ufb2aלום", "שלום"),  # noqa: RUF001
    ],
)
def test_vowel_marks_that_may_be_left_out_do_not_count(with_vowels: str, without: str) -> None:
    assert unicode_tokens(with_vowels) == unicode_tokens(without) == without.split()


def test_marks_that_make_another_letter_or_vowel_count() -> None:
    for one, other in (("أب", "اب"), ("آن", "ان"), ("का", "क"), ("กี่", "กา"), ("é", "e"), ("が", "か"), ("ی\u0654", "ی")):
        assert unicode_tokens(one) != unicode_tokens(other), (one, other)
