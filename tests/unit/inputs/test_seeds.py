"""Seed tasks: the ones that come with the package, the loader, and the check of a file."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext
from selfinstruct.errors import SeedError
from selfinstruct.inputs import seed_check, seeds
from selfinstruct.records import Example, Seed, json_line
from selfinstruct.rouge import RougeIndex

BUNDLED = seeds.load()
SELF_INSTRUCT = [
    {"id": "a", "name": "rivers", "instruction": "Name a river.", "instances": [{"input": "", "output": "The Niger."}],
     "is_classification": False},
    {"id": "b", "name": "label", "domain": "work", "instruction": " Label this.\r\nOne word. ",
     "instances": [{"input": "Hi\r\n", "output": " greeting"}, {"input": "Go!", "output": "order"}], "is_classification": True},
]  # fmt: skip
AS_SEEDS = (
    Seed("a", "rivers", "Name a river.", (("", "The Niger."),)),
    Seed("b", "label", "Label this.\nOne word.", (("Hi", "greeting"), ("Go!", "order")), True, "work"),
)
ALPACA = [
    {"instruction": "Name a river.", "input": "", "output": "The Niger."},
    {"instruction": "Add these.", "input": "2, 3", "output": "5"},
]
FROM_ALPACA = (
    Seed("seed_0000", "seed_0000", "Name a river.", (("", "The Niger."),)),
    Seed("seed_0001", "seed_0001", "Add these.", (("2, 3", "5"),)),
)


def lines(*rows: Any) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def write(folder: Path, text: str, name: str = "seeds.jsonl") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies that `datasets` makes of tables out of the home of the person who runs the tests."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def test_bundled_seeds_are_many_and_varied() -> None:
    with_input = sum(bool(seed.instances[0][0]) for seed in BUNDLED) / len(BUNDLED)
    words = [len(seed.instruction.split()) for seed in BUNDLED]
    assert len(BUNDLED) >= 200
    assert len({seed.domain for seed in BUNDLED}) >= 25 and all(seed.domain for seed in BUNDLED)
    assert sum(seed.is_classification for seed in BUNDLED) >= 40
    assert 0.4 <= with_input <= 0.6
    assert sum(seed.instruction.endswith("?") for seed in BUNDLED) >= 20
    assert min(words) <= 8 and max(words) >= 30


def test_bundled_seeds_have_unique_ids_names_and_instructions() -> None:
    for texts in ([s.id for s in BUNDLED], [s.name for s in BUNDLED], [s.instruction.lower() for s in BUNDLED]):
        assert [text for text, times in Counter(texts).items() if times > 1 or not text] == []


def test_the_bundled_file_is_written_as_the_package_writes_seeds() -> None:
    rows = [json.loads(line) for line in seeds.bundled().read_text(encoding="utf-8").splitlines()]
    assert [seeds.to_row(seed) for seed in BUNDLED] == rows


def test_no_two_bundled_seeds_are_above_rouge_l_one_half() -> None:
    index = RougeIndex(0.5)
    near = index.admit_all([seed.instruction for seed in BUNDLED], [seed.id for seed in BUNDLED])
    assert [(seed.id, other.id, other.score) for seed, other in zip(BUNDLED, near, strict=True) if other] == []


@pytest.mark.parametrize("name", plugins.names("filter"))
def test_every_filter_passes_every_bundled_seed(name: str) -> None:
    function, context = plugins.find("filter", name), FilterContext(frozenset(), {})
    examples = [(seed.id, Example(seed.instruction, *texts)) for seed in BUNDLED for texts in seed.instances]
    assert len(examples) >= len(BUNDLED)
    dropped = [(id, drop) for id, example in examples if (drop := function(example, context))]
    assert dropped == []


def test_bundled_seeds_are_normalised_and_the_check_finds_nothing() -> None:
    for seed in BUNDLED:
        assert [seed.example] == [Example.of(seed.instruction, *seed.instances[0])]
        assert all((input, output) == (input.strip(), output.strip()) for input, output in seed.instances)
    found = seed_check.check(BUNDLED)
    assert found.findings == () and found.counts["seed tasks"] == len(BUNDLED) == sum(found.domains.values())


def test_self_instruct_jsonl_is_read_and_normalised(tmp_path: Path) -> None:
    assert seeds.load(write(tmp_path, lines(*SELF_INSTRUCT))) == AS_SEEDS


@pytest.mark.parametrize("name", ["seeds.json", "seeds.JSON", "seeds.jsonl"])
def test_alpaca_json_is_read_and_rows_are_numbered(tmp_path: Path, name: str) -> None:
    assert seeds.load(write(tmp_path, json.dumps(ALPACA, indent=2), name)) == FROM_ALPACA


@pytest.mark.parametrize("name", ["seeds.jsonl", "seeds.json", "seeds.ndjson"])
def test_alpaca_jsonl_is_read(tmp_path: Path, name: str) -> None:
    assert seeds.load(write(tmp_path, lines(*ALPACA), name)) == FROM_ALPACA


def test_a_byte_order_mark_blank_lines_and_windows_line_ends_are_ignored(tmp_path: Path) -> None:
    text = "\ufeff\n" + lines(*ALPACA).replace("\n", "\r\n\r\n")
    assert seeds.load(write(tmp_path, text)) == FROM_ALPACA


def test_a_unicode_line_separator_in_a_text_does_not_end_a_line(tmp_path: Path) -> None:
    text = json.dumps({"instruction": "Join a\u2028b\x85c.", "output": "abc"}, ensure_ascii=False)
    (seed,) = seeds.load(write(tmp_path, text))
    assert seed.instruction == "Join a\u2028b\x85c."


def test_an_alpaca_row_needs_no_input_and_may_have_other_columns(tmp_path: Path) -> None:
    rows = [{"instruction": "Name a river.", "output": "The Niger.", "text": 5}, {**ALPACA[1], "input": None}]
    first, second = seeds.load(write(tmp_path, lines(*rows)))
    assert first == FROM_ALPACA[0] and second.instances == (("", "5"),)


@pytest.mark.parametrize("suffix", ["csv", "tsv", "parquet"])
def test_alpaca_tables_are_read_by_datasets(tmp_path: Path, suffix: str) -> None:
    table, path = datasets.Dataset.from_list(ALPACA), tmp_path / f"seeds.{suffix}"
    if suffix == "parquet":
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="\t" if suffix == "tsv" else ",")
    found = seeds.load(path)
    assert [(seed.instruction, seed.instances) for seed in found] == [(seed.instruction, seed.instances) for seed in FROM_ALPACA]


def test_self_instruct_parquet_is_read_by_datasets(tmp_path: Path) -> None:
    datasets.Dataset.from_list(SELF_INSTRUCT[1:]).to_parquet(tmp_path / "seeds.parquet")
    assert seeds.load(tmp_path / "seeds.parquet") == AS_SEEDS[1:]


def test_null_cells_of_a_table_count_as_absent(tmp_path: Path) -> None:
    datasets.Dataset.from_list([{"domain": None, **SELF_INSTRUCT[0]}, SELF_INSTRUCT[1]]).to_parquet(tmp_path / "seeds.parquet")
    assert seeds.load(tmp_path / "seeds.parquet") == AS_SEEDS


@pytest.mark.parametrize(
    "texts", [("5", "7"), ("1.50", "2"), ("True", "False"), ("None", "N/A"), ("null", "yes"), ("007", "2020-01-01")]
)
def test_every_cell_of_a_csv_file_is_text(tmp_path: Path, texts: tuple[str, str]) -> None:
    one, other = texts
    path = write(tmp_path, f"instruction,input,output\nAdd these.,{one},{other}\nAdd those.,{other},{one}\n", "seeds.csv")
    good, bad = seeds.read(path)
    assert ([seed.instances for seed in good], bad) == ([((one, other),), ((other, one),)], [])


def test_a_bad_row_of_a_table_is_named_by_its_number(tmp_path: Path) -> None:
    path = write(tmp_path, "instruction,input,output\nName a river.,,The Niger.\n,2,5\n", "seeds.csv")
    _, (bad,) = seeds.read(path)
    assert (bad.place, bad.field) == (f"{path}: row 2", "instruction")


@pytest.mark.parametrize(
    ("row", "field", "reason"),
    [
        ("{not json", "", "not valid JSON"),
        ("5", "row", "a number"),
        ('["a"]', "row", "a list"),
        ({"instruction": "a"}, "output", "missing"),
        ({"output": "a"}, "instruction", "missing"),
        ({"instruction": "", "output": "a"}, "instruction", "at least 1"),
        ({"instruction": " \n", "output": "a"}, "instruction", "at least 1"),
        ({"instruction": 5, "output": "a"}, "instruction", "valid string"),
        ({"instruction": "a", "output": 5}, "output", "valid string"),
        ({"instruction": "a", "output": None}, "output", "valid string"),
        ({"instruction": "a", "input": 5, "output": "b"}, "input", "valid string"),
        ({"instruction": "a", "instances": []}, "instances", "at least 1"),
        ({"instruction": "a", "instances": "x"}, "instances", "valid list"),
        ({"instruction": "a", "instances": [{"input": "x"}]}, "instances.0.output", "required"),
        ({"instruction": "a", "instances": [{"input": "", "output": "y"}, 5]}, "instances.1", "dict"),
        ({**SELF_INSTRUCT[0], "id": "c", "is_classification": "no"}, "is_classification", "valid boolean"),
        ({**SELF_INSTRUCT[0], "id": 5}, "id", "valid string"),
        ({**SELF_INSTRUCT[0]}, "id", "'a' is already the id of "),
    ],
)
def test_a_bad_row_is_named_by_file_line_field_and_reason(tmp_path: Path, row: Any, field: str, reason: str) -> None:
    path = write(tmp_path, lines(SELF_INSTRUCT[0], "", row, SELF_INSTRUCT[1]))
    good, (bad,) = seeds.read(path)
    assert tuple(good) == AS_SEEDS
    assert (bad.place, bad.field) == (f"{path}:3", field) and reason in bad.reason
    assert str(bad) == ": ".join(filter(None, (f"{path}:3", field, bad.reason))) and "\n" not in str(bad)
    with pytest.raises(SeedError) as caught:
        seeds.load(path)
    assert str(bad) in str(caught.value)


def test_a_bad_row_of_a_json_list_is_named_by_its_line(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps([ALPACA[0], {"instruction": 5, "output": ""}], indent=1), "seeds.json")
    _, (bad,) = seeds.read(path)
    line = path.read_text().split("\n").index('  "instruction": 5,')  # counted from 0, so the line before: its brace
    assert str(bad).startswith(f"{path}:{line}: instruction: ")


def test_all_bad_rows_are_listed_up_to_twenty(tmp_path: Path) -> None:
    with pytest.raises(SeedError) as caught:
        seeds.load(write(tmp_path, "{\n" * 25))
    message = str(caught.value)
    assert ": has 25 bad rows." in message and message.count("not valid JSON") == 20 and "and 5 more" in message


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", None, "cannot be read"),
        ("a.csv", None, "no such file"),
        ("a.parquet", None, "no such file"),
        ("a.parquet", b"not parquet", "cannot load it"),
        ("a.jsonl", b"", "no seed tasks"),
        ("a.json", b"[]", "no seed tasks"),
        ("a.json", b"[{]", "not valid JSON"),
        ("a.jsonl", b'{"instruction": "caf\xe9"}', r"not UTF-8 text \(byte 21\)"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_one_line(
    tmp_path: Path, name: str, content: bytes | None, words: str
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SeedError, match=words) as caught:
        seeds.load(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_a_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SeedError, match="is a directory"):
        seeds.load(tmp_path)


def test_written_seeds_are_read_back_unchanged(tmp_path: Path) -> None:
    odd = Seed("\u2028", "\ud800", "Say \u2028 or \x85.", (("a\nb", "\U0001f600"), ("", "")), True)
    (tmp_path / "seeds.jsonl").write_bytes(b"".join(json_line(seeds.to_row(seed)) for seed in (*AS_SEEDS, odd)))
    assert seeds.load(tmp_path / "seeds.jsonl") == (*AS_SEEDS, odd)


def test_the_check_finds_bad_rows_empty_outputs_and_repeated_tasks() -> None:
    tasks = [
        Seed("a", "", "Name it.", (("", ""),)),
        Seed("b", "", "Sum it.", (("1", "1"), ("2", ""))),
        Seed("c", "", "SUM IT.", (("1", "2"),)),
        Seed("d", "", "Sum it.", (("3", "3"),)),
        Seed("e", "", "Why is it so?", (("", "x"),), True, "work"),
    ]
    found = seed_check.check(tasks, [seeds.BadRow("f:1", "id", "bad")], near=1)
    assert list(map(str, found.findings)) == [
        "f:1: id: bad",
        "a: output: is empty in every instance",
        "b: output: is empty in one instance",
        "c: instruction: the same task as b",
    ]
    assert [finding.kind for finding in found.findings] == ["bad_row", "empty_output", "empty_output", "repeated_task"]
    assert list(found.counts.values()) == [5, 1, 3, 1, 2, 2, 4] and found.domains == {"work": 1}


def test_the_check_of_no_seeds_counts_nothing() -> None:
    assert set(seed_check.check([]).counts.values()) == {0}


def test_the_check_finds_near_duplicates_in_the_file_and_in_another() -> None:
    tasks = [Seed(id, "", text, (("", "x"),)) for id, text in (("a", "Name a river."), ("b", "Name a long river."))]
    other = Seed("o", "", "Name a river!", (("", "x"),))
    assert seed_check.check(tasks, near=0.9).findings == ()
    assert seed_check.check(tasks, near=0.5, others={"b.jsonl o": other}).findings == (
        seed_check.Finding("near_duplicate", "a", "instruction: ROUGE-L 1.00 to b.jsonl o"),
        seed_check.Finding("near_duplicate", "b", "instruction: ROUGE-L 0.86 to b.jsonl o"),
    )


def test_a_file_without_seeds_is_a_finding(tmp_path: Path) -> None:
    path = write(tmp_path, "")
    assert seed_check.check_file(path).findings == (seed_check.Finding("no_seeds", str(path), "has no seed tasks"),)
