"""Read back the JSON lines in which a run directory keeps its passages and topics."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfinstruct.tables.rows import type_name
from selfinstruct.text import MakeError, read_bytes


def read_objects(path: Path, fields: Mapping[str, type], kind: str, error: MakeError) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the place ("file:line") and the object of each line.

    `fields` gives the name and the type of every field. `kind` is the word for one object in messages.
    Raises what `error` makes of a message when the file cannot be read or a line holds anything else.
    """
    for number, line in enumerate(read_bytes(path, error).split(b"\n"), 1):
        if not line:
            continue
        place = f"{path}:{number}"
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            raise error(f"{place}: is not valid JSON. Fix: restore the original file.") from None
        if not isinstance(row, dict) or {name: type(value) for name, value in row.items()} != fields:
            expected = ", ".join(f"{name} ({type_name(wanted())})" for name, wanted in fields.items())
            raise error(f"{place}: is not a {kind}, an object with {expected}. Fix: restore the original file.")
        yield place, row
