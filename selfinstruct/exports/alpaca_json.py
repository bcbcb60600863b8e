"""Stanford Alpaca's file (Taori et al., 2023)."""

from __future__ import annotations

from collections.abc import Iterable

from selfinstruct.contracts import ExportFiles, ExportRow
from selfinstruct.errors import UserMistake, setting
from selfinstruct.records import json_line


def alpaca_json(rows: Iterable[ExportRow], files: ExportFiles) -> None:
    """Write one JSON array of objects with instruction, input and output, as Stanford's alpaca_data.json.

    Raises UserMistake for a row with a system text, which this shape has no key for.
    """
    file = files.open("alpaca_data.json")
    before = b"[\n"
    for row in rows:
        if row.system:
            raise UserMistake(
                f"alpaca-json: cannot hold a system text. Fix: remove {setting('system')}, or set {setting('to', 'messages')}."
            )
        file.write(before + json_line({"instruction": row.instruction, "input": row.input, "output": row.output})[:-1])
        before = b",\n"
    file.write(b"\n]\n")
