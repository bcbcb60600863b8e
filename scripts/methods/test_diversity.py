"""The measures of `compare_methods.py` are right on texts with known answers, and its report reads the sample."""

from __future__ import annotations

import json
import math
import shutil
import tomllib
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import compare_methods
import diversity
import pytest
from compare_methods import LABELS, METHODS, interval, lines, merged, paired, recipe_of, toml
from compare_report import markdown, plot, plot_spread

ROOT = Path(__file__).resolve().parents[2]
SEEDS = [
    {"instruction": text, "input": "", "output": more, "domain": domain}
    for domain, text, more in [
        ("cooking", "How long do I boil an egg?", "Boil the egg in a pot of hot water, then peel it and add salt."),
        ("cooking", "Give me a recipe for vegetable soup.", "Fry onions in oil, add vegetables and water, and simmer the soup."),
        ("cooking", "What can I bake with flour and butter?", "Bake biscuits: knead flour and butter and bake the dough."),
        ("astronomy", "Why does the Moon have phases?", "The Moon orbits the Earth, and the Sun lights half of it."),
        ("astronomy", "Name the largest planet.", "Jupiter is the largest planet that orbits the Sun."),
        ("astronomy", "How far away is the nearest star?", "The nearest star but the Sun is four light years from Earth."),
    ]
]


def test_distinct_is_the_share_of_different_ngrams() -> None:
    assert diversity.distinct(2, ["the cat sat", "The cat ran!"]) == 3 / 4  # the cat, cat sat, the cat, cat ran
    assert diversity.distinct(1, ["a b", "c"]) == 1
    assert diversity.distinct(2, ["word", ""]) is None


def test_distinct_of_a_size_does_not_depend_on_order_and_needs_enough_ngrams() -> None:
    texts = ["a b a b a b", "c d"]
    assert diversity.distinct_of(6, 2, texts, draws=3) == 3 / 6
    assert diversity.distinct_of(7, 2, texts, draws=3) is None
    assert diversity.distinct_of(0, 2, texts, draws=3) is None
    assert diversity.distinct_of(5, 2, texts, draws=20) == diversity.distinct_of(5, 2, texts, draws=20)


def test_nearest_is_another_row_even_among_equal_rows() -> None:
    assert diversity.nearest(["a b c d", "a b x y", "p q"]) == [0.5, 0.5, 0.0]
    assert diversity.nearest(["a b", "a b", "a b", "c"]) == [1.0, 1.0, 1.0, 0.0]
    assert diversity.nearest(["", "...", "a"]) == [0.0, 0.0, 0.0]
    assert diversity.nearest(["alone"]) == [0.0]
    assert diversity.nearest([]) == []


def test_nearest_is_what_rouge_score_finds() -> None:
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    texts = [row["instruction"] for row in lines(ROOT / "data" / "sample" / "dataset.jsonl")[:40]]
    for text, found in zip(texts, diversity.nearest(texts), strict=True):
        others = [scorer.score(other, text)["rougeL"].fmeasure for other in texts if other is not text]
        assert found == pytest.approx(max(others), abs=1e-12)


def test_entropy_percentile_and_mean() -> None:
    assert diversity.entropy(["a", "b", "c", "d"]) == 2
    assert diversity.entropy(["a", "a", "a", "a"]) == 0
    assert diversity.entropy(["a", "a", "b", "c"]) == 1.5
    assert diversity.entropy(["a", "a", "b", "c"], classes=8) == 0.5
    assert diversity.entropy([]) is None
    assert diversity.percentile(list(range(11)), 90) == 9
    assert diversity.percentile([], 90) is None
    assert diversity.mean([1, 2]) == 1.5
    assert diversity.mean([]) is None


def test_samples_have_one_size_and_are_repeatable() -> None:
    found = diversity.samples(3, 10, draws=50)
    assert len(found) == 50
    assert all(len(set(places)) == 3 and max(places) < 10 for places in found)
    assert found == diversity.samples(3, 10, draws=50)
    assert diversity.samples(4, 4, draws=50) == [[0, 1, 2, 3]]
    assert diversity.samples(5, 4, draws=50) == []


