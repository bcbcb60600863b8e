from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
import regex

from selfinstruct.errors import SeedError, TopicError
from selfinstruct.text import CONTROL, LONE_SURROGATE, UNSAFE_ON_A_TERMINAL, WITHOUT_SPACES, decode, read_bytes, read_text

SCRIPTS = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\u30FC\p{Bopomofo}\p{Yi}\p{Tangut}\p{Nushu}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tibetan}"
    r"\p{Tai_Tham}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Viet}\p{Javanese}\p{Balinese}"
)


def test_the_ranges_hold_all_letters_marks_and_digits_of_the_scripts_without_spaces_and_of_no_other() -> None:
    everything = "".join(map(chr, [*range(0xD800), *range(0xE000, 0x110000)]))
    # Tokens are made of normalized text, so that only characters that normalization keeps must agree.
    kept = [sign for sign in regex.findall(r"[\p{L}\p{M}\p{N}]", everything) if unicodedata.normalize("NFKC", sign) == sign]
    by_script, by_range = regex.compile(f"[{SCRIPTS}]"), re.compile(f"[{WITHOUT_SPACES}]")
    assert [hex(ord(sign)) for sign in kept if bool(by_script.match(sign)) != bool(by_range.match(sign))] == []
    assert len(kept) > 100_000


@pytest.mark.parametrize("sign", list("กລཀမខ中あアㄅꀀꦏᬓ々〇𠀀ｱ"))
def test_a_letter_of_a_script_without_spaces_is_known(sign: str) -> None:
    assert re.fullmatch(f"[{WITHOUT_SPACES}]", sign)


@pytest.mark.parametrize("sign", list("aЖश한ㅏ 、。「」　\u0300\u3099"))
def test_spaces_punctuation_and_scripts_with_spaces_are_not_among_them(sign: str) -> None:
    assert not re.fullmatch(f"[{WITHOUT_SPACES}]", sign)


def test_tabs_and_line_feeds_are_the_only_characters_below_the_space_that_are_text() -> None:
    signs = [chr(code) for code in range(0xA0)]
    assert [sign for sign in signs if unicodedata.category(sign) == "Cc" and not re.match(f"[{CONTROL}]", sign)] == ["\t", "\n"]
    assert [sign for sign in signs if unicodedata.category(sign) != "Cc" and re.match(f"[{CONTROL}]", sign)] == []


@pytest.mark.parametrize("sign", ["\x1b", "\x9b", "\r", "\u202e", "\u2066", "\ud83d"])
def test_escapes_overrides_and_halves_of_characters_are_unsafe_on_a_terminal(sign: str) -> None:
    assert re.match(f"[{UNSAFE_ON_A_TERMINAL}]", sign)
    assert bool(re.match(f"[{LONE_SURROGATE}]", sign)) == (sign == "\ud83d")


def test_a_file_is_read_without_its_byte_order_mark_and_with_line_feeds(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_text(path, SeedError) == "one\ntwo\nthree\n"


@pytest.mark.parametrize(("raw", "byte"), [(b"caf\xe9", 4), (b"\xef\xbb\xbfcaf\xe9", 7), (b"\xff\xfea\x00", 1)])
def test_bytes_that_are_not_utf_8_are_refused_with_their_place_in_the_file(raw: bytes, byte: int) -> None:
    with pytest.raises(TopicError) as caught:
        decode(raw, Path("a.txt"), TopicError)
    assert str(caught.value) == f"a.txt: is not UTF-8 text (byte {byte}). Fix: save the file as UTF-8."


def test_a_file_that_cannot_be_read_is_refused_as_the_callers_error(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path, tmp_path / ("x" * 5000)):
        with pytest.raises(SeedError, match=r"cannot be read \(.+\)\. Fix: check the path and its permissions\.") as caught:
            read_bytes(path, SeedError)
        assert str(path) in str(caught.value)
