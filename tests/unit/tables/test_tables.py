"""Tables: every kind of file is read as it is, and rows are written without loss."""

from __future__ import annotations

import datetime
import decimal
import gzip
import io
import json
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import feather, ipc, parquet

from selfinstruct.errors import TableError
from selfinstruct.tables import columns as column_texts
from selfinstruct.tables import json as json_tables
from selfinstruct.tables import writers
from selfinstruct.tables.detect import open_tables
from selfinstruct.tables.rows import MOST_BYTES, MOST_ROWS, Rows, Table, distinct_names

ROWS: list[dict[str, Any]] = [
    {"instruction": "Name a river.\u2028In Mali.", "n": 1, "x": 0.1, "more": {"tags": ["a", None], "ok": True}},
    {"instruction": 'Say "hi", or\nhej \U0001f600', "n": None, "x": -0.0, "more": {"tags": [], "ok": None}},
    {"instruction": "", "n": -(2**63), "x": 1e300, "more": None},
]
SCHEMA = pa.schema(
    [
        pa.field("instruction", pa.large_string(), metadata={b"of": b"the field"}),
        pa.field("n", pa.int64(), nullable=True),
        pa.field("x", pa.float32(), nullable=False),
        pa.field("more", pa.struct([("tags", pa.list_(pa.string())), ("ok", pa.bool_())])),
        pa.field("when", pa.timestamp("us", "Europe/Paris")),
        pa.field("day", pa.date32()),
        pa.field("price", pa.decimal128(12, 3)),
        pa.field("bytes", pa.binary()),
        pa.field("kind", pa.dictionary(pa.int8(), pa.string())),
        pa.field("pairs", pa.map_(pa.string(), pa.int32())),
        pa.field("nothing", pa.null()),
        pa.field("three", pa.list_(pa.int16(), 3)),
    ],
    metadata={b"huggingface": b'{"info": {}}', b"own": "ключ".encode()},
)
WHEN = datetime.datetime(2024, 2, 29, 12, 30, 0, 17, tzinfo=datetime.UTC)


def columns(count: int = 5) -> pa.Table:
    return pa.Table.from_pylist(
        [
            {
                "instruction": None if number == 3 else f"Number {number} ไทย",
                "n": number or None,
                "x": float("nan") if number == 1 else number / 3,
                "more": None if number == 2 else {"tags": ["a", None][: number % 3], "ok": None},
                "when": WHEN,
                "day": datetime.date(1, 1, 1),
                "price": decimal.Decimal("-0.125"),
                "bytes": b"\x00\xff",
                "kind": "ab"[number % 2],
                "pairs": [("k", number)],
                "three": [number, None, 3],
            }
            for number in range(count)
        ],
        SCHEMA,
    )


def only(path: Path) -> Table:
    (table,) = open_tables(str(path))
    return table


def batches(path: Path) -> list[Rows]:
    return list(only(path).batches())


