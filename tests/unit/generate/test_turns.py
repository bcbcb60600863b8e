"""Where a run is steered to, what prompts show of the run itself, and methods of one's own."""

from __future__ import annotations

import asyncio
import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from command_line import cli, derived, outcomes, rows
from fake_openai import FakeOpenAI
from hypothesis import given
from hypothesis import strategies as st

import selfinstruct as si
from selfinstruct.errors import PromptError, RecipeChanged, ReplyMissing, TopicError
from selfinstruct.generate.diversity import Diversity, weighted_sample
from selfinstruct.generate.task_pool import TaskPool, blocks, horizon
from selfinstruct.records import Candidate, Decision, ParsedTask, Request, Seed


@given(st.integers(0, 5000), st.integers(1, 300))
def test_the_horizon_is_a_block_before_and_between_lag_and_twice_the_lag_back(index: int, lag: int) -> None:
    starts = []
    for start in blocks(lag):
        if start > index:
            break
        starts.append(start)
    assert horizon(index, lag) == (starts[-2] if len(starts) > 1 else 0)
    assert index - horizon(index, lag) < 2 * lag or index < 2 * lag
    assert index - horizon(index, lag) >= min(lag, index // 2)


def admitted(*instructions: str, root: int = 0) -> list[Decision]:
    return [Decision(Candidate(str(root), place, ParsedTask(text))) for place, text in enumerate(instructions)]


def test_a_memory_lets_wait_for_what_is_not_known_and_lets_go_of_what_never_will_be() -> None:
    async def scene() -> list[str]:
        pool, seen = TaskPool(), []

        async def look(root: int) -> None:
            try:
                await pool.wait_below(root)
                seen.append(f"{root}: {pool.size_below(root)}")
            except ReplyMissing:
                seen.append(f"{root}: never")

        tasks = [asyncio.create_task(look(root)) for root in (2, 1, 4, 2)]
        await asyncio.sleep(0)
        pool.add([], admitted("a", "b"))
        pool.add([], [*admitted("c"), Decision(Candidate("1", 1, ParsedTask("d")), "rouge")])
        pool.close(2)
        await asyncio.gather(*tasks)
        return seen

    assert sorted(asyncio.run(scene())) == ["1: 2", "2: 3", "2: 3", "4: never"]


def test_a_memory_of_its_own_settings_decides_by_them_and_only_when_asked() -> None:
    calls: list[Sequence[Candidate]] = []

    class Strict:
        def admit(self, candidates: Sequence[Candidate]) -> list[Decision]:
            calls.append(candidates)
            return [Decision(one, "too long" if len(one.item.instruction) > 3 else None) for one in candidates]

    async def scene() -> list[str]:
        pool = TaskPool(Strict)  # type: ignore[arg-type]
        for number in range(3):
            decisions = admitted("abc", "abcd", root=number)
            pool.add([decision.candidate for decision in decisions], [])
        assert calls == []
        await pool.wait_below(2)
        assert pool.size_below(2) == 2 and len(calls) == 2
        return [one.id for one in pool.admitted]

    assert asyncio.run(scene()) == ["0#0", "1#0"]


def seed(number: int, instruction: str, domain: str = "") -> Seed:
    return Seed(f"s{number}", "", instruction, (("", "x"),), domain=domain)


def test_where_much_was_admitted_little_is_drawn() -> None:
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


def test_weighted_draws_take_each_once_and_by_weight() -> None:
    import random

    first: Counter[int] = Counter()
    for number in range(4000):
        drawn = weighted_sample(random.Random(number), [1.0, 3.0, 0.0001, 4.0], 3)
        assert len(set(drawn)) == 3
        first[drawn[0]] += 1
    assert first[2] < 10
    assert first[3] / first[0] == pytest.approx(4, rel=0.2) and first[1] / first[0] == pytest.approx(3, rel=0.2)


def test_generated_tasks_are_shown_only_from_below_the_horizon(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(
        tmp_path / "run", base_url=teacher.url, model="m", method="few_shot", lag=8, num=60, options={"generated_per_request": 2}
    )
    run.generate()
    prompts = {line["key"]: line for line in outcomes(run.path)}
    shown = 0
    for origin in rows(run.path / "provenance.jsonl"):
        root = int(str(origin["candidate"]).partition("#")[0])
        for name in origin.get("generated", ()):
            assert int(str(name).partition("#")[0]) < horizon(root, 8) < root
            shown += 1
        assert len(origin.get("generated", ())) == min(2, horizon(root, 8)) or horizon(root, 8) < 6
    assert shown > 50 and len(prompts) > 100


FED_BACK: list[dict[str, Any]] = [
    {"options": {"generated_per_request": 2}},
    {"seed_sampling": "spread"},
    {"topics": "topics.txt"},
]


@pytest.mark.parametrize("way", FED_BACK)
def test_other_filters_are_free_although_prompts_depend_on_what_was_admitted(
    way: dict[str, Any], teacher: FakeOpenAI, tmp_path: Path
) -> None:
    (tmp_path / "topics.txt").write_text("bees\nboats\nbread\n")
    way = {name: str(tmp_path / value) if name == "topics" else value for name, value in way.items()}
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", method="few_shot", lag=4, num=60, **way)
    run.generate()
    before, asked = derived(run.path), sum(teacher.asked().values())
    strict = si.Run(run.path).build(rouge=0.05, filters={"word_count": {"at_most": 12}})
    assert 0 < len(strict.rows) < 60
    loose = si.Run(run.path).build(rouge=1.0, filters={"refusal": False, "unfit_for_text": False})
    assert len(loose.rows) == 60
    assert sum(teacher.asked().values()) == asked
    # Written here, the other settings are in force from now on; back again, the bytes are what they were.
    again = si.Run(run.path)
    again.write(strict)
    assert si.Run(run.path).files() == derived(run.path) != before
    back = si.Run(run.path)
    back.write(back.build(rouge=0.7, filters={"word_count": True}))
    assert derived(run.path)["dataset.jsonl"] == before["dataset.jsonl"]


def test_topics_get_their_shares(teacher: FakeOpenAI, tmp_path: Path) -> None:
    (tmp_path / "topics.jsonl").write_text('{"topic": "bees", "quota": 3}\n{"topic": "boats", "about": "boats and ships"}\n')
    run = si.Run(
        tmp_path / "run", base_url=teacher.url, model="m", method="few_shot", topics=tmp_path / "topics.jsonl", num=80, lag=8
    )
    dataset = run.generate()
    assert Counter(row.candidate.trace["topic"] for row in dataset.rows) == {"bees": 60, "boats": 20}
    assert dataset.funnel.get("over_quota", 0) < 20
    card = (run.path / "README.md").read_text()
    assert "bees 60 (quota 3), boats 20 (quota 1)" in card
    assert {origin["topic"] for origin in rows(run.path / "provenance.jsonl")} == {"bees", "boats"}
    sent = si.Run(tmp_path / "x", base_url=teacher.url, model="m", method="few_shot", topics=tmp_path / "topics.jsonl")
    assert sent.first_request().messages[-1]["content"].endswith("It has to do with: bees")
    assert (run.path / "topics.jsonl").exists()
    moved = tmp_path / "moved"
    run.path.rename(moved)
    (tmp_path / "topics.jsonl").unlink()
    assert si.Run(moved).files()["dataset.jsonl"] == (moved / "dataset.jsonl").read_bytes()


def test_languages_are_asked_for_by_name_and_other_languages_filters_pass_over_them(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", method="few_shot", languages={"sw": 1.0, "en": 1.0}, num=60)
    dataset = run.generate()
    kept = Counter(row.candidate.trace["language"] for row in dataset.rows)
    assert kept["sw"] > 10 and kept["en"] > 10
    dropped = {row.candidate.trace.get("language") for row in dataset.rejected if row.rule == "unfit_for_text"}
    assert dropped <= {"en"}  # "Draw a ..." is a rule for English
    assert 'language: ["sw", "en"]' in (run.path / "README.md").read_text()
    asked = {line["key"]: line for line in outcomes(run.path)}
    assert len(asked) > 60
    stored = json.loads((run.path / "run.json").read_text())
    assert stored["languages"] == {"sw": "Swahili", "en": "English"}


def test_a_prompt_without_a_place_for_it_cannot_be_steered(tmp_path: Path) -> None:
    text = "notation: plain\n=== ask\nGo.\n=== solve\n{{input}}\n=== solve_without_input\n{{instruction}}\n"
    (tmp_path / "mine.txt").write_text(text)
    given: dict[str, Any] = {
        "base_url": "http://127.0.0.1:1/v1",
        "model": "m",
        "method": "few_shot",
        "prompt": tmp_path / "mine.txt",
    }
    with pytest.raises(PromptError, match="has no place for a domain"):
        si.Run(tmp_path / "run", domain="x", **given)
    (tmp_path / "mine.txt").write_text(text.replace("Go.", "Go.\n{{steering}}"))
    with pytest.raises(PromptError, match="has no section 'domain'"):
        si.Run(tmp_path / "run", domain="x", **given)


def test_evolved_tasks_come_from_a_finished_run(teacher: FakeOpenAI, tmp_path: Path) -> None:
    first = si.Run(tmp_path / "first", base_url=teacher.url, model="m", num=10)
    first.generate()
    second = si.Run(tmp_path / "second", recipe="evol", base_url=teacher.url, model="m", source=first.path, num=20)
    assert second.generate().complete
    assert len(rows(second.path / "source.jsonl")) == 10
    for origin in rows(second.path / "provenance.jsonl"):
        assert origin["seeds"] == [] and origin["evolved"]["round"] in (1, 2, 3, 4)
    assert "Tasks evolved | 10 (first)" in (second.path / "README.md").read_text()
    missing = cli("generate", tmp_path / "third", "--recipe", "evol", "--source", tmp_path / "nothing", "--model", "m")
    assert missing.returncode == 2 and "nothing" in missing.stderr


def test_spread_draws_more_evenly_than_chance(teacher: FakeOpenAI, tmp_path: Path) -> None:
    """Seeds whose domain has given much already are shown less often; by how much for a real model, see compare_methods."""
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


NOBODY: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}


KEEP_ALL: dict[str, Any] = {"rouge": 1.0, "filters": {"same_task": False, "repetition": False}}


def test_more_topics_than_rows_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    names = topics(tmp_path / "topics.txt", (f"matter {number}" for number in range(2000)))
    with pytest.raises(TopicError, match="2,000 topics for 100 rows leave some without any; ask for more rows"):
        si.Run(tmp_path / "run", **NOBODY, method="few_shot", topics=names, num=100)
    assert not (tmp_path / "run").exists()


def topic_of(request: Request) -> str:
    return request.messages[-1]["content"].partition("It has to do with: ")[2]


def topics(path: Path, names: Iterable[str]) -> Path:
    path.write_text("".join(f"{name}\n" for name in names))
    return path


def test_a_topic_that_gives_nothing_gets_twice_its_share_of_turns(tmp_path: Path) -> None:
    turns: Counter[str] = Counter()

    def answer(key: str, request: Request) -> str:
        if topic := topic_of(request):
            turns[topic] += 1
            return "" if topic == "dry" else f"Tell me all about the {topic} of number {key}"
        return "It is as it is."

    names = topics(tmp_path / "topics.txt", ["bees", "boats", "bread", "dry"])
    settings: dict[str, Any] = {"method": "few_shot", "topics": names, "lag": 4, **KEEP_ALL}
    dataset = si.Run(tmp_path / "run", teacher=si.Scripted(answer), num=40, **settings).generate()
    assert Counter(row.candidate.trace["topic"] for row in dataset.rows) == {"bees": 10, "boats": 10, "bread": 10}
    assert dataset.ended
    assert 0.3 < turns["dry"] / turns.total() < 0.53  # by its share it would be 0.25


def test_rows_beyond_a_quota_do_not_make_a_run_saturated(tmp_path: Path) -> None:
    turns: Counter[str] = Counter()

    def answer(key: str, request: Request) -> str:
        if topic := topic_of(request):
            turns[topic] += 1
            return "" if topic == "slow" and turns["slow"] % 10 else f"Tell me all about the {topic} of number {key}"
        return "It is as it is."

    names = topics(tmp_path / "topics.txt", ["slow", *(f"matter {number}" for number in range(9))])
    settings: dict[str, Any] = {"method": "few_shot", "topics": names, "lag": 4, "least_acceptance": 0.06, **KEEP_ALL}
    dataset = si.Run(tmp_path / "run", teacher=si.Scripted(answer), num=50, give_up_after=1000, **settings).generate()
    assert dataset.complete, dataset.ended
    assert dataset.funnel["over_quota"] > 100


def test_another_lag_is_another_run(teacher: FakeOpenAI, tmp_path: Path) -> None:
    for begun, then in ((None, 5), (5, 32)):
        given: dict[str, Any] = {"lag": begun} if begun else {}
        run = si.Run(tmp_path / f"from-{begun}", base_url=teacher.url, model="m", num=5, **given)
        run.generate()
        with pytest.raises(RecipeChanged, match=f"lag: {begun or 32} -> {then}"):
            si.Run(run.path, lag=then)
