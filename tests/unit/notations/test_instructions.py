"""Lists of instructions and single instructions: each way to write them comes out exactly, or the item is rejected."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.notations.listed import listed
from selfinstruct.notations.plain import plain
from selfinstruct.records import Example

A, B, C = "Name a river.", "Sort the words:\nb, a", "Say why *this* is so."
LISTS = [
    "1. {}\n2. {}\n3. {}", "1) {}\n2) {}\n3) {}", "(1) {}\n(2) {}\n(3) {}", "[1] {}\n[2] {}\n[3] {}", "1 - {}\n2 - {}\n3 - {}",
    "1: {}\n2: {}\n3: {}", "#1: {}\n#2: {}\n#3: {}", "1、{}\n2、{}\n3、{}", "**1.** {}\n**2.** {}\n**3.** {}", "## 1. {}\n## 2. {}\n## 3. {}",
    "Task 1: {}\nTask 2: {}\nTask 3: {}", "1. {}\n1. {}\n1. {}", "- {}\n- {}\n- {}", "* {}\n* {}\n* {}", "• {}\n• {}\n• {}", "{}\n10. {}\n11. {}",
    "9. - {}\n- {}\n- {}", "```\n1. {}\n2. {}\n3. {}\n```", "```text\n1. {}\n\n2. {}\n\n3. {}\n```", "# New tasks\n\n1. {}\n2. {}\n3. {}",
    "**Tasks**\n1. {}\n2. {}\n3. {}", "Sure!\n1. {}\n1. {}\n1. {}", "Here you go:\n- {}\n- {}\n- {}", "9. Sure! Here they are:\n1. {}\n2. {}\n3. {}",
    "Here are three:\n\n1. {}\n2. {}\n3. {}\n\nLet me know if you'd like more tasks!", "1. {}\n2. {}\n3. {}\n\n如果需要更多任务，请告诉我。",
]  # fmt: skip
PIECES = [
    "1. ",
    "2. ",
    "- ",
    "* ",
    "\n",
    "\n- ",
    "\n2. ",
    "\n3) ",
    "**",
    "**1.**",
    "\\",
    "\\1. ",
    '"',
    "“",
    "Instruction:",
    "Task 2: ",
    "Sure! Here:",
    "a",
    "\n\n",
    "```",
    "# T",
    "\n4 - ",
]
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), min_size=1, max_size=6).map("".join).map(Example.of)
USABLE = TEXTS.filter(lambda one: bool(one.instruction))


@pytest.mark.parametrize("written", LISTS)
def test_each_spelling_of_a_list_comes_out_exactly(written: str) -> None:
    tasks = listed().parse(written.format(A, B, C))
    assert [(task.instruction, task.defect) for task in tasks] == [(A, None), (B, None), (C, None)]


def test_a_list_in_a_block_quote_comes_out_exactly() -> None:
    assert [task.instruction for task in listed().parse(f"> 1. {A}\n> 2. {C}")] == [A, C]


def test_a_nested_list_stays_in_its_item_if_it_is_indented() -> None:
    tasks = listed().parse("1. Sort:\n   1. b\n   2. a\n2. Go.")
    assert [(task.instruction, task.defect) for task in tasks] == [("Sort:\n   1. b\n   2. a", None), ("Go.", None)]


def test_numbers_that_begin_again_make_rejections() -> None:
    tasks = listed().parse("1. Go.\n2. Sort:\n1. b\n2. a\n3. Say why.")
    assert [task.defect.rule if task.defect else task.instruction for task in tasks] == ["Go.", "malformed", "malformed"]


@given(st.lists(USABLE, min_size=1, max_size=4), st.integers(1, 9000))
@settings(max_examples=400, derandomize=True, deadline=None)
def test_a_list_reads_back_what_it_writes(examples: list[Example], start: int) -> None:
    tasks = listed().parse(listed().render(examples, start))
    assert [(task.instruction, task.defect) for task in tasks] == [(one.instruction, None) for one in examples]


@given(USABLE)
@settings(max_examples=400, derandomize=True, deadline=None)
def test_an_instruction_reads_back_as_it_was_written(example: Example) -> None:
    assert plain().parse(plain().render([example]))[0].instruction == example.instruction


@pytest.mark.parametrize(
    "reply",
    [
        A, f'"{A}"', f"“{A}”", f"Instruction: {A}", f"**Instruction:** {A}", f"**New instruction:**\n\n{A}", f"指令：{A}",
        f"Sure! Here is a new instruction:\n\n{A}", f'Here is one:\n\n"{A}"',
    ],
)  # fmt: skip
def test_what_a_chat_writes_around_an_instruction_is_left_out(reply: str) -> None:
    assert plain().parse(reply)[0].instruction == A


@pytest.mark.parametrize(
    "text", ['"Yes" or "no"?', '"Go" is a word.', "Task: force the lock.\nWhy?", "Here is a list:\nb, a\nSort it."]
)
def test_an_instruction_with_such_signs_inside_stays_whole(text: str) -> None:
    assert plain().parse(text)[0].instruction in (text, text.removeprefix("Task: "))