def save(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def rewritten(path: Path, kind: str | None = None, every: int = 1) -> bytes:
    """Return all rows (or every second, ...) as a file of this kind."""
    table = only(path)
    sink = io.BytesIO()
    with writers.open_writer(kind or table.kind, [table], sink) as into:
        for rows in table.batches():
            into.write(rows, [place for place in range(len(rows)) if (rows.first + place - 1) % every == 0])
    return sink.getvalue()


def test_lines_of_json_are_written_byte_for_byte(tmp_path: Path) -> None:
    lines = [
        b'{"a": 1, "a": 2, "instruction":"x\\u2028y", "big": 123456789012345678901234567890, "f": 1.10}\r\n',
        b'  {"instruction": "\xe2\x80\xa8 \xc2\x85 \\ud800"}  \n',
        b"\n",
        b' \t\r\n{"instruction": NaN, "instruction": null}',
    ]
    path = save(tmp_path, "a.jsonl", b"\xef\xbb\xbf" + b"".join(lines))
    (rows,) = batches(path)
    assert [rows.line(place) for place in range(len(rows))] == [1, 2, 5]
    assert column_texts.texts(rows, ["instruction"]) == ["x\u2028y", "\u2028 \x85 \ud800", ""]
    assert rewritten(path) == lines[0] + lines[1] + lines[3].split(b"\r\n")[1] + b"\n"
    assert rows.json(0) == lines[0].rstrip()


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.ndjson"])
def test_an_array_is_detected_by_its_first_character_and_its_elements_keep_their_text(name: str, tmp_path: Path) -> None:
    elements = [json.dumps(row, indent=2, ensure_ascii=number % 2 == 0) for number, row in enumerate(ROWS)]
    path = save(tmp_path, name, "\ufeff \n[" + " ,\r\n ".join(elements) + "\n]\n\n")
    table = only(path)
    assert table.kind == "json"
    (rows,) = table.batches()
    assert rows.column("more") == [row["more"] for row in ROWS]
    assert [rows.line(place) for place in range(3)] == [2, 14, 23]
    assert rewritten(path).decode() == "[\n" + ",\n".join(elements) + "\n]\n"
    assert b"\n" not in rows.json(0)
    assert [json.loads(rows.json(place)) for place in range(3)] == ROWS
    empty = save(tmp_path, "empty.json", "[ ]")
    assert batches(empty) == []
    assert json.loads(rewritten(empty)) == []


@pytest.mark.parametrize("chunk", [1, 2, 3, 4, 5, 7, 64, 65])
def test_an_array_is_read_the_same_in_chunks_of_any_size(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_tables, "CHUNK", chunk)
    rows = [*ROWS, {"n": -1.5e-7, "m": 1e999}, {"s": '\U0001f600 \\" é' * 30}, {}, {"deep": [[[{"n": True}]]]}]
    for number, text in enumerate((json.dumps(rows), "\ufeff" + json.dumps(rows, indent=1, ensure_ascii=False) + "\n" * 200)):
        path = save(tmp_path, f"{number}.json", text)
        found = [value for batch in batches(path) for value in batch.values]  # type: ignore[attr-defined]
        assert found == rows


@pytest.mark.parametrize("chunk", [1, 5, 1 << 20])
@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[{"a": 1},\n{"a": tru}]', ":2: is not valid JSON (Expecting value)"),
        ('[{"a": 1},\n\n{"a": "x"} {"a": 2}]', ":3: is not valid JSON (expected ']', found '{')"),
        ('[{"a": 1},\n{"a": "x"},\n]', ":3: is not valid JSON (Expecting value)"),
        ('[{"a": 1},\n{"a": "x"}', ":2: is not valid JSON (the file ends inside the array)"),
        ('[{"a": 1},\n{"a": "x', ":2: is not valid JSON ("),
        ('[{"a": 1},', ":1: is not valid JSON (the file ends inside the array)"),
        ('[{"a": 1}]\n[]', ":2: is not valid JSON (something follows the array)"),
        ('[{"a": 1},\n17]', ":2: must be an object with fields (got a number)"),
        ('[{"a": 1},\n"a\nb"]', ":2: is not valid JSON (Invalid control character at)"),
        ("[" + "[" * 100_000, ":1: is not valid JSON (it is nested too deeply)"),
        ('[{"a": ' + "9" * 5000 + "}]", ":1: is not valid JSON (Exceeds the limit"),
    ],
)
def test_an_error_in_an_array_is_reported_with_its_line(
    chunk: int, text: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if chunk < 10 and len(text) > 1000:  # slow, and short texts show the same
        return
    monkeypatch.setattr(json_tables, "CHUNK", chunk)
    with pytest.raises(TableError, match="Fix: correct") as raised:
        batches(save(tmp_path, "a.json", text))
    assert says in str(raised.value)


def test_an_error_early_in_a_large_array_is_reported_before_the_rest_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_tables, "CHUNK", 1000)
    table = only(save(tmp_path, "a.json", '[{"a" 1},' + '{"a": 1},' * 100_000))
    with pytest.raises(TableError, match=":1: is not valid JSON"):
        list(table.batches())
    assert table.done < 10_000


@pytest.mark.parametrize("chunk", [3, 8, 1 << 20])
def test_bytes_that_are_not_utf_8_are_reported_with_their_place(
    chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_tables, "CHUNK", chunk)
    with pytest.raises(TableError, match=r":2: is not UTF-8 text \(byte 18\)"):
        batches(save(tmp_path, "a.json", b'\xef\xbb\xbf[{"a": 1},\n"\xc3\xa9\xff"]'))
    with pytest.raises(TableError, match=r"b.jsonl:2: is not UTF-8 text \(byte 8\)"):
        batches(save(tmp_path, "b.jsonl", b'{"a": 1}\n{"a": "\xe9"}\n'))
    with pytest.raises(TableError, match=r"c.csv:3: is not UTF-8 text \(byte 3\)"):
        batches(save(tmp_path, "c.csv", b"a,b\n1,2\n1,\xe9\n"))


