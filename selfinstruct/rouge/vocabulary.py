"""From texts to numbers: each token has one, the next for a token that was not met before."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterable
from typing import Protocol

from selfinstruct.rouge.kernel_ctypes import address, handle, library
from selfinstruct.rouge.pool import Batch
from selfinstruct.rouge.tokens import Kind, tokenizer


class Words(Protocol):
    """Knows the number of each token."""

    def encode(self, texts: Iterable[str]) -> Batch:
        """The numbers of the tokens of each text."""


class PortableWords(dict[str, int]):
    """Words in a dictionary."""

    def __init__(self, kind: Kind, stem: bool) -> None:
        super().__init__()
        self._tokens = tokenizer(kind, stem)

    def __missing__(self, token: str) -> int:
        self[token] = number = len(self)
        return number

    def encode(self, texts: Iterable[str]) -> Batch:
        """The numbers of the tokens of each text."""
        batch = Batch()
        for text in texts:
            batch.append(array("i", map(self.__getitem__, self._tokens(text))))
        return batch


class CompiledWords:
    """Words in the compiled library, which makes the tokens of ASCII text itself."""

    def __init__(self, kind: Kind, stem: bool) -> None:
        found = library()
        assert found is not None
        self._calls = found
        self._words = handle(self, found.words_new(int.from_bytes(os.urandom(8), "little")), found.words_free)
        self._tokens = tokenizer(kind, stem)
        self._plain = not stem
        self._ascii = kind == "ascii" and not stem

    def encode(self, texts: Iterable[str]) -> Batch:
        """The numbers of the tokens of each text."""
        parts, plain = [], bytearray()
        for text in texts:
            is_plain = self._plain and text.isascii()
            if is_plain:
                part = text.encode()
            elif self._ascii:  # bytes of other letters end a token, once letters have become small as Python has it
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
        return Batch(codes[:used], starts)
