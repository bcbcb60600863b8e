"""The function `dedup`: what it compares, what it writes, and what it refuses."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from instruction_files import kept, lines, save
from pyarrow import parquet

from selfinstruct.dedup.deduplicate import dedup
from selfinstruct.dedup.single_pass import DedupProgress
from selfinstruct.errors import OutputError, TableError, UserMistake

RIVERS = ["Name the longest river of Mali.", "Name the longest river in Mali!", "What is a baker's dozen?"]

NAMES = ["dropped.jsonl", "summary.json"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies that `datasets` makes of tables out of the home of the person who runs the tests."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_other_scripts_are_compared_unless_tokens_are_ascii(tmp_path: Path) -> None:
    texts = [
        "เขียนบทกวีเกี่ยวกับทะเล",
        "เขียนบทกวีเกี่ยวกับทะเล!",
        "写一首关于大海的诗。",
        "写一首关于大海的诗",
        "قل مرحبا بالعالم الآن",
        "قل مرحبا بالعالم",
    ]
    data = lines(tmp_path / "a.jsonl", *texts)
    dedup([data], tmp_path / "all")
    assert kept(tmp_path / "all") == texts[::2]
    found = dedup([data], tmp_path / "ascii", tokens="ascii")
    assert kept(tmp_path / "ascii") == texts
    assert (found.kept, found.dropped, found.without_tokens) == (6, 0, 6)


def test_kept_rows_are_written_in_the_kind_of_file_that_they_came_in(tmp_path: Path) -> None:
    body = [(RIVERS[0], "007"), (RIVERS[2], ""), (RIVERS[1], "NA")]
    table = pa.table({"instruction": [text for text, _ in body], "n": pa.array([1, None, 3], pa.int16())})
    table = table.replace_schema_metadata({"own": "words"})
    parquet.write_table(table, tmp_path / "a.parquet")
    with pa.ipc.new_stream(tmp_path / "a.arrow", table.schema) as writer:
        writer.write_table(table)
    objects = [json.dumps({"instruction": text, "n": n}, indent=1) for text, n in body]
    save(tmp_path / "a.json", "[" + ",".join(objects) + "]")
    for kind, sign in (("csv", ","), ("tsv", "\t")):
        save(tmp_path / f"a.{kind}", "".join(f"{text}{sign}{n}\r\n" for text, n in [("instruction", "n"), *body]))
    for kind in ("parquet", "arrow", "json", "csv", "tsv"):
        found = dedup([tmp_path / f"a.{kind}"], tmp_path / kind)
        assert (found.file, found.kept, found.dropped) == (tmp_path / kind / f"kept.{kind}", 2, 1)
        assert sorted(path.name for path in found.file.parent.iterdir()) == sorted([*NAMES, f"kept.{kind}"])
        dropped = json.loads((tmp_path / kind / "dropped.jsonl").read_text())
        assert (dropped["row"], dropped["record"]["instruction"]) == (3, RIVERS[1])
    assert parquet.read_table(tmp_path / "parquet" / "kept.parquet").equals(table[:2], check_metadata=True)
    with pa.ipc.open_stream(tmp_path / "arrow" / "kept.arrow") as reader:
        assert reader.read_all().equals(table[:2], check_metadata=True)
    assert (tmp_path / "json" / "kept.json").read_text() == "[\n" + ",\n".join(objects[:2]) + "\n]\n"
    for kind in ("csv", "tsv"):
        assert (tmp_path / kind / f"kept.{kind}").read_bytes() == b"".join(
            (tmp_path / f"a.{kind}").read_bytes().splitlines(True)[:3]
        )


GOOD = '{"instruction": "Name a river."}\n'


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("no.jsonl", None, "no.jsonl: no such file. Fix: check the path."),
        ("no.jsonl.gz", None, "no.jsonl.gz: no such file"),
        ("empty.jsonl", "", "empty.jsonl: is empty. Fix: choose a file with rows."),
        ("blank.jsonl", "\n \n", "blank.jsonl: has no rows. Fix: remove it"),
        ("none.json", "[]", "none.json: has no rows"),
        ("head.csv", "instruction,n\n", "head.csv: has no rows"),
        ("a.txt", GOOD, "a.txt: kind of file not supported (supported are JSON, JSONL"),
        ("a.jsonl.zst", GOOD, "a.jsonl.zst: kind of file not supported (supported are JSON, JSONL (NDJSON), CSV, TSV (each"),
        ("a.parquet.gz", GOOD, "Fix: unpack it."),
        ("bad.jsonl", GOOD * 16 + '{"instruction": "x"\n', "bad.jsonl:17: is not valid JSON (Expecting ',' delimiter, column 20"),
        ("number.jsonl", GOOD + "17\n", "number.jsonl:2: must be an object with fields (got a number)"),
        ("bytes.jsonl", GOOD.encode() + b'{"instruction": "\xff"}', "bytes.jsonl:2: is not UTF-8 text"),
        ("wide.jsonl", GOOD.encode("utf-16"), "wide.jsonl:1: is not UTF-8 text (byte 1). Fix: save the file as UTF-8."),
        ("object.json", '{"data": [{"instruction": "x"}]}', "object.json: is one JSON object, not an array"),
        ("object.json", '{\n"instruction": "x"}', "object.json: is one JSON object, not an array"),
        ("deep.jsonl", '{"instruction": ' + "[" * 100_000, "deep.jsonl:1: holds JSON that cannot be read (it is nested too"),
        ("ragged.csv", "instruction,n\nx,1\ny\n", "ragged.csv:3: has 1 cells"),
        ("field.csv", "prompt,n\nx,1\n", "field.csv: has no field 'instruction' (there are: prompt, n). Fix: set fields"),
        ("field.jsonl", GOOD + '{"q": "x"}', "field.jsonl:2: has no field 'instruction' (there are: q)"),
        ("type.jsonl", '{"instruction": 5}', "type.jsonl:1: 'instruction' must be text (got a number)"),
        ("not.parquet", GOOD, "not.parquet: cannot be read as Parquet"),
        ("not.arrow", GOOD, "not.arrow: cannot be read as Arrow"),
        ("not.gz.csv.gz", GOOD, "is damaged"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_reference", [False, True])
def test_a_mistake_gives_one_line_and_leaves_no_output(
    as_reference: bool, name: str, content: str | bytes | None, says: str, tmp_path: Path
) -> None:
    bad, good = tmp_path / name, lines(tmp_path / "good.jsonl", *RIVERS)
    if content is not None:
        save(bad, content)
    given: dict[str, Any] = {"inputs": [good], "against": [bad]} if as_reference else {"inputs": [bad]}
    with pytest.raises(UserMistake) as raised:
        dedup(out=tmp_path / "new" / "out", **given)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "new").exists()


def test_an_input_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    data = lines(tmp_path / "a.jsonl", *RIVERS)

    def write_on(_: DedupProgress) -> None:
        with data.open("a") as file:
            file.write(GOOD)

    with pytest.raises(UserMistake, match=r"a.jsonl: was changed while it was read"):
        dedup([data], tmp_path / "out", progress=write_on)
    assert not (tmp_path / "out").exists()


def test_an_arrow_file_that_is_cut_short_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    texts = [f"{number} {hashlib.sha256(str(number).encode()).hexdigest()}" for number in range(9000)]
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, pa.schema([("instruction", "string")])) as writer:
        for start in range(0, len(texts), 3000):
            writer.write_table(pa.table({"instruction": texts[start : start + 3000]}))
    with pytest.raises(TableError, match=r"a\.arrow: (cannot be read as Arrow|was changed)"):
        dedup([path], tmp_path / "out", progress=lambda state: os.truncate(path, 100))
    assert not (tmp_path / "out").exists()


def test_an_output_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    data = lines(tmp_path / "a.jsonl", *RIVERS)
    with pytest.raises(OutputError, match="cannot be written"):
        dedup([data], tmp_path / ("x" * 300))
    with pytest.raises(UserMistake, match="at least one input"):
        dedup([], tmp_path / "out")
