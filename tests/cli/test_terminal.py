"""Formatting for a terminal, and errors as messages with an exit status."""

from __future__ import annotations

import pytest

from selfinstruct.cli import app
from selfinstruct.cli.terminal import clock, dollars, labelled, safe, short, tally
from selfinstruct.errors import SelfInstructError, Shortfall, TeacherUnavailable, UserMistake
from selfinstruct.text import counted


def test_counts_have_the_right_noun() -> None:
    assert [counted(number, "row") for number in (0, 1, 2_000)] == ["0 rows", "1 row", "2,000 rows"]
    assert [counted(number, "reply", "replies") for number in (1, 2)] == ["1 reply", "2 replies"]
    assert (tally({"rouge": 1200, "refusal": 3}), tally({})) == ("1,200 rouge, 3 refusal", "none")


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (999, "999"), (1_000, "1k"), (12_345, "12.3k"), (999_499, "999k"), (999_500, "1M"), (4_561_000, "4.56M")],
)
def test_large_counts_are_short(number: int, text: str) -> None:
    assert short(number) == text


def test_durations_and_dollars() -> None:
    assert [clock(seconds) for seconds in (0, 59.6, 3_599, 3_600)] == ["0:00", "1:00", "59:59", "1:00:00"]
    assert [dollars(amount) for amount in (0, 0.01234, 1, 1234.5)] == ["$0.00", "$0.0123", "$1.00", "$1,234.50"]


@pytest.mark.parametrize("columns", [40, 80, 300])
def test_a_text_beside_its_label_is_wrapped_to_the_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    text = ", ".join(f"{number} rule_{number}" for number in range(40))
    first, *others = labelled("rejected", text, 10).split("\n")
    assert first.startswith("rejected  0 rule_0, ")
    assert all(line.startswith(" " * 10) and line[10] != " " for line in others)
    assert all(len(line) <= max(50, min(120, columns)) for line in (first, *others))
    assert all(
        line.rstrip(",")[-1].isdigit() and "rule" in line.split()[-1] for line in (first, *others)
    )  # nouns keep their number
    assert " ".join(line[10:] for line in (first, *others)) == text


def test_a_long_label_has_its_text_on_the_next_line() -> None:
    assert labelled("a label of 23 characters", "text", 10) == "a label of 23 characters\n          text"


def test_control_characters_are_made_visible() -> None:
    assert safe("a\x1b[2Jb\u202ec\nd") == "a\\x1b[2Jb\\x202ec\nd"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (UserMistake("--num: bad\x1b"), 2, "selfinstruct: --num: bad\\x1b\n"),
        (Shortfall("1 of 2 rows"), 3, "selfinstruct: 1 of 2 rows\n"),
        (TeacherUnavailable("no answer"), 4, "selfinstruct: no answer\n"),
        (SelfInstructError("failed"), 1, "selfinstruct: failed\n"),
        (PermissionError(13, "Permission denied", "here"), 1, "selfinstruct: here: Permission denied. Fix: check the path, "),
        (RecursionError(), 2, "selfinstruct: a file or setting is nested too deeply to be read. Fix: "),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_errors_end_a_command_with_a_message_and_a_status(
    error: BaseException, status: int, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app, "app", fail)
    with pytest.raises(SystemExit) as ended:
        app.main()
    printed = capsys.readouterr()
    assert ended.value.code == status
    assert printed.out == "" and printed.err.startswith(message) and printed.err.count("\n") == bool(message)
