"""The verdicts on candidates, by stage."""

from __future__ import annotations

from typing import Any

import pytest

from selfinstruct.contracts import FilterContext, Stage, filter
from selfinstruct.curate.curator import Curator
from selfinstruct.errors import PluginError
from selfinstruct.recipe.defaults import with_all_filters
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Example, ParseDefect, ParsedTask, Rejection, Seed

CALLS: list[tuple[str, str, int]] = []


@pytest.mark.parametrize(
    ("text", "output", "rule"),
    [
        ("Draw a map of it.", "", "unfit_for_text"),
        ("?", "", "punctuation_start"),
        ("Draw", "", "unfit_for_text"),
        ("Name a river please.", "", "empty_output"),
        ("Name a river!", "The Niger.", "seed_echo"),
        ("Name a river please.", "As an AI model, no.", "refusal"),
    ],
)
def test_the_first_rule_that_rejects_is_recorded(text: str, output: str, rule: str) -> None:
    curator = Curator([Seed("s", "", "Name a river.", (("", "x"),))], with_all_filters(Curate(rouge=1.0)))
    decision = curator.admit([Candidate("0", 0, ParsedTask(text, "", output))])[0]
    assert decision.rule == rule and not decision.accepted


def test_the_second_of_two_equal_tasks_is_rejected_and_another_input_is_not() -> None:
    curator = Curator([], with_all_filters(Curate(rouge=1.0)))
    tasks = [
        ParsedTask("Add up these numbers.", input, output) for input, output in [("2, 3", "5"), ("2, 3", "6"), ("4, 5", "9")]
    ]
    verdicts = []
    for number, task in enumerate(tasks):
        candidate = Candidate("0", number, task)
        assert curator.admit([candidate])[0].accepted
        decision = curator.check(candidate)
        verdicts.append(decision.rule)
        if decision.accepted:
            curator.keep(candidate)
    assert verdicts == [None, "same_task", None]


@filter(stage=Stage.PROPOSED)
def on_proposal(example: Example, context: FilterContext) -> Rejection | None:
    CALLS.append(("on_proposal", example.output, len(context.rows)))
    return None


def on_finished(example: Example, context: FilterContext) -> Rejection | None:
    CALLS.append(("on_finished", example.output, len(context.rows)))
    return None


@filter(stage=Stage.AMONG_ROWS, languages=["en"])
def among_rows(example: Example, context: FilterContext) -> Rejection | None:
    CALLS.append(("among_rows", example.output, len(context.rows)))
    return None


def curator_of(*functions: Any, **settings: Any) -> Curator:
    own = {f"own:{function.__name__}": function for function in functions}
    return Curator([], Curate(filters=dict.fromkeys(own, True), **settings), own)


def test_each_filter_runs_once_on_a_candidate_as_soon_as_what_it_reads_is_there() -> None:
    curator = curator_of(on_proposal, on_finished, among_rows)
    curator.keep(Candidate("0", 0, ParsedTask("Earlier", "", "x")))
    CALLS.clear()
    assert curator.admit([Candidate("1", 0, ParsedTask("Name a river."))])[0].accepted
    assert CALLS == [("on_proposal", "", 0)]
    CALLS.clear()
    assert curator.check(Candidate("1", 0, ParsedTask("Name a river.", "", "The Niger."), solved_by="1/solve")).accepted
    assert sorted(CALLS) == [("among_rows", "The Niger.", 1), ("on_finished", "The Niger.", 0)]
    CALLS.clear()
    finished = Candidate("2", 0, ParsedTask("Count to three.", "", "1 2 3"))
    assert curator.admit([finished])[0].accepted and curator.check(finished).accepted
    assert CALLS == [("on_proposal", "1 2 3", 0), ("on_finished", "1 2 3", 0), ("among_rows", "1 2 3", 1)]


def test_a_filter_for_some_languages_passes_over_candidates_requested_in_another() -> None:
    curator = curator_of(among_rows)
    for language, calls in (("en", 1), ("sw", 0), ("", 1)):
        CALLS.clear()
        trace = {"language": language} if language else {}
        assert curator.check(Candidate("0", 0, ParsedTask("Name a river.", "", "x"), trace=trace)).accepted
        assert len(CALLS) == calls


def test_a_filter_sees_that_the_reply_was_cut() -> None:
    def cut(example: Example, context: FilterContext) -> Rejection | None:
        return Rejection("cut") if context.cut else None

    curator = curator_of(cut)
    tasks = [ParsedTask("Name a river.", "", "x", cut=True), ParsedTask("Count to three.", "", "x")]
    decisions = curator.admit([Candidate("0", number, task) for number, task in enumerate(tasks)])
    assert [decision.value for decision in decisions] == ["cut", None]


def test_a_defect_of_the_reply_is_the_rule_before_any_filter_runs() -> None:
    CALLS.clear()
    task = ParsedTask("", defect=ParseDefect("no_instruction", "seen"))
    decision = curator_of(on_proposal).admit([Candidate("0", 0, task)])[0]
    assert (decision.rule, decision.value, CALLS) == ("no_instruction", "seen", [])


def test_a_filter_that_returns_something_else_is_refused() -> None:
    with pytest.raises(PluginError, match="filter 'own:<lambda>': must return a Rejection or None \\(got True\\)"):
        curator_of(lambda example, context: True).admit([Candidate("0", 0, ParsedTask("Name a river.", "", "x"))])


def test_a_topic_gets_no_more_rows_than_its_cap() -> None:
    curator = Curator([], Curate(), caps={"bees": 1})
    rules = []
    for number, topic in enumerate(["bees", "bees", "boats"]):
        candidate = Candidate("0", number, ParsedTask(f"Task {number}", "", "x"), trace={"topic": topic})
        decision = curator.check(candidate)
        rules.append((decision.rule, decision.value, decision.limit))
        if decision.accepted:
            curator.keep(candidate)
    assert rules == [(None, None, None), ("over_quota", 1, 1), (None, None, None)]
