"""Diversity: weights by how many admitted instructions are near, and draws by them."""

from __future__ import annotations

import json
import random
import statistics
from collections import Counter
from pathlib import Path

import pytest
from command_line import rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.generate.diversity import Diversity, weighted_sample
from selfinstruct.records import Candidate, ParsedTask, Seed


def seed(number: int, instruction: str, domain: str = "") -> Seed:
    return Seed(f"s{number}", "", instruction, (("", "x"),), domain=domain)


def test_a_seed_near_many_admitted_instructions_gets_a_low_weight() -> None:
    texts = {"bees": "Which bees make honey", "boats": "Why are boats afloat", "sky": "Name a planet"}
    seeds = [seed(number, text, name) for number, (name, text) in enumerate(texts.items())]
    diversity = Diversity(seeds)
    before = diversity.weights()
    assert set(before.seeds.values()) == {1.0}
    diversity.add([Candidate("0", n, ParsedTask(f"Tell me how bees number {n} make honey")) for n in range(5)])
    after = diversity.weights()
    assert after.seeds["s0"] < after.seeds["s1"] == after.seeds["s2"]
    assert diversity.domain_of(Candidate("2", 0, ParsedTask("Paint boats red"))) == "boats"
    diversity.add([Candidate("1", 0, ParsedTask("Describe the rings of Saturn"))])
    own = diversity.weights().generated
    assert own["1#0"] > max(weight for name, weight in own.items() if name != "1#0")


def test_a_weighted_sample_takes_each_position_once_and_by_weight() -> None:
    first: Counter[int] = Counter()
    for number in range(4000):
        drawn = weighted_sample(random.Random(number), [1.0, 3.0, 0.0001, 4.0], 3)
        assert len(set(drawn)) == 3
        first[drawn[0]] += 1
    assert first[2] < 10
    assert first[3] / first[0] == pytest.approx(4, rel=0.2) and first[1] / first[0] == pytest.approx(3, rel=0.2)


def test_spread_shows_seeds_of_a_crowded_domain_less_often(teacher: FakeOpenAI, tmp_path: Path) -> None:
    """A script stands in for a teacher. `scripts/methods/compare_methods.py --spread` measures it for a real model."""
    instances = [{"input": "", "output": "x"}]
    tasks = [
        {"id": f"{name}{n}", "domain": name, "instruction": f"Tell me about {name} number {n}", "instances": instances}
        for name in ("bees", "boats", "bread", "stars")
        for n in range(3)
    ]
    (tmp_path / "seeds.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    crowd = "bees hum over bees in bees"
    script = si.Scripted(lambda key, request: f"{crowd} {key}" if "solve" not in key else "fine", model="s")
    shares = {}
    for sampling in ("uniform", "spread"):
        run = si.Run(
            tmp_path / sampling, teacher=script, method="few_shot", seeds=tmp_path / "seeds.jsonl", seed_sampling=sampling, lag=4,
            num=60, rouge=1.0, options={"seeds_per_request": 2}, filters={"repetition": False},
        )  # fmt: skip
        run.generate()
        shown = [str(name) for origin in rows(run.path / "provenance.jsonl")[20:] for name in origin["seeds"]]
        shares[sampling] = statistics.mean(name.startswith("bees") for name in shown)
    assert shares["uniform"] == pytest.approx(0.25, abs=0.12)
    assert shares["spread"] < shares["uniform"] / 2
