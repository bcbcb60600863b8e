"""JSON Lines: an object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.file_table import FileTable
from selfinstruct.tables.rows import TextRows, an_object, batched

_SPACE = " \t\r\n"  # what JSON counts as such; Python strips more


class JsonlTable(FileTable):
    """A file of JSON Lines; blank lines are passed over."""

    kind = "jsonl"

    def batches(self) -> Iterator[TextRows]:
        """All rows; their bytes are the line without its end."""
        return batched(self.name, self.kind, self._rows())

    def _rows(self) -> Iterator[tuple[int, bytes, dict[str, Any]]]:
        for number, line, text in self.lines():
            if text.strip(_SPACE):
                where = f"{self.name}:{number}"
                yield number, line, an_object(parsed(text.rstrip(_SPACE), where), where)


def parsed(text: str, where: str) -> Any:
    """The value of a JSON text; raises TableError with the place."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise TableError(f"{where}: is not valid JSON ({error.msg}, column {error.colno}); mend or remove it") from None
    except (ValueError, RecursionError) as error:
        raise TableError(f"{where}: holds JSON that cannot be read ({reason(error)}); mend or remove it") from None


def reason(error: Exception) -> str:
    """Why JSON that may be valid cannot be read."""
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).partition(":")[0]
