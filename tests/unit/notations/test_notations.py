"""Tasks written in a prompt and read from a reply: law 5, and every reply that broke the original."""

from __future__ import annotations

import json as json_text

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct import plugins
from selfinstruct.notations.json import json
from selfinstruct.notations.numbered import numbered
from selfinstruct.notations.plain import plain
from selfinstruct.records import Example, ParsedTask

FRAGMENTS = [
    "###", "### ", " ###", "####", "### Title", "1. Instruction:", "2. Input:", "12. Output: x", "**3. Instruction:** y",
    "## 4. Output:", "5) input :", "\u0663. Instruction:", "<noinput>", "<no input>", "noinput", "N/A", "None.", "```", "~~~",
    "```python", "\\", "\\###", "\\\\<noinput>", "\\1. Instruction:", "\n", "\n\n", "\r\n", "\r", "\u2028", "\u2029", "\x85",
    "\x0b", "\x1c", "\t", " ", "{", "}", '"', "[", "]", '{"tasks": [', "{{examples}}", "a", "in 2020.", "\ud800", "\U0001f600",
]  # fmt: skip
TEXTS = st.lists(st.sampled_from(FRAGMENTS) | st.text(st.characters(), max_size=5), max_size=8).map("".join)
EXAMPLES = st.builds(Example.of, TEXTS, TEXTS, TEXTS)
REPEATABLE = settings(max_examples=300, derandomize=True, deadline=None)

FOUR, FIVE = Example("Name a river.", "", "The Niger."), Example("Add these numbers.", "2, 3", "5")
PLAIN_LIST = numbered().render([FOUR, FIVE], start=4)


def as_items(examples: list[Example]) -> list[ParsedTask]:
    return [ParsedTask(example.instruction, example.input, example.output) for example in examples]


def read(text: str, finish_reason: str = "stop") -> list[tuple[str, str, str | None]]:
    """Return the three texts of each item. No item may have a defect or be cut."""
    items = numbered().parse(text, finish_reason)
    assert all(item.defect is None and not item.cut for item in items), items
    return [(item.instruction, item.input, item.output) for item in items]


BOTH = [("Name a river.", "", "The Niger."), ("Add these numbers.", "2, 3", "5")]


@pytest.mark.slow
@given(st.lists(EXAMPLES, min_size=1, max_size=4), st.integers(1, 9996))
@REPEATABLE
def test_numbered_reads_back_what_it_writes(examples: list[Example], start: int) -> None:
    assert numbered().parse(numbered().render(examples, start)) == as_items(examples)


@pytest.mark.slow
@given(st.lists(EXAMPLES, min_size=1, max_size=4), st.integers(1, 9996))
@REPEATABLE
def test_json_reads_back_what_it_writes(examples: list[Example], start: int) -> None:
    assert json().parse(json().render(examples, start)) == as_items(examples)


@given(TEXTS.filter(lambda text: text.strip()))
@REPEATABLE
def test_plain_reads_back_the_instruction_it_writes(text: str) -> None:
    example = Example.of(text)
    assert plain().parse(plain().render([example])) == [ParsedTask(example.instruction)]


@given(TEXTS, TEXTS, TEXTS)
@REPEATABLE
def test_normalising_an_example_twice_changes_nothing(instruction: str, input: str, output: str) -> None:
    example = Example.of(instruction, input, output)
    assert Example.of(example.instruction, example.input, example.output) == example
    for text in (example.instruction, example.input, example.output):
        assert "\r" not in text and text == text.strip()


def test_line_ends_become_line_feeds_and_inner_white_space_stays() -> None:
    assert Example.of(" a\r\nb\rc \t d\u2028e\n\n", "\n", " x ") == Example("a\nb\nc \t d\u2028e", "", "x")


@given(TEXTS, st.sampled_from(["stop", "length", "content_filter", "unheard_of"]))
@REPEATABLE
@pytest.mark.parametrize("name", plugins.names("notation"))
def test_every_reply_gives_an_item_and_none_raises(name: str, text: str, finish_reason: str) -> None:
    assert plugins.find("notation", name)().parse(text, finish_reason)


@pytest.mark.slow
@given(st.lists(EXAMPLES, min_size=1, max_size=3), st.integers(0, 300))
@REPEATABLE
def test_a_list_cut_anywhere_keeps_every_item_before_the_last(examples: list[Example], length: int) -> None:
    text = numbered().render(examples)[:length]
    items = numbered().parse(text, "length")
    assert items[-1].cut or items[-1].defect
    assert items[:-1] == as_items(examples)[: len(items) - 1]


