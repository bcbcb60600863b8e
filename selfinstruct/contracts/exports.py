"""The contract of an export, and the rows and files that it is given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol


@dataclass(frozen=True, slots=True)
class ExportRow:
    """A row of a run as an export gets it.

    Attributes:
        id: Sixteen hex digits that depend on the three texts alone.
        instruction: The instruction.
        input: The input, or "".
        output: The output.
        provenance: The row's line in `provenance.jsonl`.
        system: The system text that the caller wants with the row, or "".
    """

    id: str
    instruction: str
    input: str
    output: str
    provenance: Mapping[str, Any]
    system: str = ""

    @property
    def question(self) -> str:
        """The instruction. A blank line and the input follow where there is an input."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


class ExportFiles(Protocol):
    """New files of an export. All of them appear together, when the export has returned."""

    def open(self, name: str) -> BinaryIO:
        """Return a file to write bytes to. It is called `name` in the caller's directory, or as the caller's file is called.

        Raises:
            UserMistake: Such a file exists, or a second file is opened and the caller wants one file.
        """


class Export(Protocol):
    """Another shape of a run's rows. An export never changes the run."""

    def __call__(self, rows: Iterable[ExportRow], files: ExportFiles, **options: Any) -> None:
        """Write all rows, one after the other, without holding them in memory. Options are keyword parameters with defaults.

        Raises:
            UserMistake: A row has something that this shape cannot hold.
        """
