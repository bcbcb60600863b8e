"""Read JSON Lines: one object on each line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.file_table import FileTable
from selfinstruct.tables.rows import TextRows, batched, require_object

_SPACE = " \t\r\n"  # the white space of JSON: Python's `strip` would remove more


class JsonlTable(FileTable):
    """A file of JSON Lines. Blank lines are skipped."""

    kind = "jsonl"

    def batches(self) -> Iterator[TextRows]:
        """Yield all rows. The bytes of a row are its line without the line end."""
        return batched(self.name, self.kind, self._rows())

    def _rows(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        for number, line, text in self.lines():
            if text.strip(_SPACE):
                where = f"{self.name}:{number}"
                yield number, line, require_object(parse(text.rstrip(_SPACE), where), where)


def parse(text: str, where: str) -> Any:
    """Return the value of a JSON text. Raises TableError with the place `where` if it is not valid."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        problem = f"is not valid JSON ({error.msg}, column {error.colno})"
    except (ValueError, RecursionError) as error:
        problem = f"holds JSON that cannot be read ({reason(error)})"
    raise TableError(f"{where}: {problem}. Fix: correct the line or remove it.")


def reason(error: Exception) -> str:
    """Return why JSON that may be valid cannot be read."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(":")[0]