@pytest.mark.slow
@given(st.lists(EXAMPLES, min_size=1, max_size=3), st.integers(0, 300))
@REPEATABLE
def test_a_json_object_cut_anywhere_keeps_every_whole_task(examples: list[Example], length: int) -> None:
    whole = json().render(examples)
    items = json().parse(whole[:length], "length")
    kept = [item for item in items if not item.defect]
    assert kept == as_items(examples)[: len(kept)]
    assert len(kept) < len(items) or length >= len(whole.rstrip("]} \n"))


def test_an_output_heading_quoted_in_an_output_does_not_cut_it() -> None:
    text = "###\n1. Instruction: Show a log.\n1. Output:\nIt says:\n7. Output: done\n7. Input: more\n" + PLAIN_LIST
    assert read(text) == [("Show a log.", "", "It says:\n7. Output: done\n7. Input: more"), *BOTH]


def test_a_separator_between_the_fields_of_an_item_does_not_break_it() -> None:
    text = "1. Instruction: Add 2 and 3.\n###\n1. Input:\n<noinput>\n###\n1. Output:\n5\n###\n"
    assert read(text) == [("Add 2 and 3.", "", "5")]


def test_a_json_list_under_another_name_is_found_and_a_broken_last_task_is_counted() -> None:
    whole = '{"items": [{"instruction": "a", "input": "", "output": "b"}]}'
    assert [(item.instruction, item.output, item.defect) for item in json().parse(whole)] == [("a", "b", None)]
    broken = '{"tasks": [{"instruction": "a", "input": "", "output": "b"}, {"instruction": "c", "output": oops}]}'
    first, second = json().parse(broken)
    assert (first.defect, second.defect and second.defect.rule) == (None, "malformed")


def test_numbers_begin_at_start() -> None:
    assert PLAIN_LIST.startswith("###\n4. Instruction: Name a river.\n4. Input:\n<noinput>\n4. Output:\nThe Niger.\n###\n5. ")
    assert read(PLAIN_LIST) == BOTH


def test_a_list_without_separators_is_read() -> None:
    assert read(PLAIN_LIST.replace("###\n", "").removesuffix("###")) == BOTH


@pytest.mark.parametrize("mark", ["###", "### Steps", "#### Steps", "###\n###"])
def test_a_markdown_heading_inside_an_output_stays_there(mark: str) -> None:
    text = f"###\n4. Instruction: Write a recipe.\n4. Input:\n<noinput>\n4. Output:\nIntro\n{mark}\nStir.\n" + PLAIN_LIST
    assert read(text) == [("Write a recipe.", "", f"Intro\n{mark}\nStir."), *BOTH]


@pytest.mark.parametrize(
    "numbers", [(4, 4, 4, 4, 4, 4), (4, 5, 4, 9, 9, 1), (1, 1, 1, 1, 1, 2), (20, 21, 22, 23, 24, 25), (4, 4, 4, 4, 5, 6)]
)
def test_wrong_numbers_change_nothing(numbers: tuple[int, ...]) -> None:
    text = (
        "###\n{}. Instruction: Name a river.\n{}. Input:\n<noinput>\n{}. Output:\nThe Niger.\n"
        "###\n{}. Instruction: Add these numbers.\n{}. Input:\n2, 3\n{}. Output:\n5\n###"
    )
    assert read(text.format(*numbers)) == BOTH


@pytest.mark.parametrize("output", ["It was in 2020.", "in\n20. May", "20.", "Steps:\n1. Boil.\n2. Stir.\n20. Serve."])
def test_an_answer_with_a_number_and_a_full_stop_is_kept_whole(output: str) -> None:
    assert read(f"4. Instruction: When was that?\n4. Input:\n<noinput>\n4. Output:\n{output}") == [("When was that?", "", output)]


@pytest.mark.parametrize("name", plugins.names("notation"))
def test_no_notation_sends_a_stop_sequence(name: str) -> None:
    assert "stop" not in plugins.find("notation", name)().sampling()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("4. Instruction: Name", "4. Instruction: 4. Instruction: Name"),
        ("4. Instruction: Name", "4. Instruction:\n4. Instruction: Name"),
        ("4. Input:", "4. Input:\n4. Input:"),
        ("4. Output:", "4. Output:\n4. Output:"),
        ("5. Output:", "5. Output: 5. Output:"),
    ],
)
def test_a_repeated_heading_counts_once(before: str, after: str) -> None:
    assert before in PLAIN_LIST
    assert read(PLAIN_LIST.replace(before, after)) == BOTH


def test_a_missing_input_heading_means_no_input() -> None:
    assert read(PLAIN_LIST.replace("4. Input:\n<noinput>\n", "")) == BOTH


@pytest.mark.parametrize(
    ("lost", "heading"), [("5. Output:\n", "output"), ("5. Instruction: Add these numbers.\n", "instruction")]
)
def test_an_item_without_a_needed_heading_is_malformed_and_others_are_not(lost: str, heading: str) -> None:
    assert lost in PLAIN_LIST
    first, second = numbered().parse(PLAIN_LIST.replace(lost, ""))
    assert first == as_items([FOUR])[0]
    assert second.defect is not None and second.defect.rule == "malformed" and heading in second.defect.detail