@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("Write a short, friendly letter to my aunt.", ("write", "letter")),
        ("Please give me three useful tips for an exam.", ("give", "tip")),
        ("I have a shop. Can you help me plan a small party?", ("plan", "party")),
        ("How do I sharpen the kitchen knives?", ("sharpen", "knife")),
        ("How many eggs does a hen lay in a week?", ("lay", "egg")),
        ("Our tenants never read it, so shrink this notice.", ("shrink", "notice")),
        ("Rewrite the cook's recipe so that it feeds ten.", ("rewrite", "recipe")),
        ("Don't change the title.", ("change", "title")),
        ("What is the capital of Kenya?", None),
        ("Explain why the sky is blue.", None),
        ("Who wrote Hamlet?", None),
        ("The only thing that keeps a man in his place is a smile.", None),
        ("A haiku about chalk dust.", None),
        ("", None),
        ("...", None),
        ("我想去北京", None),
    ],
)
def test_the_verb_and_object_of_an_instruction(text: str, pair: tuple[str, str] | None) -> None:
    assert diversity.verb_objects([text]) == [pair]


def test_verbs_and_objects_agree_with_hand_made_labels() -> None:
    found = compare_methods.measures(None)["verbs"]
    assert found["labels"] == len(lines(LABELS)) == 100
    assert found["same"] >= 95
    assert found["pairs_found"] - found["pairs_right"] <= 2


@pytest.mark.parametrize(
    "embedded", [True, False] if find_spec("wordllama") else [False]
)  # wordllama exists for Linux on x86-64 only
def test_a_topic_is_the_domain_that_a_row_is_nearest_to(embedded: bool) -> None:
    topics = diversity.Topics(SEEDS, embedded)
    rows = [
        {"instruction": "How do I simmer a soup?", "input": "", "output": "Fry onions and add water and salt."},
        {"instruction": "Which planet orbits the Sun?", "input": "", "output": "The Earth is a planet that orbits a star."},
        {"instruction": "", "input": "", "output": ""},
    ]
    assert topics.of(rows) == ["cooking", "astronomy", diversity.NO_TOPIC]
    assert topics.of([]) == []
    assert topics.majority == 0.5


@pytest.mark.slow
def test_topics_of_the_bundled_seeds_are_far_better_than_chance() -> None:
    seeds = lines(ROOT / "seeds" / "seed_tasks.jsonl")
    topics = diversity.Topics(seeds, embedded=False)
    assert topics.accuracy > 5 * topics.majority
    if find_spec("wordllama"):
        assert diversity.Topics(seeds).accuracy > max(topics.accuracy, 0.5)


def test_candidates_that_no_rule_judged_are_counted_apart() -> None:
    run = made_up(rows=6, dropped={"rouge": 3, "over_target": 5, "refusal": 1, "unanswered": 2})
    found = compare_methods.spent(run)
    assert found["candidates"] == 17
    assert found["judged"] == 10
    assert found["acceptance"] == 0.6
    assert found["apart"] == {"over_target": 5, "unanswered": 2}
    assert found["dropped"] == {"rouge": 3, "refusal": 1}
    assert found["tokens"] == 3_000
    assert found["rows_per_1000_tokens"] == 2


def test_lengths_are_words_and_empty_inputs_do_not_count() -> None:
    rows = [{"instruction": "a b", "input": "", "output": "c"}, {"instruction": "a b c d", "input": "x y", "output": "c d e"}]
    assert compare_methods.lengths(rows) == {"instruction": 3, "output": 2, "input": 2, "with_input": 0.5}


def test_runs_of_different_sizes_are_compared_at_one_size_without_the_smallest() -> None:
    runs = [made_up(rows, name=name) for name, rows in (("many", 60), ("some", 40), ("few", 3), ("none", 0))]
    found = compare_methods.compare(runs, None)
    assert found["size"] == 40
    assert [run["sampled"] and run["sampled"]["instructions"] for run in found["runs"]] == [40, 40, None, None]
    assert found["runs"][1]["sampled"]["pairs"] == found["runs"][1]["whole"]["pairs"] > 30
    assert found["runs"][3]["whole"]["nearest_mean"] is None


def test_several_inputs_of_one_instruction_count_once() -> None:
    run = made_up(rows=40)
    run["rows"] += [{**row, "input": "another"} for row in run["rows"]]
    (found,) = compare_methods.compare([run], None)["runs"]
    assert (found["rows"], found["whole"]["instructions"]) == (80, 40)
    assert found["whole"]["nearest_mean"] < 1


def test_paired_differences_and_their_interval() -> None:
    found = interval([1.0, 2.0, 3.0, 4.0, 5.0])
    assert found["mean"] == 3
    assert found["deviation"] == pytest.approx(math.sqrt(2.5))
    assert found["interval"] == pytest.approx([3 - 2.776 * math.sqrt(0.5), 3 + 2.776 * math.sqrt(0.5)])
    assert interval([1.0])["interval"] is None
    runs = [
        {"name": f"{way} {seed}", "sampled": {"nearest_mean": near, "entropy": bits}}
        for seed, values in enumerate([((0.4, 3.0), (0.3, 3.5)), ((0.4, 3.0), (0.5, 3.25))])
        for way, (near, bits) in zip(("uniform", "spread"), values, strict=True)
    ]
    found = paired(runs)
    assert (found["nearest_mean"]["agree"], found["entropy"]["agree"]) == (1, 2)
    assert found["entropy"]["differences"] == [0.5, 0.25]
    assert "pairs" not in found


