"""Chats in the shape of OpenAI's fine-tuning files, which most trainers take."""

from __future__ import annotations

from collections.abc import Iterable

from selfinstruct.contracts import ExportFiles, ExportRow
from selfinstruct.records import json_line


def messages(rows: Iterable[ExportRow], files: ExportFiles, reasoning: bool = False) -> None:
    """Write JSONL with one chat a line: a system message if there is one, the user's and the assistant's message.

    The user's message is the instruction. A blank line and the input follow where there is an input. With `reasoning`, the
    assistant's message also has the thinking of the row's reply as `reasoning_content`, where the provenance has it.
    """
    file = files.open("messages.jsonl")
    for row in rows:
        chat = [{"role": "system", "content": row.system}] if row.system else []
        answer = {"role": "assistant", "content": row.output}
        if reasoning and (thinking := row.provenance.get("reasoning")):
            answer["reasoning_content"] = str(thinking)
        chat += [{"role": "user", "content": row.question}, answer]
        file.write(json_line({"messages": chat}))
