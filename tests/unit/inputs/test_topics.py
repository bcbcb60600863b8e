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


def test_a_text_file_has_a_topic_a_line(tmp_path: Path) -> None:
    text = "\ufeff# my topics\r\n\r\n  Bees  and hives\r\nC# programs \rRivers\u2028of Mali\n   # later\nLakes"
    found = topics.load(written(tmp_path, "a.TXT", text))
    assert found == (Topic("Bees and hives"), Topic("C# programs"), Topic("Rivers of Mali"), Topic("Lakes"))
    assert all(topic.quota == 1 and topic.about == "" for topic in found)


def test_all_kinds_of_tables_say_the_same(tmp_path: Path) -> None:
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
    ("name", "content", "said"),
    [
        ("a.txt", "", r"a\.txt: has no topics in it; give it at least one"),
        ("a.txt", "# a\n\n", "has no topics in it"),
        ("a.txt", "a\nb\n\nA\n", r"a\.txt:4: the topic 'A' is there already \(.*a\.txt:1\); remove one"),
        ("a.txt", b"a\n\xff", r"a\.txt: is not UTF-8 text \(byte 3\)"),
        ("a.csv", "", r"a\.csv: is empty"),
        ("a.csv", "topic\n", "has no topics in it"),
        ("a.csv", "topic\na\na \n", r"a\.csv:3: the topic 'a' is there already \(.*a\.csv:2\)"),
        ("a.csv", "topic,quota\na,1\nb,two\n", r"a\.csv:3: the quota is a positive number \(it is 'two'\)"),
        ("a.csv", "topic,quota\na,0\n", r"a\.csv:2: the quota is a positive number \(it is '0\.0'\)"),
        ("a.csv", "topic,quota\na,inf\n", "the quota is a positive number"),
        ("a.csv", "name\na\n", r"a\.csv: 'name' is none of the columns topic, quota, about; rename or remove it"),
        ("a.csv", "quota\n1\n", r"a\.csv: has no column 'topic'; give one \(there are: quota\)"),
        ("a.csv", "topic,qouta\na,2\n", "'qouta' is none of the columns"),
        ("a.csv", 'topic,quota\n"",2\n', r"a\.csv:2: the topic is empty"),
        ("a.jsonl", '{"topic": "a"}\n{"about": "b"}', r"a\.jsonl:2: has no column 'topic'"),
        ("a.jsonl", '{"topic": "a", "weight": 2}', r"a\.jsonl:1: 'weight' is none of"),
        ("a.jsonl", '{"topic": "a", "quota": "2"}', "the quota is a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": true}', "the quota is a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": -1}', "the quota is a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": NaN}', "the quota is a positive number"),
        ("a.jsonl", '{"topic": "a", "quota": 1' + "0" * 400 + "}", "the quota is a positive number"),
        ("a.jsonl", '{"topic": 3}', r"a\.jsonl:1: the topic is a number and not text"),
        ("a.jsonl", '{"topic": "a", "about": ["b"]}', "the about is a list and not text"),
        ("a.jsonl", "{", r"a\.jsonl:1: is not valid JSON"),
        ("a.yaml", "- a", r"a\.yaml: is of no kind that is read: a topic a line ends in \.txt, a table in \.csv"),
        ("missing.csv", None, "no such file; check the path"),
        ("missing", None, "no such file; check the path"),
        (".", None, "is no file; name a file of topics"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_with_the_line(
    tmp_path: Path, name: str, content: str | bytes | None, said: str
) -> None:
    path = written(tmp_path, name, content) if content is not None else str(tmp_path / name)
    with pytest.raises(TopicError, match=said):
        topics.load(path)


def test_a_parquet_quota_that_is_no_number_is_not_taken_for_none(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"topic": ["a"], "quota": [float("nan")]}), tmp_path / "a.parquet")
    with pytest.raises(TopicError, match=r"a\.parquet: row 1: the quota is a positive number \(it is 'nan'\)"):
        topics.load(str(tmp_path / "a.parquet"))


def test_topics_are_read_back_as_they_were_written(tmp_path: Path) -> None:
    (tmp_path / "t").write_bytes(b"".join(json_line(topics.as_row(topic)) for topic in READ))
    assert topics.read(tmp_path / "t") == READ


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("nothing", ":2: is not valid JSON; copy the file anew"),
        ("3", ":2: is no topic"),
        (
            '{"name": "b", "quota": 1, "about": ""}',
            r":2: is no topic, which is an object with name \(a text\), quota \(a number\)",
        ),
        ('{"name": "b", "quota": NaN, "about": ""}', ":2: the quota is a positive number"),
        ('{"name": "b", "quota": 1.0}', ":2: is no topic"),
        ('{"name": "", "quota": 1.0, "about": ""}', ":2: is no topic"),
        ('{"name": "a", "quota": 1.0, "about": ""}', ":2: the topic 'a' is there already"),
    ],
)
def test_lines_that_are_no_topics_are_refused(tmp_path: Path, line: str, said: str) -> None:
    path = written(tmp_path, "t", json_line(topics.as_row(Topic("a"))) + line.encode() + b"\n")
    with pytest.raises(TopicError, match=said):
        topics.read(path)
    with pytest.raises(TopicError, match="has no topics"):
        topics.read(written(tmp_path, "e", ""))
    with pytest.raises(TopicError, match="cannot be read"):
        topics.read(tmp_path / "nothing")


def named(*quotas: float) -> list[Topic]:
    return [Topic(name, quota) for name, quota in zip("abcdefgh", quotas, strict=False)]


def test_rows_are_shared_out_by_quota_and_equal_remainders_go_to_the_earlier_topic() -> None:
    assert topics.caps(named(1, 1, 1), 10) == {"a": 4, "b": 3, "c": 3}
    assert topics.caps(named(1, 1, 1), 11) == {"a": 4, "b": 4, "c": 3}
    assert topics.caps(named(1, 2, 1), 5) == {"a": 1, "b": 3, "c": 1}  # 1.25, 2.5, 1.25
    assert topics.caps(named(0.1, 0.2, 0.7), 10) == {"a": 1, "b": 2, "c": 7}
    assert topics.caps(named(1, 1000), 10) == {"a": 0, "b": 10}
    assert topics.caps(named(1e-300, 1e300), 3) == {"a": 0, "b": 3}
    assert topics.caps([], 3) == {}


@given(st.lists(st.floats(1e-3, 1e6), min_size=1, max_size=8), st.integers(0, 100_000))
def test_the_shares_are_together_what_is_wanted_and_none_is_off_by_a_row(quotas: list[float], num: int) -> None:
    counts = list(topics.caps(named(*quotas), num).values())
    assert sum(counts) == num
    assert all(abs(count - num * quota / sum(quotas)) < 1 + 1e-6 for count, quota in zip(counts, quotas, strict=True))
