"""Load the compiled library (the folder `kernel`) through ctypes, so that building it needs no Python headers."""

from __future__ import annotations

import ctypes
import weakref
from array import array
from collections.abc import Callable
from functools import cache
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from typing import Any

VERSION = 2  # of the calls below: a library of another version is not used

_POINTER, _INT, _LONG, _PLACE, _REAL = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64, ctypes.c_uint32, ctypes.c_double
_CALLS: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "words_new": (_POINTER, (ctypes.c_uint64,)),
    "words_free": (None, (_POINTER,)),
    "words_encode": (_LONG, (_POINTER, ctypes.c_char_p, _POINTER, ctypes.c_char_p, _LONG, _POINTER, _POINTER)),
    "pool_new": (_POINTER, (_REAL,)),
    "pool_free": (None, (_POINTER,)),
    "pool_cut": (None, (_POINTER, _PLACE)),
    "pool_bytes": (_LONG, (_POINTER,)),
    "pool_tokens": (_POINTER, (_POINTER,)),
    "pool_starts": (_POINTER, (_POINTER,)),
    "pool_meet": (_INT, (_POINTER, _POINTER, _LONG)),
    "pool_is_out_of_order": (_INT, (_POINTER,)),
    "pool_order": (_INT, (_POINTER, _POINTER)),
    "pool_add": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _LONG)),
    "pool_look": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _LONG, _POINTER, _POINTER)),
    "pool_admit": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _LONG, _PLACE, _POINTER, _POINTER)),
    "pool_above": (_LONG, (_POINTER, _POINTER, _POINTER, _LONG, _POINTER, _POINTER, _LONG)),
    "pool_mention": (_INT, (_POINTER, _POINTER)),
    "pool_nearest": (_INT, (_POINTER, _POINTER, _POINTER, _POINTER, _LONG, _POINTER, _PLACE, _POINTER, _POINTER, _POINTER)),
    "pool_scores": (_INT, (_POINTER, _POINTER, _POINTER, _LONG, _PLACE, _POINTER)),
    "query_new": (_POINTER, ()),
    "query_free": (None, (_POINTER,)),
    "query_counters": (None, (_POINTER, _POINTER)),
}


@cache
def library() -> ctypes.CDLL | None:
    """Return the library, or None if it was not built (no C compiler at installation) or has another version."""
    for suffix in EXTENSION_SUFFIXES:
        path = Path(__file__).with_name(f"_kernel{suffix}")
        if not path.exists():
            continue
        try:
            found = ctypes.CDLL(str(path))
            if found.kernel_version() != VERSION:
                continue
            for name, (result, arguments) in _CALLS.items():
                function = getattr(found, name)
                function.restype, function.argtypes = result, arguments
        except (OSError, AttributeError):
            continue
        return found
    return None


def handle(owner: object, pointer: int | None, free: Callable[[int], None]) -> int:
    """Return a pointer that is freed once `owner` is garbage. Raises MemoryError for a null pointer."""
    if not pointer:
        raise MemoryError
    # Not at the interpreter's exit, when other threads may still use it. The system frees the memory then.
    weakref.finalize(owner, free, pointer).atexit = False
    return pointer


def address(values: array[int], place: int = 0) -> int:
    """Return the address of a value, which is valid while the array exists and keeps its size."""
    return values.buffer_info()[0] + place * values.itemsize
