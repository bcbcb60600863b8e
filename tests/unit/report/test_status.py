"""`status` as a function: values of runs that are complete, short of rows, stopped or running."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import cli

import selfinstruct as si
from selfinstruct.errors import UserMistake
from selfinstruct.journal.events import BatchLine, Sent
from selfinstruct.records import Request, Usage
from selfinstruct.report.status import status, writing_process

NewRun = Callable[..., si.Run]


def test_status_of_a_complete_run_has_counts_tokens_and_dollars(new_run: NewRun) -> None:
    run = new_run(max_usd=1.0)
    dataset = run.generate()
    report = status(run.path)
    assert (report["complete"], report["running"], report["next"], report["left"]) == (True, None, "", None)
    assert (report["rows"], report["target"], report["candidates"], report["acceptance"]) == (6, 6, 6, 1.0)
    assert (report["dropped"], report["unanswered"]) == ({}, 0)
    requests = report["requests"]
    assert (requests["answered"], requests["used"], requests["calls"], requests["in_flight"]) == (2, 2, 2, 0)
    assert requests["finish_reasons"] == {"stop": 2}
    usage, usd = dataset.usage, (dataset.usage.prompt_tokens + 10 * dataset.usage.completion_tokens) / 1e6
    tokens = {"prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "cached": 0}
    assert report["tokens"] == {**tokens, "lost_at_most": 0, "replies_without_a_count": 0}
    assert report["money"]["usd"] == report["money"]["usd_for_replies"] == pytest.approx(usd, abs=1e-6)
    assert report["money"]["usd_per_1000_rows"] == pytest.approx(1000 * usd / 6, abs=1e-6)
    assert report["limits"] == {"US dollars": 1.0, "tokens": None, "requests": None}
    assert json.loads(json.dumps(report)) == report


def test_money_is_none_where_the_price_is_unknown(new_run: NewRun) -> None:
    run = new_run(price={})
    run.generate()
    report = status(run.path)
    assert [report["money"][name] for name in ("usd", "usd_per_1000_rows", "price")] == [None, None, None]


def test_rows_that_are_missing_are_estimated_from_the_rows_so_far(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    run.write(run.build(num=12))
    report = status(run.path)
    assert (report["complete"], report["rows"], report["target"]) == (False, 6, 12)
    money, tokens = report["money"]["usd"], report["tokens"]
    expected = {"requests": 2, "tokens": tokens["prompt"] + tokens["completion"], "usd": money, "seconds": None}
    assert report["left"] == expected
    assert "6 of 12 rows" in report["next"]


def test_replies_that_are_saved_and_not_used_are_not_estimated_again(new_run: NewRun) -> None:
    run = new_run(num=12)
    run.generate()
    run.write(run.build(num=9))
    assert status(run.path)["requests"] == {**status(run.path)["requests"], "answered": 4, "used": 3}
    run.write(run.build(num=18))
    assert status(run.path)["left"]["requests"] == 2


def test_nothing_is_left_of_a_run_that_gave_up(new_run: NewRun) -> None:
    def repeat(key: str, request: Request) -> str:
        return "1. Instruction: Explain the number five to me\n1. Output: It is five."

    run = new_run(repeat, rouge=0.7, give_up_after=10)
    dataset = run.generate()
    assert dataset.ended
    report = status(run.path)
    assert (report["rows"], report["left"], report["complete"]) == (1, None, False)
    assert "1 of 6 rows" in report["next"]
    run.write(run.build(num=3))
    assert status(run.path)["left"] is None


def test_a_run_without_rows_has_no_estimate(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    run.write(run.build(filters={"word_count": {"at_most": 3}}))
    report = status(run.path)
    assert (report["rows"], report["dropped"], report["left"]) == (0, {"word_count": 6}, None)


def test_a_running_run_has_the_process_that_writes(new_run: NewRun) -> None:
    run = new_run()
    reports: list[dict[str, Any]] = []
    run.generate(lambda dataset, ask: reports.append(status(run.path)))
    assert {report["running"] for report in reports} == {os.getpid()}
    assert all(report["next"] == "" for report in reports)
    assert writing_process(run.path) is None


def test_calls_that_were_cut_off_are_calls_without_a_reply(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    with (run.path / "journal.jsonl").open("ab") as journal:
        journal.write(Sent("7", Usage(10, 20), 0.0).as_line() + Sent("8", Usage(10, 20), 0.0).as_line())
    report = status(run.path)
    assert (report["requests"]["without_reply"], report["requests"]["lost"]) == ({"cut off": 2}, 2)
    shown = cli("status", run.path).stdout
    assert "calls     4 in total, without a reply: 2 cut off\n" in shown
    assert "at most 60 for 2 calls without a reply\n" in shown


def test_the_share_of_accepted_candidates_says_of_how_many_it_is(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    assert "rows      6 of 6 (6 candidates, 100 % accepted)\n" in cli("status", run.path).stdout
    run.write(run.build(num=2))
    assert "rows      2 of 2 (3 candidates, 2 judged, 100 % of these accepted)\n" in cli("status", run.path).stdout
    card = (run.path / "README.md").read_text()
    assert "| candidates | 3 |\n| judged | 2 (100 %) |\n| rows | 2 (100.0 %) |\n| not needed after the last row | 1 |" in card


def test_an_open_batch_is_named_as_what_is_missing(new_run: NewRun) -> None:
    run = new_run()
    run.generate()
    run.write(run.build(num=12))
    plan = BatchLine("ab" * 16, "planned", 0.0, samplings=({},), requests={"2": ("x", 0, 1, 1), "3": ("x", 0, 1, 1)})
    with (run.path / "journal.jsonl").open("ab") as journal:
        journal.write(plan.as_line())
    collect = f"Fix: run `selfinstruct generate {run.path}` to collect the replies."
    assert status(run.path)["next"] == f"6 of 12 rows: a batch of 2 requests is open. {collect}"


def test_a_directory_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="has no run"):
        status(tmp_path / "nothing")
    assert writing_process(tmp_path / "nothing") is None
