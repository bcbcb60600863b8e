"""Requests and provenance that a method's context and draw refuse before anything is sent."""

from __future__ import annotations

import json
import random
from typing import Any, cast

import pytest
from command_line import ROOT

from selfinstruct.contracts import Draw, MethodContext, ParsedTask
from selfinstruct.contracts.methods import _PROVENANCE
from selfinstruct.errors import PluginError

CONTEXT = MethodContext((), cast(Any, None), cast(Any, None))


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_request_without_any_text_is_refused(text: str) -> None:
    with pytest.raises(PluginError, match="the request '3/task': has an empty text"):
        CONTEXT.request("propose", "3/task", text)


def test_messages_alone_are_a_request() -> None:
    assert CONTEXT.request("propose", "3", messages=[{"role": "user", "content": "Hello"}]).messages


@pytest.mark.parametrize("name", ["model", "method", "instruction", "topic"])
def test_a_trace_cannot_replace_what_provenance_has(name: str) -> None:
    draw = Draw(cast(Any, None), random.Random(0))
    with pytest.raises(PluginError, match=f"provenance already has {name}. Fix: choose another name."):
        draw.candidates("3", [ParsedTask("Say hello.")], **cast(Any, {name: "mine"}))
    assert draw.candidates("3", [ParsedTask("Say hello.")], style="mine")[0].trace == {"style": "mine"}


@pytest.mark.parametrize("file", ["provenance.jsonl", "rejected.jsonl"])
def test_every_name_of_the_sample_is_reserved(file: str) -> None:
    lines = (ROOT / "data" / "sample" / file).read_text().splitlines()
    assert set().union(*map(json.loads, lines)) <= _PROVENANCE
