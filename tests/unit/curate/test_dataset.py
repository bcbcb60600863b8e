"""The numbers and sentences of a dataset."""

from __future__ import annotations

import pytest

from selfinstruct.curate.dataset import RECENT_ROOTS, Dataset, Recent
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Decision, ParsedTask


def dataset(rows: int, *rejected_by: str, **fields: object) -> Dataset:
    candidate = Candidate("0", 0, ParsedTask("Name a river.", "", "The Niger."))
    rejected = [Decision(candidate, rule) for rule in rejected_by]
    return Dataset([Decision(candidate)] * rows, rejected, **fields)  # type: ignore[arg-type]


def test_the_busiest_rules_have_their_number_an_example_and_say_if_they_are_filters() -> None:
    made = dataset(5, "rouge", *["word_count"] * 3, *["over_target"] * 9, *["refusal"] * 2, "empty_output")
    made.curate = Curate(filters={"word_count": {"at_most": 9}, "refusal": True, "empty_output": False})
    assert [(busy.rule, busy.count, busy.is_filter) for busy in made.busiest()] == [
        ("word_count", 3, True),
        ("refusal", 2, True),
        ("rouge", 1, False),
    ]
    assert [busy.rule for busy in made.busiest(1)] == ["word_count"]
    assert made.busiest()[0].example is made.rejected[1]
    assert dataset(5, "over_target").busiest() == []


def test_acceptance_leaves_out_candidates_that_are_not_needed() -> None:
    assert dataset(0).acceptance is None
    assert dataset(3, "rouge").acceptance == 0.75
    assert dataset(3, "rouge", "over_target", "over_quota").acceptance == 0.75


def test_recent_acceptance_is_of_the_last_root_requests_once_there_are_enough() -> None:
    made = dataset(0)
    for _ in range(9):
        made.recent.add(1, 10)
    assert made.recent_acceptance is None
    made.recent.add(1, 10)
    assert made.recent_acceptance == 0.1
    for _ in range(RECENT_ROOTS):
        made.recent.add(5, 10)
    assert made.recent_acceptance == 0.5 and len(made.recent.roots) == RECENT_ROOTS


def test_recent_sums_are_those_of_the_roots_that_are_left() -> None:
    recent = Recent()
    for number in range(250):
        recent.add(number % 3, number % 7)
    assert (recent.rows, recent.judged) == tuple(map(sum, zip(*recent.roots, strict=True)))


def test_the_funnel_has_the_largest_number_first() -> None:
    assert list(dataset(1, "rouge", "refusal", "refusal").funnel.items()) == [("refusal", 2), ("rouge", 1)]


@pytest.mark.parametrize(
    ("fields", "limit", "message"),
    [
        ({"target": 2}, "", ""),
        ({"target": 3}, "the budget of 5 requests is used up", "2 of 3 rows: the budget of 5 requests is used up"),
        (
            {"target": 3, "ended": "saturated"},
            "",
            "2 of 3 rows: saturated. Fix: check `selfinstruct show runs/a --rejected any`, then loosen a filter or choose "
            "another prompt.",
        ),
        (
            {"target": 2, "unanswered": 1},
            "",
            "2 of 2 rows: 1 accepted task was never answered. Fix: run `selfinstruct generate runs/a` to request their answers "
            "(paid).",
        ),
        (
            {"target": 3},
            "",
            "2 of 3 rows: that is all that the saved replies give. Fix: run `selfinstruct generate runs/a` to request more "
            "(paid).",
        ),
    ],
)
def test_a_shortfall_says_why_and_what_to_do(fields: dict[str, object], limit: str, message: str) -> None:
    assert dataset(2, **fields).shortfall("runs/a", limit) == message


def test_a_shortfall_names_open_batches_before_anything_that_would_be_paid_twice() -> None:
    made = dataset(2, "unanswered", target=300, unanswered=1)
    collect = "Fix: run `selfinstruct generate 'my runs/a'` to collect the replies."
    assert made.shortfall("my runs/a", "", [288]) == f"2 of 300 rows: a batch of 288 requests is open. {collect}"
    assert made.shortfall("my runs/a", "", [1, 9]) == f"2 of 300 rows: 2 batches of 10 requests are open. {collect}"


def test_tasks_that_were_never_answered_are_named() -> None:
    made = dataset(2, "rouge", "unanswered", "unanswered", target=9, unanswered=2)
    short = "2 of 9 rows: that is all that the saved replies give, and 2 accepted tasks were never answered (0#0, 0#0)"
    assert made.lack == short
    assert made.shortfall("a", paid=False) == f"{short}. Fix: run `selfinstruct generate a` to request their answers."


def test_columns_are_the_three_texts() -> None:
    assert dataset(2).columns == {
        "instruction": ["Name a river."] * 2,
        "input": ["", ""],
        "output": ["The Niger."] * 2,
    }
