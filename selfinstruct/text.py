"""Read text files, write counts and values in messages, and define the kinds of characters that several packages treat alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

_MOST_SHOWN = 60  # characters of a value in a message
_MOST_LISTED = 5  # line numbers, keys or ids that a message names
MakeError = Callable[[str], Exception]  # the caller's kind of error, made of a message

# The definitions below are the inside of a character class for `re` or `regex`: write f"[{CONTROL}]".

# C0 without tab and line feed, DEL, and C1: none of them is text, and a carriage return can overwrite a line of a terminal.
CONTROL = "\x00-\x08\x0b-\x1f\x7f-\x9f"

# Half a character: JSON can hold one, UTF-8 cannot.
LONE_SURROGATE = "\ud800-\udfff"

# Characters that can move the cursor of a terminal, reorder what it shows, or fail to be encoded for it.
UNSAFE_ON_A_TERMINAL = CONTROL + "\u202a-\u202e\u2066-\u2069" + LONE_SURROGATE

# Scripts that write no spaces between words. One letter of them counts as a word and is a token of ROUGE-L.
# The ranges hold all letters, marks and digits of these scripts and of no other. They leave out marks that other scripts share.
_HAN_AND_KANA = (
    "\u3005\u3007\u3021-\u3029\u3038-\u303b"  # Han: iteration mark, zero, numerals
    "\u3040-\u3098\u309b-\u312f\u31a0-\u31bf\u31f0-\u31ff"  # Kana, Bopomofo
    "\u3400-\u4dbf\u4e00-\ua48f"  # Han, Yi
    "\uf900-\ufaff\uff66-\uff9f"  # Han and Kana, compatibility forms
    "\U00016fe0-\U00016fe3\U00016ff0-\U00018aff\U00018d00-\U00018dff"  # Tangut, and marks of Nushu and Han
    "\U0001aff0-\U0001b2ff"  # Kana, Nushu
    "\U00020000-\U0003cfff"  # Han
)
SPELLED_WITHOUT_SPACES = (  # the scripts among them in which a letter is a sound, so that a word has many letters
    "\u0e00-\u109f"  # Thai, Lao, Tibetan, Burmese
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df"  # Tai Le, New Tai Lue
    "\u1a20-\u1aaf\u1b00-\u1b7f"  # Tai Tham, Balinese
    "\ua980-\ua9ce\ua9d0-\ua9ff\uaa60-\uaadf"  # Javanese, more Burmese, Tai Viet
    "\U000116d0-\U000116ff"  # more Burmese
)
WITHOUT_SPACES = SPELLED_WITHOUT_SPACES + _HAN_AND_KANA

# Marks at the end of a sentence: Latin, full-width, Arabic, Indian, Burmese, Khmer, Ethiopic, Armenian.
SENTENCE_MARKS = ".!?\u2026\u3002\uff0e\uff61\uff01\uff1f\u061f\u06d4\u0964\u0965\u104a\u104b\u17d4\u17d5\u1362\u1367\u0589"
COLONS = ":\uff1a\ufe55\ufe13\u1365\u1366"  # also full-width and Ethiopic
COMMAS = ",\uff0c\u3001\uff64\ufe50\ufe51\u060c\u055d\u1363\u07f8"  # also full-width, Arabic, Armenian, Ethiopic
END_MARKS = SENTENCE_MARKS + COLONS + " "  # what may stand after the last word of an instruction


def read_text(path: Path, error: MakeError) -> str:
    """Return the text of a UTF-8 file without its byte order mark, with a line feed at each line end.

    Raises what `error` makes of a message when the file is missing, cannot be read or is not UTF-8.
    """
    return decode(read_bytes(path, error), path, error)


def read_bytes(path: Path, error: MakeError) -> bytes:
    """Return the bytes of a file.

    Raises what `error` makes of a message when the file is missing or cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as cause:
        raise error(unreadable(path, cause)) from None


def decode(raw: bytes, path: Path, error: MakeError) -> str:
    """Return the bytes of a file as text without its byte order mark, with a line feed at each line end.

    Raises what `error` makes of a message when the bytes are not UTF-8.
    """
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as cause:
        mark = len(raw) - len(cause.object)  # a byte order mark is not among the bytes that the error counts
        raise error(not_utf8(path, mark + cause.start + 1)) from None
    return with_line_feeds(text)


def with_line_feeds(text: str) -> str:
    """Return the text with a line feed at each line end, where CR LF or CR ended some."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def unreadable(path: Path | str, cause: OSError) -> str:
    """Return the message for a file that the system cannot read."""
    return f"{path}: cannot be read ({cause.strerror or cause}). Fix: check the path and its permissions."


def not_utf8(place: Path | str, byte: int) -> str:
    """Return the message for bytes that are not UTF-8, where `byte` counts from 1 at the start of the file or line."""
    return f"{place}: is not UTF-8 text (byte {byte:,}). Fix: save the file as UTF-8."


def shown(value: object) -> str:
    """Return a value for a message: at most 60 characters, without characters that a terminal obeys."""
    text = repr(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return a number with its noun, such as "1 row" or "2,000 rows"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(values: Sequence[int | str]) -> str:
    """Return the first five values as a list, such as "3, 7" or "1, 2, 3, 4, 5, ..."."""
    return ", ".join(map(str, values[:_MOST_LISTED])) + (", ..." if len(values) > _MOST_LISTED else "")
