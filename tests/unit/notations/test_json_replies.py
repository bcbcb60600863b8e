"""Each way to spell the JSON of tasks comes out exactly, or the task is rejected with its text."""

from __future__ import annotations

import json as strict
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations.json import json
from selfinstruct.notations.numbered import numbered
from selfinstruct.records import Example

Values = list[dict[str, str]]
BEES = Example("Name three ways to keep bees calm.", "", '1. Say "hush".\n2. Don\'t run.\n3. Use {smoke}, [cool] // slowly.')
VOICE = Example("Rewrite it in the passive voice.", "The committee approved it.", "It was approved by the committee.")
CODE = Example("Match digits.", "", "```python\nre.findall('[0-9]+', text)  # all\n```")
GOOD = [BEES, VOICE, CODE]


def values(examples: list[Example]) -> Values:
    return [one.as_values() for one in examples]


def dumped(value: object, indent: int | None = None) -> str:
    return strict.dumps(value, ensure_ascii=False, indent=indent)


def read(text: str, finish_reason: str = "stop") -> list[tuple[str, str, str | None]]:
    """Return the three texts of each task without a defect."""
    return [(task.instruction, task.input, task.output) for task in json().parse(text, finish_reason) if not task.defect]


def texts(examples: list[Example]) -> list[tuple[str, str, str]]:
    return [(one.instruction, "" if says_no_input(one.input) else one.input, one.output) for one in examples]


def with_keys(tasks: Values, **names: str) -> Values:
    return [{names[key]: text for key, text in task.items()} for task in tasks]


WRAPPERS: dict[str, Callable[[Values], str]] = {
    "tasks": lambda tasks: dumped({"tasks": tasks}, 1),
    "bare list": dumped,
    "another name": lambda tasks: dumped({"instructions": tasks}),
    "nested": lambda tasks: dumped({"result": {"data": {"tasks": tasks}}}),
    "with a count": lambda tasks: dumped({"count": len(tasks), "tasks": tasks, "notes": ["done"]}),
    "numbered keys": lambda tasks: dumped({str(number): task for number, task in enumerate(tasks, 1)}),
    "a task a line": lambda tasks: "\n".join(map(dumped, tasks)),
    "a fence": lambda tasks: f"```json\n{dumped({'tasks': tasks}, 2)}\n```",
    "a fence a task": lambda tasks: "\n\n".join(f"```json\n{dumped(task)}\n```" for task in tasks),
    "prose": lambda tasks: f"Here {{you}} are:\n{dumped({'tasks': tasks})}\nEnjoy {{them}}!",
    "double": lambda tasks: dumped(dumped({"tasks": tasks})),
    "upper case": lambda tasks: dumped(with_keys(tasks, instruction="Instruction", input="INPUT", output="Output")),
    "other keys": lambda tasks: dumped(with_keys(tasks, instruction="question", input="context", output="answer")),
    "Chinese keys": lambda tasks: dumped(with_keys(tasks, instruction="指令", input="输入", output="输出")),
    "more keys": lambda tasks: dumped([{"id": 1, **task, "topic": "x"} for task in tasks]),
    "output first": lambda tasks: dumped([dict(reversed(task.items())) for task in tasks]),
    "null": lambda tasks: dumped([{**task, "input": task["input"] or None} for task in tasks]),
    "left out": lambda tasks: dumped([{key: text for key, text in task.items() if text or key != "input"} for task in tasks]),
    "no input": lambda tasks: dumped([{**task, "input": task["input"] or "<noinput>"} for task in tasks]),
}
LENIENT: dict[str, Callable[[Values], str]] = {
    "trailing commas": lambda tasks: dumped({"tasks": tasks}, 1).replace('"\n', '",\n').replace("}\n", "},\n"),
    "comments": lambda tasks: (
        "// five\n" + dumped({"tasks": tasks}, 1).replace('"input"', '/* the "input" */ "input"').replace("{\n", "{ // a\n")
    ),
    "no commas": lambda tasks: dumped(tasks, 1).replace('",\n', '"\n'),
    "keys without quotes": lambda tasks: (
        dumped(tasks, 1).replace('"instruction":', "instruction:").replace('"output":', "output:")
    ),
    "Python": repr,
    "Python in tasks": lambda tasks: repr({"tasks": tasks}),
    "smart quotes": lambda tasks: (
        "[" + ",\n".join("{" + ", ".join(f"“{k}”: “{dumped(t)[1:-1]}”" for k, t in one.items()) + "}" for one in tasks) + "]"
    ),
    "no brackets": lambda tasks: ",\n".join(map(dumped, tasks))[:-1],
    "text of a string": lambda tasks: dumped(dumped({"tasks": tasks}))[1:-1],
}
PIECES = ["{", "}", "[", "]", '"', "'", "\\", "\\n", "\\d", "\\frac", ",", ":", "//", "/*", "*/", "#", "```", "\n", "“", "”", " ", "é", "指", "\u2028",
    '{"instruction": "x", "output": "y"}', '"instruction":', "'output': ", "input:", "null", "a", "1", '"""', "`", "}, {", '", "']  # fmt: skip