CELLS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)


@given(st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1)))
def test_cells_are_read_as_the_csv_module_writes_them(tmp_path_factory: pytest.TempPathFactory, cells: list[list[str]]) -> None:
    import csv

    text = io.StringIO(newline="")
    header = [f"c{number}" for number in range(len(cells[0]))]
    csv.writer(text).writerows([header, *cells])
    path = save(tmp_path_factory.mktemp("csv"), "a.csv", text.getvalue())
    found = [list(value.values()) for batch in batches(path) for value in batch.values]  # type: ignore[attr-defined]
    assert found == cells
    assert rewritten(path) == path.read_bytes()


def test_cells_are_text_and_lines_of_csv_are_written_byte_for_byte(tmp_path: Path) -> None:
    text = '\ufeffinstruction,n,n\r\n"a ""b"",\nc",007,NA\r\n\r\nx,"1.50",\r\ny,,"é"'
    path = save(tmp_path, "a.csv", text)
    (rows,) = batches(path)
    assert only(path).columns == ("instruction", "n", "n.1")
    assert [json.loads(rows.json(place)) for place in range(3)] == [
        {"instruction": 'a "b",\nc', "n": "007", "n.1": "NA"},
        {"instruction": "x", "n": "1.50", "n.1": ""},
        {"instruction": "y", "n": "", "n.1": "é"},
    ]
    assert [rows.line(place) for place in range(3)] == [2, 5, 6]
    assert rewritten(path).decode() == text.removeprefix("\ufeff").replace("\r\n\r\n", "\r\n") + "\r\n"
    tabs = save(tmp_path, "a.TSV", "instruction\tn\nx, y\t1\n")
    assert rewritten(tabs) == tabs.read_bytes()
    long = save(tmp_path, "long.csv", "instruction\n" + "x" * 200_000 + "\n")
    assert rewritten(long) == long.read_bytes()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a,b\n1,2\n1,2,3\n", "a.csv:3: has 3 cells, but the first row has 2"),
        ('a,b\n"1\n2",3\n1\n', "a.csv:4: has 1 cells, but the first row has 2"),
        ('a,b\n1,"2\n\n3,4\n', "a.csv:2: is not valid CSV (unexpected end of data)"),
        ('a,b\n1,"2" 3\n', "a.csv:2: is not valid CSV (',' expected after '\"')"),
        ("\n\n", "a.csv: has no row with the names of the columns"),
    ],
)
def test_an_error_in_a_csv_file_is_reported_with_its_line(text: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(TableError) as raised:
        batches(save(tmp_path, "a.csv", text))
    assert says in str(raised.value)


def same(one: pa.Table, two: pa.Table) -> None:
    """Assert equal values, types and metadata. Values are compared as text, because NaN does not equal itself."""
    assert one.schema.equals(two.schema, check_metadata=True)
    assert repr(one.to_pydict()) == repr(two.to_pydict())


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip", "none"])
def test_parquet_keeps_types_nulls_and_metadata(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    parquet.write_table(columns(), path, compression=compression, row_group_size=2)
    stored = parquet.read_table(path)
    out = save(tmp_path, "b.parquet", rewritten(path))
    same(parquet.read_table(out), stored)
    names = {parquet.ParquetFile(file).metadata.row_group(0).column(0).compression for file in (path, out)}
    assert len(names) == 1
    out = save(tmp_path, "c.parquet", rewritten(path, every=2))
    same(parquet.read_table(out), stored.take([0, 2, 4]))


@pytest.mark.parametrize("shape", ["stream", "file", "feather"])
def test_arrow_keeps_types_nulls_and_metadata(shape: str, tmp_path: Path) -> None:
    path = tmp_path / "a.arrow"
    table = columns()
    if shape == "feather":
        path = tmp_path / "a.feather"
        feather.write_feather(table, path, compression="zstd")
    else:
        with (ipc.new_stream if shape == "stream" else ipc.new_file)(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=2)
    out = save(tmp_path, "b.arrow", rewritten(path, every=2))
    reader = (ipc.open_stream if shape == "stream" else ipc.open_file)(out.read_bytes())
    same(reader.read_all(), table.take([0, 2, 4]))


def test_column_values_without_a_json_type_become_text(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    table = columns(2).append_column("far", pa.array([10**14, 0], pa.timestamp("s")))  # no year that Python knows
    parquet.write_table(table, path)
    first, second = (json.loads(line) for line in rewritten(path, "jsonl").splitlines())
    assert first == {
        "instruction": "Number 0 ไทย", "n": None, "x": 0.0, "more": {"tags": [], "ok": None},
        "when": "2024-02-29T13:30:00.000017+01:00", "day": "0001-01-01", "price": "-0.125", "bytes": "AP8=", "kind": "a",
        "pairs": [["k", 0]], "nothing": None, "three": [0, None, 3], "far": first["far"],
    }  # fmt: skip
    assert "1" + "0" * 17 in first["far"]  # as pyarrow writes it: milliseconds
    assert second["x"] is None  # JSON has no NaN
    assert json.loads(rewritten(path, "json")) == [first, second]


def test_rows_of_each_kind_as_json_are_the_same(tmp_path: Path) -> None:
    texts = [{"instruction": str(row["instruction"]), "n": str(row["n"])} for row in ROWS]
    lines = save(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in texts))
    array = save(tmp_path, "a.json", json.dumps(texts, indent=4))
    body = "".join('"{}",{}\n'.format(row["instruction"].replace('"', '""'), row["n"]) for row in texts)
    cells = save(tmp_path, "a.csv", "instruction,n\n" + body)
    table = tmp_path / "a.parquet"
    parquet.write_table(pa.Table.from_pylist(texts), table)
    for path in (lines, array, cells, table):
        assert [json.loads(line) for line in rewritten(path, "jsonl").decode().split("\n")[:-1]] == texts
        assert json.loads(rewritten(path, "json")) == texts


@pytest.mark.parametrize("name", ["a.jsonl.gz", "a.csv.gz", "a.json.GZ"])
def test_packed_text_files_are_read(name: str, tmp_path: Path) -> None:
    content = {"l": b'{"a": "x"}\n' * 9, "v": b"a\n" + b"x\n" * 9, "n": b"[" + b",".join([b'{"a": "x"}'] * 9) + b"]"}[name[-4]]
    path = save(tmp_path, name, gzip.compress(content))
    assert [rows.column("a") for rows in batches(path)] == [["x"] * 9]
    for damaged in (path.read_bytes()[:-12], path.read_bytes()[:15] + b"\xff" * 30, content):
        with pytest.raises(TableError, match="is damaged"):
            batches(save(tmp_path, name, damaged))


def test_a_data_set_loaded_by_name_has_its_splits_in_order_and_keeps_its_features(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A folder stands in for a name of the hub: `load_dataset` treats both alike."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "team" / "tiny"
    folder.mkdir(parents=True)
    for split, label in (("train", 0), ("test", 1)):
        table = datasets.Dataset.from_dict(
            {"instruction": ["Name a river.", split], "label": [label, None]},
            features=datasets.Features({"instruction": datasets.Value("string"), "label": datasets.ClassLabel(names=["a", "b"])}),
        )
        table.to_parquet(folder / f"{split}.parquet")
    monkeypatch.chdir(tmp_path)
    train, test = open_tables("team/tiny:default")
    assert [train.name, test.name] == ["team/tiny:default:train", "team/tiny:default:test"]
    assert open_tables(test.name)[0].columns == test.columns == ("instruction", "label")
    (rows,) = test.batches()
    assert (rows.where(1), rows.column("instruction")) == ("team/tiny:default:test: row 2", ["Name a river.", "test"])
    sink = io.BytesIO()
    with writers.open_writer(test.kind, [test], sink) as into:
        into.write(rows, [1])
    written = datasets.Dataset.from_parquet(str(save(tmp_path, "kept.parquet", sink.getvalue())), cache_dir=str(tmp_path / "c"))
    assert written.features["label"].names == ["a", "b"]
    assert list(written) == [{"instruction": "test", "label": None}]


@pytest.mark.parametrize(
    ("row", "path", "value"),
    [
        ({"a": {"b": "x"}}, "a.b", "x"),
        ({"a": {"b": "x"}, "a.b": "y"}, "a.b", "y"),
        ({"a.b": {"c": "x"}, "a": {"b": {"d": "y"}}}, "a.b.d", "y"),
        ({"m": [{"c": "x"}, {"c": "y"}]}, "m.1.c", "y"),
        ({"m": [["x"]]}, "m.0.0", "x"),
        ({"m": None}, "m.0.content", ""),
        ({"m": [None]}, "m.0.content", ""),
        ({"m": {"0": "x"}}, "m.0", "x"),
    ],
)
def test_a_path_leads_into_objects_and_lists(row: dict[str, Any], path: str, value: str, tmp_path: Path) -> None:
    lines = save(tmp_path, "a.jsonl", json.dumps(row))
    table = tmp_path / "a.parquet"
    parquet.write_table(pa.Table.from_pylist([row]), table)
    for file in (lines, table):
        column_texts.check(only(file), [path])
        assert [column_texts.texts(rows, [path, path]) for rows in batches(file)] == [[f"{value}\n{value}"]]


@pytest.mark.parametrize(
    ("row", "path", "says"),
    [
        ({"prompt": "x", "evil\x1b": 1}, "instruction", "has no field 'instruction' (there are: prompt, 'evil\\x1b'). Fix: set"),
        ({"m": [{"c": "x"}]}, "m.1.c", "has no field 'm.1.c' (there are: m). Fix: set fields"),
        ({"m": [{"c": "x"}]}, "m.-1.c", "has no field 'm.-1.c'"),
        ({"m": [{"c": "x"}]}, "m.²", "has no field 'm.²'"),
        ({"m": "text"}, "m.0", "has no field 'm.0'"),
        (
            {"m": [{"c": "x"}]},
            "m",
            "'m' must be text (got a list). Fix: set fields to another field, or to a part of it such as m.0.content.",
        ),
        ({"m": 5}, "m", "'m' must be text (got a number)"),
        ({"m": False}, "m", "'m' must be text (got true or false)"),
        ({"m": {"c": 1}}, "m", "'m' must be text (got an object)"),
        ({f"c{number}": 1 for number in range(30)}, "m", "c18, c19 and 10 more). Fix: set"),
    ],
)
def test_a_field_that_is_missing_or_not_text_is_reported_with_its_place(
    row: dict[str, Any], path: str, says: str, tmp_path: Path
) -> None:
    lines = save(tmp_path, "a.jsonl", "\n" + json.dumps(row))
    table = tmp_path / "a.parquet"
    parquet.write_table(pa.Table.from_pylist([row]), table)
    for file, place in ((lines, f"{lines}:2: "), (table, f"{table}: row 1: ")):
        (rows,) = batches(file)
        with pytest.raises(TableError) as raised:
            column_texts.texts(rows, [path])
        assert str(raised.value).startswith(place)
        assert says in str(raised.value)


def test_batches_are_limited_in_size_and_number_their_rows(tmp_path: Path) -> None:
    count = MOST_ROWS + 10
    many = save(tmp_path, "a.csv", "a\n" + "x\n" * count)
    large = save(tmp_path, "b.jsonl", (json.dumps({"a": "x" * 1_000_000}) + "\n") * 20)
    table = tmp_path / "c.parquet"
    parquet.write_table(pa.table({"a": ["x" * 1_000_000] * 20}), table, use_dictionary=False, compression="none")
    stream = tmp_path / "d.arrow"
    with ipc.new_stream(stream, pa.schema([("a", pa.string())])) as writer:
        writer.write_table(pa.table({"a": ["x"] * count}))
    for path, rows in ((many, count), (large, 20), (table, 20), (stream, count)):
        found = batches(path)
        assert len(found) >= 2
        assert [batch.first for batch in found] == [1 + sum(map(len, found[:number])) for number in range(len(found))]
        assert sum(map(len, found)) == rows
        assert max(map(len, found)) <= (MOST_ROWS if rows == count else 2 * MOST_BYTES // 1_000_000)
        read = only(path)
        assert list(read.batches()) and read.done == read.size


def test_repeated_column_names_are_made_distinct() -> None:
    assert distinct_names(["a", "a", "a.1", "b", "a"]) == ["a", "a.2", "a.1", "b", "a.3"]
