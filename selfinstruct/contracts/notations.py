"""The contract of a notation, and the prompt file that names it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from selfinstruct.records import Example, ParsedTask


class Notation(Protocol):
    """The way in which a list of tasks is written in a prompt and read from a reply. Reading undoes writing for any text."""

    def render(self, examples: Sequence[Example], start: int = 1) -> str:
        """Return the examples as text. A notation with numbers begins at `start`."""

    def parse(self, text: str, finish_reason: str = "stop") -> list[ParsedTask]:
        """Return the tasks of a reply, at least one. A task that cannot be used has a `defect`. Never raise."""

    def sampling(self) -> Mapping[str, Any]:
        """Return request fields that the notation needs, such as a response format."""


class Prompt(Protocol):
    """A prompt file: named sections of text with placeholders."""

    @property
    def name(self) -> str:
        """The name that provenance and dataset card show."""

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of the file's text."""

    @property
    def notation(self) -> str:
        """The name of the notation in which replies are expected."""

    def has(self, section: str) -> bool:
        """Return True if the file has this section."""

    def names_language(self, section: str) -> bool:
        """Return True if a section has a place for the language."""

    def require(self, *sections: str) -> None:
        """Raise PromptError unless the file has all of these sections. A method calls it before anything is asked."""

    def fill(self, section: str, **values: object) -> str:
        """Return the section with its placeholders replaced. Braces inside a value are left alone."""