TEXTS = st.lists(
    st.sampled_from(PIECES) | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=4), min_size=1, max_size=8
).map("".join)
EXAMPLES = st.builds(Example.of, TEXTS, st.just("") | TEXTS, TEXTS).filter(lambda one: bool(one.instruction and one.output))
REPEATABLE = settings(max_examples=150, derandomize=True, deadline=None)


@pytest.mark.parametrize("name", WRAPPERS | LENIENT)
def test_usual_tasks_come_out_exactly(name: str) -> None:
    assert read((WRAPPERS | LENIENT)[name](values(GOOD))) == texts(GOOD)


@pytest.mark.slow
@pytest.mark.parametrize("name", WRAPPERS)
@given(st.lists(EXAMPLES, min_size=1, max_size=3))
@REPEATABLE
def test_strict_json_is_never_changed(name: str, examples: list[Example]) -> None:
    assert read(WRAPPERS[name](values(examples))) == texts(examples)


@pytest.mark.slow
@pytest.mark.parametrize("name", LENIENT)
@given(st.lists(EXAMPLES, min_size=1, max_size=3))
@REPEATABLE
def test_other_json_comes_out_exactly_or_is_rejected(name: str, examples: list[Example]) -> None:
    assert [task for task in read(LENIENT[name](values(examples))) if task not in texts(examples)] == []


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"\d+\.\w", r"\d+\.\w"), (r"$\alpha + \beta$ \q", r"$\alpha + \beta$ \q"), (r"\frac{1}{2} \(x\)", r"\frac{1}{2} \(x\)"),
        (r"C:\Users\x", r"C:\Users\x"), (r"a\nb \d", "a\nb \\d"), (r"it\'s \d", r"it's \d"), (r"\\d \s", r"\d \s"), (r"\u00e9 \ud83d\ude00 \s", "é 😀 \\s"),
    ],
)  # fmt: skip
def test_a_lone_backslash_is_kept(written: str, meant: str) -> None:
    text = dumped({"tasks": values(GOOD)}, 1).replace("It was approved by the committee.", written.replace("\\", "\\"))
    assert read(text) == texts([BEES, Example(VOICE.instruction, VOICE.input, meant), CODE])


@pytest.mark.parametrize(
    "written",
    [r"\d and \theta", r"\d \neq 2", 'He said "go, now", then left', 'a "word"', 'He wrote "x", "input": "y"', "oops\\"],
)
def test_an_unclear_text_is_a_rejection_that_shows_it(written: str) -> None:
    text = dumped({"tasks": values(GOOD)}, 1).replace("It was approved by the committee.", written)
    tasks = json().parse(text)
    assert read(text) == texts([BEES, CODE])
    assert [task.defect.rule for task in tasks if task.defect] == ["malformed"]
    assert [task.defect.detail for task in tasks if task.defect and written[:6] in task.defect.detail]


@pytest.mark.parametrize("count", range(1, 40))
def test_each_task_that_a_reply_announces_is_a_task_or_a_rejection(count: int) -> None:
    whole = dumped({"tasks": values(GOOD)}, 1)
    broken = whole[: len(whole) * count // 40]
    announced = broken.count('"instruction":')
    assert len(json().parse(broken)) == max(1, announced)


def test_a_numbered_list_is_read_in_place_of_json_and_the_other_way() -> None:
    assert read(numbered().render(GOOD, 4)) == texts(GOOD)
    tasks = numbered().parse(f"Sure:\n```json\n{dumped(values(GOOD), 1)}\n```")
    assert [(task.instruction, task.input, task.output) for task in tasks] == texts(GOOD)


def test_a_task_given_as_an_array_is_a_rejection() -> None:
    tasks = json().parse(dumped({"tasks": [["Name a river.", "", "The Niger."], VOICE.as_values()]}))
    assert [task.defect.rule if task.defect else task.output for task in tasks] == ["malformed", VOICE.output]


@pytest.mark.parametrize(
    "unit",
    [
        '{"a":',
        "[",
        "{",
        '{"instruction": ',
        '{"a":[{},',
        '{"',
        "{'instruction': 'x",
        "{instruction: {",
        "{ a ",
        '"instruction": ',
        '{\\"',
        "}{",
        "/*{",
    ],
)
def test_work_grows_with_the_length_of_a_hostile_reply(unit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def steps(length: int) -> int:
        looked_at = 0
        decode = strict.JSONDecoder.raw_decode

        def counting(self: strict.JSONDecoder, text: str, idx: int = 0) -> tuple[object, int]:
            nonlocal looked_at
            try:
                value, after = decode(self, text, idx)
            except strict.JSONDecodeError as error:
                looked_at += max(1, error.pos - idx)
                raise
            except RecursionError:
                looked_at += 1_000
                raise
            looked_at += after - idx
            return value, after

        with monkeypatch.context() as patch:
            patch.setattr(strict.JSONDecoder, "raw_decode", counting)
            assert json().parse(unit * (length // len(unit)))
        return looked_at

    assert steps(80_000) <= 20 * steps(8_000) + 100_000