def test_a_completion_may_begin_inside_the_first_item() -> None:
    assert read(PLAIN_LIST.removeprefix("###\n4. Instruction:")) == BOTH


def test_a_chat_reply_may_repeat_the_first_heading() -> None:
    assert read(PLAIN_LIST.removeprefix("###\n")) == BOTH


@pytest.mark.parametrize("opening", ["```", "```text", "~~~"])
def test_a_list_in_a_fence_is_read(opening: str) -> None:
    assert read(f"{opening}\n{PLAIN_LIST.removesuffix('###')}{opening[:3]}") == BOTH


def test_a_list_in_a_fence_may_end_in_a_separator() -> None:
    assert read(f"```\n{PLAIN_LIST}\n```") == BOTH


def test_a_list_in_a_fence_may_lack_separators() -> None:
    bare = PLAIN_LIST.replace("###\n", "").removesuffix("###")
    assert read(f"```\n{bare}```") == BOTH


def test_a_list_in_a_fence_may_have_prose_before_it() -> None:
    assert read(f"Here you are:\n\n```\n{PLAIN_LIST.removesuffix('###')}```") == BOTH


CODE = (
    "Use this:\n```python\n# 1. Instruction: not a task\n1. Instruction: nor this\n1. Input:\nx\n1. Output:\ny\n```\nThat is all."
)


def test_a_code_block_that_looks_like_the_list_stays_in_its_output() -> None:
    text = f"###\n4. Instruction: Show the format.\n4. Input:\n<noinput>\n4. Output:\n{CODE}\n{PLAIN_LIST}"
    assert read(text) == [("Show the format.", "", CODE), *BOTH]


def test_a_code_block_in_an_output_of_a_list_in_a_fence_stays_whole() -> None:
    code = "Run:\n```\nprint(5)\n```"
    text = PLAIN_LIST.replace("The Niger.", code).removesuffix("###")
    assert read(f"```\n{text}```") == [("Name a river.", "", code), BOTH[1]]


def test_a_code_block_without_an_end_does_not_swallow_the_items_after_it() -> None:
    assert read(PLAIN_LIST.replace("The Niger.", "```\nprint(5)")) == [("Name a river.", "", "```\nprint(5)"), BOTH[1]]


@pytest.mark.parametrize("end", ["The answer is", "The answer is 5,", "", "```\nprint("])
def test_an_item_cut_at_the_token_limit_is_marked_and_the_others_are_kept(end: str) -> None:
    text = PLAIN_LIST.removesuffix("5\n###") + end
    first, second = numbered().parse(text, "length")
    assert first == as_items([FOUR])[0]
    assert second == ParsedTask("Add these numbers.", "2, 3", end, cut=True)


@pytest.mark.parametrize("end", ["5. Instruction: Add the", "5. Instruction:", "5. Instruction: Add these.\n5. Input:\n2"])
def test_an_item_cut_before_its_output_is_truncated_not_malformed(end: str) -> None:
    first, second = numbered().parse(PLAIN_LIST[: PLAIN_LIST.index("5. Instruction:")] + end, "length")
    assert first == as_items([FOUR])[0]
    assert second.defect is not None and second.defect.rule == "truncated"


def test_an_item_that_the_provider_cut_has_a_defect_and_the_others_are_kept() -> None:
    first, second = numbered().parse(PLAIN_LIST, "content_filter")
    assert first == as_items([FOUR])[0]
    assert second.defect is not None and second.defect.rule == "content_filter"


@pytest.mark.parametrize("text", ["", " ", "\r\n\n\t", "\u2028"])
@pytest.mark.parametrize("name", plugins.names("notation"))
def test_an_empty_reply_is_one_item_with_a_defect(name: str, text: str) -> None:
    (item,) = plugins.find("notation", name)().parse(text)
    assert item.defect is not None and item.defect.rule == "empty_reply"


@pytest.mark.parametrize(
    "text", ["I'm sorry, but I cannot help with that.", "Sure!\n\n1. Boil water.\n2. Stir.", "###", "{}", "[]"]
)
@pytest.mark.parametrize("notation", [numbered(), json()])
def test_a_reply_without_tasks_is_one_item_whose_defect_shows_the_reply(notation: object, text: str) -> None:
    (item,) = notation.parse(text)  # type: ignore[attr-defined]
    assert item.defect is not None and item.defect.rule == "no_tasks_found" and item.defect.detail == text


@pytest.mark.parametrize("prose", ["Sure! Here are the tasks:\n\n", "Here are 2 tasks.\n---\n", "List of tasks:\n1. Rivers\n"])
def test_prose_before_the_list_is_skipped(prose: str) -> None:
    assert read(prose + PLAIN_LIST) == BOTH