def test_recipes_are_merged_and_written_as_toml() -> None:
    assert merged({"a": {"b": 1, "c": 2}, "d": 3}, {"a": {"c": 4}, "e": {"f": 5}}) == {
        "a": {"b": 1, "c": 4},
        "d": 3,
        "e": {"f": 5},
    }
    table = {
        "generate": {
            "model": 'a "quoted" näme',
            "temperature": 0.5,
            "send_seed": True,
            "options": {"n": 3},
            "base_url": ["a", "b"],
        },
        "curate": {"filters": {"my.module:name": {"at_most": 3}, "refusal": False}},
    }
    assert tomllib.loads(toml(table)) == table
    assert recipe_of(METHODS["few_shot"], {"generate": {"temperature": 0.5}})["generate"]["temperature"] == 0.5


def test_the_texts_of_the_seeds_become_documents(tmp_path: Path) -> None:
    found = compare_methods.documents_of(
        [*SEEDS, {"instruction": "a", "instances": [{"input": "b", "output": "c"}]}], tmp_path / "new"
    )
    assert sorted(path.name for path in found.iterdir()) == ["astronomy.txt", "cooking.txt", "seeds.txt"]
    assert (found / "seeds.txt").read_text("utf-8") == "b\n\nc\n"


@pytest.mark.parametrize("name", METHODS)
def test_each_run_has_a_valid_recipe(name: str) -> None:
    from selfinstruct.recipe.loading import parse

    bundled = METHODS[name].get("recipe")
    assert not bundled or (ROOT / "prompts" / f"{bundled}.toml").exists()
    recipe = recipe_of(METHODS[name], compare_methods.SMALL.get(name, {}))
    assert parse(tomllib.loads(toml(recipe)), name).curate.least_acceptance == 0


@pytest.mark.slow
def test_the_report_on_the_sample(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "data" / "sample", tmp_path / "sample")
    run = compare_methods.read_run(tmp_path / "sample")
    topics = diversity.Topics(lines(ROOT / "seeds" / "seed_tasks.jsonl"))
    compared = compare_methods.compare([{**run, "name": "sample"}], topics)
    (found,) = compared["runs"]
    assert (found["rows"], found["judged"], found["dropped"]["rouge"], found["tokens"]) == (220, 315, 3, 135_789)
    assert found["whole"]["nearest_mean"] == pytest.approx(0.374, abs=0.001)
    assert found["sampled"]["nearest_mean"] == found["whole"]["nearest_mean"]  # the only run is the smallest one
    made = {"date": "today", "command": "python", "teacher": "local", "tokens": 1, "seed": 0, "packages": {"numpy": "2"}}
    runs = [
        {**run, "name": f"{way} {seed}", "rows": run["rows"][seed : seed + 40]}
        for seed in range(5)
        for way in ("uniform", "spread")
    ]
    spread = compare_methods.compare(runs, topics)
    whole = {
        "methods": {"made": made, **compared},
        "spread": {"made": made, "method": "few_shot", **spread, "paired": paired(spread["runs"])},
        "measures": compare_methods.measures(topics),
    }
    text = markdown(json.loads(json.dumps(whole)))
    assert "| sample | 135,789 | 41 %" in text
    assert "0 of 5" in text  # the same rows under both names: no seed agrees
    plot(whole, tmp_path / "methods.png")
    plot_spread(whole, tmp_path / "spread.png")
    assert (tmp_path / "methods.png").stat().st_size > 10_000 < (tmp_path / "spread.png").stat().st_size


def made_up(rows: int, dropped: dict[str, int] | None = None, name: str = "") -> dict[str, Any]:
    """Return what `read_run` returns, for an invented run."""
    status = {
        "tokens": {"prompt": 1_000, "completion": 2_000, "lost_at_most": 0, "replies_without_a_count": 0},
        "requests": {"answered": 10},
        "seconds": 1.0,
        "model": "none",
        "next": "",
    }
    nouns = [f"{first}{last}" for first in "bdfgklmnprst" for last in ("ook", "ell", "ark", "ine", "ump", "ole")]
    texts = [f"Write the {noun}." for noun in nouns[:rows]]
    found = [{"instruction": text, "input": "", "output": "Done."} for text in texts]
    return {"name": name, "rows": found, "dropped": dropped or {}, "status": status}
