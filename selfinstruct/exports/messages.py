"""Chats in the shape of OpenAI's fine-tuning files, which most trainers take."""

from __future__ import annotations

from collections.abc import Iterable

from selfinstruct.contracts import ExportFiles, ExportRow
from selfinstruct.records import json_line


def messages(rows: Iterable[ExportRow], files: ExportFiles) -> None:
    """Write JSONL with one chat a line: a system message if there is one, the user's and the assistant's message.

    The user's message is the instruction. A blank line and the input follow where there is an input.
    """
    file = files.open("messages.jsonl")
    for row in rows:
        chat = [{"role": "system", "content": row.system}] if row.system else []
        chat += [{"role": "user", "content": row.question}, {"role": "assistant", "content": row.output}]
        file.write(json_line({"messages": chat}))
