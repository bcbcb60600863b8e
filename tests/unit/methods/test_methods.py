"""The steps of Self-Instruct and Evol-Instruct, on replies that are written here."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from command_line import outcomes
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct import plugins
from selfinstruct.contracts import Method, MethodContext, TeacherProfile
from selfinstruct.errors import RequestRefused
from selfinstruct.generate.options import checked
from selfinstruct.generate.turns import Turns
from selfinstruct.inputs import prompts
from selfinstruct.methods.self_instruct import _from_number, _pairs
from selfinstruct.notations.listed import listed
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Candidate, Reply, Request, Seed

SEEDS = tuple(Seed(f"s{n}", "", f"Say what number {n} is good for.", (("", "x"),)) for n in range(12))


class Asked:
    """Replies by the end of a key. The reply "refused" raises RequestRefused. `requests` holds what was asked by key."""

    def __init__(self, replies: Mapping[str, str]) -> None:
        self.replies = replies
        self.requests: dict[str, Request] = {}

    async def __call__(self, key: str, request: Request) -> Reply:
        self.requests[key] = request
        text = next(reply for end, reply in self.replies.items() if key.endswith(end))
        if text == "refused":
            raise RequestRefused("no", cause="content_policy")
        text, _, finish = text.partition("|")
        return Reply(text, finish or "stop", "m", None, "h")


def made(name: str, api: str = "chat", source: tuple[Seed, ...] = SEEDS, **options: Any) -> tuple[MethodContext, Method]:
    prompt = prompts.load({"self_instruct": "self-instruct"}.get(name, name))
    notation = plugins.find("notation", prompt.notation)()
    make, profile = plugins.find("method", name), TeacherProfile(api=api, sampling={"max_tokens": 99})
    chosen = checked(make, name, options, "options")
    context = MethodContext(SEEDS, prompt, notation, 3, chosen.values, (profile,), source=source, step_options=chosen.by_step)
    return context, make(context)


def proposed(context: MethodContext, method: Method, ask: Asked, index: int = 0) -> list[Candidate]:
    return asyncio.run(method.propose(Turns(Generate(), SEEDS).turn(index, context), ask))


def solved(method: Method, candidate: Candidate, ask: Asked) -> list[tuple[str, str, str]]:
    done = asyncio.run(method.solve(candidate, ask))
    return [(one.task.input, one.task.output or "", one.task.defect.rule if one.task.defect else "") for one in done]


def test_instructions_are_read_from_the_list_and_keep_the_capitals_of_names() -> None:
    context, method = made("self_instruct")
    ask = Asked({"0": "compare NASA and the ESA.\n10. iPhones: where are they made?\n11. What is pH:\n12. cut off|length"})
    found = proposed(context, method, ask)
    assert [one.task.instruction for one in found] == [
        "Compare NASA and the ESA.",
        "IPhones: where are they made?",
        "What is pH",
        "Cut off",
    ]
    assert [one.task.defect.rule if one.task.defect else "" for one in found] == ["", "", "", "truncated"]
    shown = ask.requests["0"].messages[-1]["content"]
    assert shown.count("Say what number") == 8 and shown.endswith("\n9.") and "\n8. Say" in shown
    assert set(found[0].seed_ids) <= {seed.id for seed in SEEDS} and len(set(found[0].seed_ids)) == 8


@pytest.mark.parametrize(
    ("verdict", "reply", "rows"),
    [
        (
            "No",
            "Example 1\nInput: a b\nOutput: c\nExample 2\nInput: d\n\ne\nOutput:\nf\ng",
            [("a b", "c", ""), ("d\n\ne", "f\ng", "")],
        ),
        ("No", "Output: all alone", [("", "all alone", "")]),
        (
            "no.",
            "The answer without a heading.\nIt has two lines.",
            [("", "The answer without a heading.\nIt has two lines.", "")],
        ),
        (
            "No",
            "Input: a\nOutput: b\nInput: a\nOutput: c",
            [("a", "b", "conflicting_outputs"), ("a", "c", "conflicting_outputs")],
        ),
        ("No", "Input: a\nOutput: b\nTask: another one\nOutput: c", [("a", "b", "")]),
        ("No", "", [("", "", "no_instances")]),
        ("Yes", "Label: red\nInput: blood\nLabel: blue\nInput: the sky", [("blood", "red", ""), ("the sky", "blue", "")]),
        ("Yes, it is", "Input: blood\nLabel: red\nInput: the sky\nLabel: blue", [("blood", "red", ""), ("the sky", "blue", "")]),
        ("Yes", "red", [("", "", "no_instances")]),
        ("Yesterday", "Output: x", [("", "x", "")]),
    ],
)
def test_instances_are_read_with_inputs_first_or_labels_first(verdict: str, reply: str, rows: list[tuple[str, str, str]]) -> None:
    context, method = made("self_instruct")
    ask = Asked({"/classify": verdict, "/instances": reply, "0": "Name it."})
    (candidate,) = proposed(context, method, ask)
    assert solved(method, candidate, ask) == rows
    asked = ask.requests["0.0/instances"].messages[-1]["content"]
    assert ("Label:" in asked) == (verdict.startswith("Yes") and verdict != "Yesterday")
    assert ask.requests["0.0/classify"].sampling["temperature"] == 0


def test_instances_of_a_task_are_numbered_and_limited() -> None:
    context, method = made("self_instruct", instances_per_task=2, instances_temperature=0.2, classify_max_tokens=3)
    ask = Asked(
        {"/classify": "No", "/instances": "Input: a\nOutput: b\nInput: c\nOutput: d\nInput: e\nOutput: f|length", "7": "Name it."}
    )
    (candidate,) = proposed(context, method, ask, 7)
    first, second = asyncio.run(method.solve(candidate, ask))
    assert (first.id, second.id) == ("7#0", "7#0.1") and first.admitted_as == second.admitted_as == "7#0"
    assert second.task.cut and not first.task.cut
    assert first.trace["classification"] is False and first.solved_by == "7.0/instances"
    assert ask.requests["7.0/instances"].sampling == {"max_tokens": 99, "temperature": 0.2}
    assert ask.requests["7.0/classify"].sampling["max_tokens"] == 3


def test_a_completion_has_stop_sequences_before_another_task() -> None:
    context, method = made("self_instruct", api="completions")
    ask = Asked({"/classify": " No", "/instances": " Output: b", "0": " Name it."})
    (candidate,) = proposed(context, method, ask)
    solved(method, candidate, ask)
    assert ask.requests["0"].prompt and "\n17." in ask.requests["0"].sampling["stop"]
    assert ask.requests["0.0/classify"].sampling["stop"] == ["\n"]


def test_a_round_evolves_the_last_task_that_was_not_spoiled() -> None:
    context, method = made("evol", rounds=4)
    replies = {
        "/1": "Say what number 3 is good for in a kitchen.",
        "/2": "New task: say it again",
        "/3": "Say what number 3 is good for in a kitchen at night, and why.",
        "/4": "say what number 3 is GOOD for in a kitchen at night, and why.",
        "/1/equal": "Not equal",
        "/3/equal": "Not equal.",
    }
    found = proposed(context, method, ask := Asked(dict(sorted(replies.items(), key=lambda item: -len(item[0])))), 5)
    assert [one.task.defect.rule if one.task.defect else "" for one in found] == ["", "copied_prompt", "", "nothing_gained"]
    traces = [one.trace["evolved"] for one in found]
    assert [trace["from"] for trace in traces] == [traces[0]["task"], "5/1#0", "5/1#0", "5/3#0"]
    assert "kitchen." in ask.requests["5/2"].messages[-1]["content"] and "kitchen." in ask.requests["5/3"].messages[-1]["content"]
    assert len({one.id for one in found}) == 4 and found[0].seed_ids == (traces[0]["task"],)


def test_a_round_that_is_judged_equal_or_refused_has_a_defect_and_the_next_round_follows() -> None:
    context, method = made("evol", rounds=3)
    ask = Asked(
        {"/2/equal": "Equal", "/equal": "Not equal", "/1": "refused", "/2": "The same in other words", "/3": "A new thing to do"}
    )
    found = proposed(context, method, ask)
    assert [one.task.defect.rule if one.task.defect else "" for one in found] == ["request_refused", "nothing_gained", ""]


@pytest.mark.parametrize(
    ("output", "rule"),
    [
        ("I am sorry, that is not possible.", "evasive_answer"),
        ("Sorry for the long answer. " + "word " * 80, ""),
        ("It is, and it was not.", "empty_words"),
        ("...!", "empty_words"),
        ("In a kitchen.", ""),
    ],
)
def test_an_evasive_or_empty_answer_is_a_defect(output: str, rule: str) -> None:
    context, method = made("evol", rounds=1, judge="none")
    ask = Asked({"/solve": output, "/1": "Say what a kitchen is."})
    (candidate,) = proposed(context, method, ask)
    assert [found for _, _, found in solved(method, candidate, ask)] == [rule]


def test_every_task_is_evolved_once_before_any_is_evolved_again() -> None:
    context, method = made("evol", rounds=1, judge="none")
    order = [
        proposed(context, method, Asked({"/1": "Something else entirely"}), index)[0].trace["evolved"]["task"]
        for index in range(24)
    ]
    assert sorted(order[:12]) == sorted(order[12:]) == sorted(seed.id for seed in SEEDS)
    assert order[:12] != order[12:]


def test_an_option_of_the_method_is_not_sent_as_a_request_field(teacher: FakeOpenAI, tmp_path: Path) -> None:
    options = {"instances_per_task": 3, "instances_temperature": 0.25}
    run = si.Run(tmp_path / "run", "self-instruct", base_url=teacher.url, model="m", num=20, options=options)
    run.generate()
    sampled: dict[str, Any] = {str(line["key"]): line["sampling"] for line in outcomes(run.path)}
    assert not any("per_task" in fields for fields in sampled.values())
    assert {fields["temperature"] for key, fields in sampled.items() if key.endswith("/instances")} == {0.25}


PAIRS = [
    (True, "Label: red\nInput: a rose\nLabel: blue\nInput: the sky", [("a rose", "red"), ("the sky", "blue")]),
    (True, "Input: a rose\nLabel: red\nInput: the sky\nLabel: blue", [("a rose", "red"), ("the sky", "blue")]),
    (True, "Example 1\nInput: a rose\nLabel: red\nExample 2\nInput: sky\nLabel: blue", [("a rose", "red"), ("sky", "blue")]),
    (True, "Label: red\nInput: a rose\nInput: blood", [("a rose", "red"), ("blood", "red")]),
    (False, "Input: a rose\nOutput: red\nInput: the sky\nOutput: blue", [("a rose", "red"), ("the sky", "blue")]),
    (False, "Output: It is red.", [("", "It is red.")]),
    (False, "It is red.\nOr so they say.", [("", "It is red.\nOr so they say.")]),
    (False, "Input: a rose\nOutput: red\nTask: Another\nInput: x\nOutput: y", [("a rose", "red")]),
]  # fmt: skip


@pytest.mark.parametrize(("labels", "text", "expected"), PAIRS, ids=[repr(text[:30]) for _, text, _ in PAIRS])
def test_instances_are_read_in_any_order_of_labels_and_inputs(labels: bool, text: str, expected: list[tuple[str, str]]) -> None:
    assert list(_pairs(Reply(text, "stop", "m", None, "h"), labels)) == expected


@pytest.mark.parametrize(
    "reply",
    [
        "Here are more tasks:\n9. Name a bee:\n10. Name a boat.",
        "Sure, I go on with the list.\n\n**9.** Name a bee:\n10. Name a boat.",
        "Name a bee:\n10. Name a boat.",  # the prompt ended with 9.
        "Name a bee:\n\n10. Name a boat.",
    ],
)
def test_words_that_announce_a_list_are_not_an_instruction(reply: str) -> None:
    items = listed().parse(_from_number(reply, 9))
    assert [item.instruction for item in items] == ["Name a bee:", "Name a boat."]
