"""Topics with quotas: the files that they are read from, and how many rows each gets."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet

from selfinstruct.errors import TopicError
from selfinstruct.inputs import topics
from selfinstruct.records import Topic, json_line

ROWS: list[dict[str, Any]] = [
    {"topic": " Bees  and\thives ", "quota": 2, "about": "keeping bees,\nyear by year"},
    {"topic": "Rivers", "quota": None, "about": None},
    {"topic": "\u6cb3", "quota": 0.5, "about": ""},
]
READ = (Topic("Bees and hives", 2.0, "keeping bees, year by year"), Topic("Rivers"), Topic("\u6cb3", 0.5))


def written(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_a_text_file_has_one_topic_on_each_line(tmp_path: Path) -> None:
    text = "\ufeff# my topics\r\n\r\n  Bees  and hives\r\nC# programs \rRivers\u2028of Mali\n   # later\nLakes"
    found = topics.load(written(tmp_path, "a.TXT", text))
    assert found == (Topic("Bees and hives"), Topic("C# programs"), Topic("Rivers of Mali"), Topic("Lakes"))
    assert all(topic.quota == 1 and topic.about == "" for topic in found)


def test_tables_of_all_kinds_give_the_same_topics(tmp_path: Path) -> None:
    made = [
        written(tmp_path, "a.jsonl", "\n".join(map(json.dumps, ROWS)) + "\n\n"),
        written(tmp_path, "a.json", json.dumps(ROWS)),
        written(tmp_path, "a.csv", 'topic,quota,about\nBees and hives,2,"keeping bees,\nyear by year"\nRivers,,\n\u6cb3, .5 ,\n'),
        written(
            tmp_path,
            "a.tsv",
            "about\ttopic\tquota\nkeeping bees, year by year\tBees and hives\t2e0\n\tRivers\t1\n\t\u6cb3\t0.5\n",
        ),
        str(tmp_path / "a.parquet"),
    ]
    parquet.write_table(pa.Table.from_pylist(ROWS), made[-1])
    assert [topics.load(path) for path in made] == [READ] * 5


def test_quota_and_about_may_be_left_out(tmp_path: Path) -> None:
    only = (Topic("a"), Topic("b"))
    assert topics.load(written(tmp_path, "a.csv", "topic\na\nb\n")) == only
    assert topics.load(written(tmp_path, "a.jsonl", '{"topic": "a"}\n{"topic": "b", "about": "x"}')) == (
        only[0],
        Topic("b", 1, "x"),
    )
    parquet.write_table(pa.table({"quota": [Decimal("1.5"), None], "topic": ["a", "b"]}), tmp_path / "a.parquet")
    assert topics.load(str(tmp_path / "a.parquet")) == (Topic("a", 1.5), Topic("b"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "", r"a\.txt: has no topics\. Fix: add at least one"),
        ("a.txt", "# a\n\n", "has no topics"),
        ("a.txt", "a\nb\n\nA\n", r"a\.txt:4: the topic 'A' is repeated \(first at .*a\.txt:1\)\. Fix: remove one"),
        ("a.txt", b"a\n\xff", r"a\.txt: is not UTF-8 text \(byte 3\)"),
        ("a.csv", "", r"a\.csv: is empty"),
        ("a.csv", "topic\n", "has no topics"),
        ("a.csv", "topic\na\na \n", r"a\.csv:3: the topic 'a' is repeated \(first at .*a\.csv:2\)"),
        ("a.csv", "topic,quota\na,1\nb,two\n", r"a\.csv:3: quota must be a positive number \(got 'two'\)"),
        ("a.csv", "topic,quota\na,0\n", r"a\.csv:2: quota must be a positive number \(got '0\.0'\)"),
        ("a.csv", "topic,quota\na,inf\n", "quota must be a positive number"),
        ("a.csv", "name\na\n", r"a\.csv: unknown column 'name' \(known are topic, quota, about\)\. Fix: rename or remove it"),
        ("a.csv", "quota\n1\n", r"a\.csv: has no column 'topic' \(there are: quota\)\. Fix: add one"),
        ("a.csv", "topic,qouta\na,2\n", "unknown column 'qouta'"),
        ("a.csv", 'topic,quota\n"",2\n', r"a\.csv:2: the topic is empty"),
        ("a.jsonl", '{"topic": "a"}\n{"about": "b"}', r"a\.jsonl:2: has no column 'topic'"),
        ("a.jsonl", '{"topic": "a", "weight": 2}', r"a\.jsonl:1: unknown column 'weight'"),
        ("a.jsonl", '{"topic": "a", "quota": "2"}', "quota must be a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": true}', "quota must be a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": -1}', "quota must be a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": NaN}', "quota must be a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": 1' + "0" * 400 + "}", "quota must be a positive number"),
        ("a.jsonl", '{"topic": 3}', r"a\.jsonl:1: topic must be text \(got a number\)"),
        ("a.jsonl", '{"topic": "a", "about": ["b"]}', r"about must be text \(got a list\)"),
        ("a.jsonl", "{", r"a\.jsonl:1: is not valid JSON"),
        (
            "a.yaml",
            "- a",
            r"a\.yaml: kind of file not supported\. Fix: rename it to end in \.txt \(one topic on each line\) or \.csv",
        ),
        ("missing.csv", None, r"no such file\. Fix: check the path"),
        ("missing", None, r"no such file\. Fix: check the path"),
        (".", None, "is not a file"),
    ],
)
def test_errors_in_a_file_of_topics_are_reported_with_the_line(
    tmp_path: Path, name: str, content: str | bytes | None, message: str
) -> None:
    path = written(tmp_path, name, content) if content is not None else str(tmp_path / name)
    with pytest.raises(TopicError, match=message):
        topics.load(path)


def test_a_nan_quota_in_parquet_is_refused_and_not_taken_for_null(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"topic": ["a"], "quota": [float("nan")]}), tmp_path / "a.parquet")
    with pytest.raises(TopicError, match=r"a\.parquet: row 1: quota must be a positive number \(got 'nan'\)"):
        topics.load(str(tmp_path / "a.parquet"))


def test_written_topics_are_read_back_unchanged(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"".join(json_line(topics.to_row(topic)) for topic in READ))
    assert topics.read_copy(tmp_path / "t") == READ


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nothing", ":2: is not valid JSON. Fix: restore the original file"),
        ("3", ":2: is not a topic"),
        (
            '{"name": "b", "quota": 1, "about": ""}',
            r":2: is not a topic, an object with name \(a text\), quota \(a number\)",
        ),
        ('{"name": "b", "quota": NaN, "about": ""}', ":2: quota must be a positive number"),
        ('{"name": "b", "quota": 1.0}', ":2: is not a topic"),
        ('{"name": "", "quota": 1.0, "about": ""}', ":2: the name is empty"),
        ('{"name": "a", "quota": 1.0, "about": ""}', ":2: the topic 'a' is repeated"),
    ],
)
def test_a_changed_copy_of_topics_is_refused(tmp_path: Path, line: str, message: str) -> None:
    path = written(tmp_path, "t", json_line(topics.to_row(Topic("a"))) + line.encode() + b"\n")
    with pytest.raises(TopicError, match=message):
        topics.read_copy(path)
    with pytest.raises(TopicError, match="has no topics"):
        topics.read_copy(written(tmp_path, "e", ""))
    with pytest.raises(TopicError, match="cannot be read"):
        topics.read_copy(tmp_path / "nothing")


def named(*quotas: float) -> list[Topic]:
    return [Topic(name, quota) for name, quota in zip("abcdefgh", quotas, strict=False)]


def test_rows_are_divided_by_quota_and_equal_remainders_go_to_the_earlier_topic() -> None:
    assert topics.row_quotas(named(1, 1, 1), 10) == {"a": 4, "b": 3, "c": 3}
    assert topics.row_quotas(named(1, 1, 1), 11) == {"a": 4, "b": 4, "c": 3}
    assert topics.row_quotas(named(1, 2, 1), 5) == {"a": 1, "b": 3, "c": 1}  # 1.25, 2.5, 1.25
    assert topics.row_quotas(named(0.1, 0.2, 0.7), 10) == {"a": 1, "b": 2, "c": 7}
    assert topics.row_quotas(named(1, 1000), 10) == {"a": 0, "b": 10}
    assert topics.row_quotas(named(1e-300, 1e300), 3) == {"a": 0, "b": 3}
    assert topics.row_quotas([], 3) == {}


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8), st.integers(0, 100_000))
def test_the_shares_sum_to_the_number_of_rows_and_none_is_off_by_more_than_a_row(quotas: list[float], num: int) -> None:
    counts = list(topics.row_quotas(named(*quotas), num).values())
    assert sum(counts) == num
    assert all(abs(count - num * quota / sum(quotas)) < 1 + 1e-6 for count, quota in zip(counts, quotas, strict=True))
