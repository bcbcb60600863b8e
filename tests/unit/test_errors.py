"""The class tree of errors, as its docstring draws it."""

from __future__ import annotations

import re

from selfinstruct import errors
from selfinstruct.errors import SelfInstructError


def tree(cls: type[SelfInstructError], depth: int = 0) -> list[tuple[int, str, int]]:
    """Return the depth, the name and the exit status of a class and of its subclasses in the package."""
    subclasses = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [(depth, cls.__name__, cls.exit_status), *(line for child in subclasses for line in tree(child, depth + 1))]


def test_the_docstring_draws_every_class_at_its_place_with_its_exit_status() -> None:
    drawn, above = [], {0: 1}
    for margin, name, status in re.findall(r"^([│├└─ ]*)([A-Z]\w+)  +(\d|-)?  ", str(errors.__doc__), re.MULTILINE):
        depth = len(margin) // 4
        above[depth] = above[depth - 1] if not status else 1 if status == "-" else int(status)
        drawn.append((depth, name, above[depth]))
    assert drawn == tree(SelfInstructError)
