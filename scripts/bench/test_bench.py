"""The benchmarks run, and their texts have the stated properties. These tests check no speed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
from realistic import SHARES, made_up, rows, texts

from selfinstruct import RougeIndex
from selfinstruct.rouge.tokens import ascii_tokens

ROWS = 12_000

HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def made() -> list[tuple[str, str]]:
    return list(islice(rows(), ROWS))


def test_the_same_seed_gives_the_same_texts(made: list[tuple[str, str]]) -> None:
    assert list(texts(500)) == [text for _, text in made[:500]]
    assert list(texts(500, seed=1)) != [text for _, text in made[:500]]


def test_each_kind_of_row_has_its_share(made: list[tuple[str, str]]) -> None:
    counts = Counter(kind for kind, _ in made)
    for kind, share in SHARES.items():
        assert 0.7 * share < counts[kind] / ROWS < 1.3 * share, kind
    assert counts.total() == ROWS


def test_lengths_are_those_of_instructions(made: list[tuple[str, str]]) -> None:
    lengths: dict[str, list[int]] = {}
    for kind, text in made:
        lengths.setdefault(kind, []).append(len(text.split()))
    assert 9 < sum(lengths["plain"]) / len(lengths["plain"]) < 15
    assert set(lengths["short"]) == {1, 2, 3}
    assert min(lengths["long"]) >= 200
    assert max(lengths["long"]) <= 600
    assert 70 <= min(lengths["template"]) <= max(lengths["template"]) <= 200


def test_word_frequencies_are_those_of_real_text(made: list[tuple[str, str]]) -> None:
    met, seen, grown = Counter[str](), set[str](), []
    for number, (_, text) in enumerate(made, 1):
        tokens = set(ascii_tokens(text))
        met.update(tokens)
        seen |= tokens
        if number in (ROWS // 2, ROWS):
            grown.append(len(seen))
    assert 0.3 < met.most_common(1)[0][1] / ROWS < 0.6  # one of a, the, to
    assert sum(count == 1 for count in met.values()) > 0.4 * len(met)
    assert 1.2 < grown[1] / grown[0] < 1.6  # twice the rows bring far fewer than twice the words


def test_some_rows_are_near_duplicates_and_most_are_not(made: list[tuple[str, str]]) -> None:
    found = RougeIndex(0.7).admit_all(text for _, text in made)
    dropped = Counter(kind for near, (kind, _) in zip(found, made, strict=True) if near)
    copies = [near for near, (kind, _) in zip(found, made, strict=True) if kind == "near"]
    assert 0.08 < dropped.total() / ROWS < 0.2
    assert 0.5 < sum(map(bool, copies)) / len(copies) < 0.9  # copies are changed a little or a lot


def test_each_rank_has_another_made_up_word() -> None:
    ranks = [*range(10_000), *range(10**6, 10**6 + 10_000)]
    assert len({made_up(rank) for rank in ranks}) == len(ranks)


@pytest.mark.slow
def test_the_rouge_benchmark_works(tmp_path: Path) -> None:
    command: list[str | Path] = [sys.executable, HERE / "bench_rouge.py", "--small", "--into", tmp_path]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "rouge.json").read_text(encoding="utf-8"))
    assert not [race for race in found["races"] if "differs" in race]
    assert {race["input"] for race in found["races"]} == {"seeds", "sample", "realistic"}
    assert all(race["seconds"] > 0 and race["peak_bytes"] >= race["before_bytes"] for race in found["races"])
    sampled = [race for race in found["races"] if race["contender"] in ("rouge_score", "Alpaca's loop")]
    assert len(sampled) == 4
    assert all(race["extrapolated"] and race["measured"] for race in sampled)
    table = (tmp_path / "rouge.md").read_text(encoding="utf-8")
    assert all(race["contender"] in table for race in found["races"])
    assert all(name in table for name, case in found["cases"].items() if "wanted" in case)
    assert (tmp_path / "rouge.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_rebuild_benchmark_works() -> None:
    command: list[str | Path] = [sys.executable, HERE / "bench_refilter.py", "--small"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "300 rows, rebuilt at 0.6: " in done.stdout and "ROUGE-L takes" in done.stdout