def test_prose_after_the_last_separator_is_skipped() -> None:
    assert read(PLAIN_LIST + "\n\nLet me know if you would like more tasks!") == BOTH


@pytest.mark.parametrize(
    "heading",
    ["**{0}. {1}:** ", "**{0}. {1}**: ", "{0}. **{1}:** ", "### {0}. {1}: ", "__{0}. {1}:__ ", "{0}) {1}: ", "  {0}. {1} : "],
)
def test_headings_may_have_markdown_marks(heading: str) -> None:
    text = PLAIN_LIST
    for number in (4, 5):
        for name in ("Instruction", "Input", "Output"):
            text = text.replace(f"{number}. {name}:", heading.format(number, name).rstrip(" "))
    assert "4. Instruction: " not in text or heading.startswith((" ", "###"))
    assert read(text) == BOTH


@pytest.mark.parametrize("spelling", ["<noinput>", "<no input>", "noinput", "No input.", "N/A", "n/a.", "None", "(no input)", ""])
def test_every_spelling_of_no_input_is_an_empty_input(spelling: str) -> None:
    assert read(PLAIN_LIST.replace("<noinput>", spelling)) == BOTH


def test_an_output_may_say_none() -> None:
    assert read(PLAIN_LIST.replace("The Niger.", "None")) == [("Name a river.", "", "None"), BOTH[1]]


JSON_LIST = json().render([FOUR, FIVE])


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{JSON_LIST}\n```",
        f"Here you are {{as asked}}:\n{JSON_LIST}\nEnjoy {{them}}!",
        json_text.dumps(json_text.loads(JSON_LIST)["tasks"]),
        "\n".join(json_text.dumps(task) for task in json_text.loads(JSON_LIST)["tasks"]),
        JSON_LIST.removesuffix("\n ]\n}"),
        JSON_LIST.replace('"input": "",', ""),
        JSON_LIST.replace('"input": ""', '"input": null'),
        JSON_LIST.replace("The Niger.", " The Niger.\r\n").replace("\r\n", "\\r\\n"),
    ],
    ids=["fenced", "in prose", "bare list", "a task a line", "never closed", "no input key", "null input", "white space"],
)
def test_json_is_read_from_fences_prose_and_other_shapes(text: str) -> None:
    assert json().parse(text) == as_items([FOUR, FIVE])


@pytest.mark.parametrize("end", ['"out', '"output": "5', "", '"output": "5"'])
def test_a_json_task_that_was_cut_has_a_defect_and_the_others_are_kept(end: str) -> None:
    text = JSON_LIST[: JSON_LIST.rindex('"output"')] + end
    first, second = json().parse(text, "length")
    assert first == as_items([FOUR])[0]
    assert second.defect is not None and second.defect.rule == "truncated"


@pytest.mark.parametrize(
    ("tasks", "seen"),
    [
        ('["Name a river."]', "str"),
        ("[null]", "NoneType"),
        ('[{"instruction": "a", "input": "", "output": 5}]', "output"),
        ('[{"instruction": "a", "input": ["x"], "output": "b"}]', "input"),
        ('[{"instruction": 7, "input": "", "output": "b"}]', "instruction"),
        ('[{"instruction": "a", "input": ""}]', "output"),
        ('[{"input": "", "output": "b"}]', "instruction"),
    ],
)
def test_json_of_the_wrong_type_is_malformed_and_the_defect_names_it(tasks: str, seen: str) -> None:
    (item,) = json().parse(f'{{"tasks": {tasks}}}')
    assert item.defect is not None and item.defect.rule == "malformed" and seen in item.defect.detail


def test_one_json_task_of_the_wrong_type_leaves_the_others_alone() -> None:
    first, second, third = json().parse(JSON_LIST.replace('"tasks": [', '"tasks": [5,'))
    assert first.defect is not None and [second, third] == as_items([FOUR, FIVE])


def test_written_json_fits_the_strict_schema_of_the_response_format() -> None:
    schema = json().sampling()["response_format"]["json_schema"]
    assert schema["strict"] is True
    (key,) = schema["schema"]["required"]
    task = schema["schema"]["properties"][key]["items"]
    assert all(list(written) == task["required"] for written in json_text.loads(JSON_LIST)[key])


def test_deeply_nested_brackets_are_one_item_with_a_defect() -> None:
    (item,) = json().parse('{"a":' * 3000)
    assert item.defect is not None and item.defect.rule == "no_tasks_found"


@pytest.mark.parametrize(("finish_reason", "rule"), [("length", "truncated"), ("content_filter", "content_filter")])
def test_a_plain_instruction_that_was_cut_has_a_defect(finish_reason: str, rule: str) -> None:
    (item,) = plain().parse("Name a", finish_reason)
    assert item.defect is not None and item.defect.rule == rule
