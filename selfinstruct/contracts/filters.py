"""The contract of a filter, and the facts that a filter may read."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

from selfinstruct.records import Example, Rejection


class Stage(Enum):
    """The moment at which a filter runs: as soon as what it reads is there.

    Attributes:
        PROPOSED: For filters that read instruction and input. They run before the task is solved, so a rejection saves a request.
        FINISHED: For filters that read the output too. They run when the task has one.
        AMONG_ROWS: For filters that compare with the accepted rows. They run when all earlier rows are known.
    """

    PROPOSED = "proposed"
    FINISHED = "finished"
    AMONG_ROWS = "among rows"


@dataclass(frozen=True, slots=True)
class FilterContext:
    """Facts that a filter may read besides the example.

    Attributes:
        seed_instructions: Instructions of the seed tasks in lower case, each with and without its end mark.
        rows: The output of each accepted row by its instruction and input in lower case. Empty before `Stage.AMONG_ROWS`.
        cut: True when the reply ended at the token limit inside this example.
        language: Code of the language that the example was asked for, such as "en" or "pt-BR".
    """

    seed_instructions: frozenset[str]
    rows: Mapping[tuple[str, str], str]
    cut: bool = False
    language: str = "en"


class Filter(Protocol):
    """A plain function that rejects or accepts an example. Add `@filter(...)` for another stage or for some languages only."""

    def __call__(self, example: Example, context: FilterContext, **options: Any) -> Rejection | None:
        """Return a Rejection, or None to accept. Options are keyword parameters with defaults."""


FilterFunction = TypeVar("FilterFunction", bound=Callable[..., Rejection | None])


def filter(*, stage: Stage = Stage.FINISHED, languages: str | Sequence[str] = ()) -> Callable[[FilterFunction], FilterFunction]:
    """Return a decorator that sets a filter's `stage` and `languages`. A filter without it runs at `Stage.FINISHED`.

    `languages` are codes such as "en". For a dataset in another language, the filter is off by default.
    """
    codes = frozenset([languages] if isinstance(languages, str) else languages)

    def decorate(function: FilterFunction) -> FilterFunction:
        """Set the two attributes and return the function."""
        function.stage = stage  # type: ignore[attr-defined]
        function.languages = codes or None  # type: ignore[attr-defined]
        return function

    return decorate
