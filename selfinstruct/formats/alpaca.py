"""Stanford Alpaca's rows (Taori et al., 2023)."""

from __future__ import annotations

from collections.abc import Mapping

from selfinstruct.records import Example


def alpaca(example: Example) -> Mapping[str, str]:
    """Three strings, instruction, input and output, and nothing else, so that every trainer takes them."""
    return {"instruction": example.instruction, "input": example.input, "output": example.output}
