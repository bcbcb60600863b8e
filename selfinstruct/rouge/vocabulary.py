"""Number the tokens of texts: a token that was not met before gets the next whole number."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from typing import Protocol

from selfinstruct.rouge.kernel_ctypes import address, handle, library
from selfinstruct.rouge.pool import EncodedTexts
from selfinstruct.rouge.tokens import Kind, tokenizer


class Vocabulary(Protocol):
    """The numbers of tokens."""

    def encode(self, texts: Iterable[str]) -> EncodedTexts:
        """Return the numbers of the tokens of each text, and number new tokens."""


class PortableVocabulary(dict[str, int]):
    """Numbers of tokens in a dictionary."""

    def __init__(self, kind: Kind, stem: bool) -> None:
        super().__init__()
        self._tokens = tokenizer(kind, stem)

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number

    def encode(self, texts: Iterable[str]) -> EncodedTexts:
        """Return the numbers of the tokens of each text, and number new tokens."""
        batch = EncodedTexts()
        for text in texts:
            batch.append(array("i", map(self.__getitem__, self._tokens(text))))
        return batch


class CompiledVocabulary:
    """Numbers of tokens in the compiled library, which also splits ASCII text into tokens."""

    def __init__(self, kind: Kind, stem: bool) -> None:
        calls = library()
        assert calls is not None
        self._calls = calls
        self._words = handle(self, calls.words_new(int.from_bytes(os.urandom(8), "little")), calls.words_free)
        self._tokens = tokenizer(kind, stem)
        self._plain = not stem
        self._ascii = kind == "ascii" and not stem

    def encode(self, texts: Iterable[str]) -> EncodedTexts:
        """Return the numbers of the tokens of each text, and number new tokens."""
        parts, plain = [], bytearray()
        for text in texts:
            is_plain = self._plain and text.isascii()
            if is_plain:
                part = text.encode()
            elif self._ascii:  # once Python has lower-cased the text, the library splits it at all other bytes
                is_plain, part = True, text.lower().encode(errors="surrogatepass")
            else:
                part = " ".join(self._tokens(text)).encode(errors="surrogatepass")
            parts.append(part)
            plain.append(is_plain)
        sizes = array("q", map(len, parts))
        codes, starts = array("i", bytes(4 * (sum(sizes) // 2 + len(parts) + 1))), array("q", bytes(8 * (len(parts) + 1)))
        ends = (address(sizes), bytes(plain), len(parts), address(codes), address(starts))
        used = self._calls.words_encode(self._words, b"".join(parts), *ends)
        if used < 0:
            raise MemoryError
        return EncodedTexts(codes[:used], starts)
