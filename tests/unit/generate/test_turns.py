"""Turns: what each root request draws and is steered to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, Literal

import pytest
from command_line import cli, derived, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct import plugins
from selfinstruct.contracts import Draw, MethodContext
from selfinstruct.errors import PromptError, RecipeChanged, TopicError
from selfinstruct.generate.task_pool import TaskPool, horizon
from selfinstruct.generate.turns import RootTurn, Turns
from selfinstruct.inputs import prompts
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Candidate, Decision, ParsedTask, Request, Seed, Topic

UNREACHABLE: dict[str, Any] = {"base_url": "http://127.0.0.1:9/v1", "model": "m"}
KEEP_ALL: dict[str, Any] = {"rouge": 1.0, "filters": {"same_task": False, "repetition": False}}


def topic_of(request: Request) -> str:
    return request.messages[-1]["content"].partition("It has to do with: ")[2]


def topics(path: Path, names: Iterable[str]) -> Path:
    path.write_text("".join(f"{name}\n" for name in names))
    return path


DOMAINS = ("bees", "boats", "bread", "stars")
SEEDS = tuple(
    Seed(f"{name}{n}", "", f"Tell me about {name} number {n}", (("", "x"),), domain=name) for name in DOMAINS for n in range(5)
)
QUOTAS = (Topic("bees", 3.0), Topic("boats"))


def turn(index: int, sampling: Literal["uniform", "spread"] = "uniform", topics: Sequence[Topic] = ()) -> RootTurn:
    """Return a turn of a run whose first 60 root requests had two tasks admitted each, the second with its output."""
    pool = TaskPool()
    for root in range(60):
        tasks = [ParsedTask(f"Say why {DOMAINS[root % 3]} are number {root} of {n}", output="x" if n else None) for n in range(2)]
        trace = {"topic": DOMAINS[root % 2]}
        decisions = [Decision(Candidate(str(root), position, task, trace=trace)) for position, task in enumerate(tasks)]
        pool.add([decision.candidate for decision in decisions], decisions)
    generate = Generate(seed_sampling=sampling, lag=4, languages={"sw": 1.0, "en": 1.0}, seed=7)
    turns = Turns(generate, SEEDS, topics, {"sw": "Swahili", "en": "English"}, pool)
    return turns.turn(index, MethodContext(SEEDS, prompts.load("alpaca"), plugins.find("notation", "numbered")(), 7))


@pytest.mark.parametrize(
    ("sampling", "quotas", "index", "seeds", "generated", "finished", "trace", "number"),
    [
        ("uniform", (), 3, "bees1 stars2 bread3 boats3", "0#1 0#0", "0#1", "en", 0.5157887601028517),
        ("uniform", QUOTAS, 41, "bread2 bees4 stars4 boats4", "33#0 3#1", "33#1 3#1", "bees sw", 0.07707578355900513),
        ("spread", (), 3, "boats1 boats4 stars2 stars1", "0#0 0#1", "0#1", "stars en", 0.6434892963035087),
        ("spread", QUOTAS, 41, "stars4 stars3 bees4 bees3", "11#0 32#0", "11#1 10#1", "bees sw", 0.9803426802681062),
    ],
)
def test_draws_never_change(
    sampling: Literal["uniform", "spread"],
    quotas: Sequence[Topic],
    index: int,
    seeds: str,
    generated: str,
    finished: str,
    trace: str,
    number: float,
) -> None:
    """The replies of a journal answer requests that show these tasks. Another draw would make every old run useless."""
    drawn = asyncio.run(turn(index, sampling, quotas).draw(seeds=4, generated=2))
    assert " ".join(seed.id for seed in drawn.seeds) == seeds
    assert " ".join(task.id for task in drawn.generated) == generated
    assert " ".join(drawn.trace.values()) == trace
    assert drawn.rng.random() == number
    drawn = asyncio.run(turn(index, sampling, quotas).draw(generated=2, finished=True))
    assert " ".join(task.id for task in drawn.generated) == finished


@pytest.mark.parametrize("sampling", ["uniform", "spread"])
def test_a_draw_does_not_depend_on_draws_before_it(sampling: Literal["uniform", "spread"]) -> None:
    async def draws() -> tuple[Draw, Draw]:
        one = turn(41, sampling, QUOTAS)
        first = await one.draw(seeds=4, generated=2)
        first.rng.random()
        await one.draw(seeds=2, among=SEEDS[:5])
        first.fill("user", count=1, next=2, examples="", lead="")
        return first, await one.draw(seeds=4, generated=2)

    first, again = asyncio.run(draws())
    assert first == again and first.rng is not again.rng
    with pytest.raises(FrozenInstanceError):
        first.seeds = ()  # type: ignore[misc]


def test_a_draw_fills_a_prompt_and_makes_candidates() -> None:
    drawn = asyncio.run(turn(41, topics=QUOTAS).draw(seeds=2, generated=1))
    assert drawn.steering().split("\n")[-1].endswith("Swahili.") and len(drawn.steering().split("\n")) == 2
    assert drawn.steering() in drawn.fill("user", count=1, next=2, examples="", lead="")
    shown = drawn.steering(shown=SEEDS[-1])
    assert "stars" in shown and "Swahili" not in shown, "a task that is shown keeps its own topic"
    tasks = [ParsedTask("Name a bee."), ParsedTask("Name a boat.")]
    first, second = drawn.candidates("41", tasks, [*drawn.seeds, *drawn.generated], kind="question")
    assert (first.id, second.id, second.task) == ("41#0", "41#1", tasks[1])
    assert first.seed_ids == tuple(seed.id for seed in drawn.seeds)
    generated = [task.id for task in drawn.generated]
    assert first.trace == {"topic": "bees", "language": "sw", "generated": generated, "kind": "question"}


def test_generated_tasks_are_shown_only_from_below_the_horizon(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = si.Run(
        tmp_path / "run", base_url=teacher.url, model="m", method="few_shot", lag=8, num=60, options={"generated_per_request": 2}
    )
    run.generate()
    asked = {line["key"] for line in outcomes(run.path)}
    shown = 0
    for origin in rows(run.path / "provenance.jsonl"):
        root = int(str(origin["candidate"]).partition("#")[0])
        for name in origin.get("generated", ()):
            assert int(str(name).partition("#")[0]) < horizon(root, 8) < root
            shown += 1
        assert len(origin.get("generated", ())) == min(2, horizon(root, 8)) or horizon(root, 8) < 6
    assert shown > 50 and len(asked) > 100


FED_BACK: list[dict[str, Any]] = [
    {"options": {"generated_per_request": 2}},
    {"seed_sampling": "spread"},
    {"topics": "topics.txt"},
]


@pytest.mark.slow
@pytest.mark.parametrize("way", FED_BACK)
def test_other_filters_ask_for_nothing_although_prompts_depend_on_admitted_tasks(
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
    # Writing puts the other settings in force. Writing with the first settings again gives the first bytes.
    again = si.Run(run.path)
    again.write(strict)
    assert si.Run(run.path).files() == derived(run.path) != before
    back = si.Run(run.path)
    back.write(back.build(rouge=0.7, filters={"word_count": True}))
    assert derived(run.path)["dataset.jsonl"] == before["dataset.jsonl"]


def test_each_topic_gets_its_share_of_the_rows(teacher: FakeOpenAI, tmp_path: Path) -> None:
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


def test_languages_get_their_shares_and_filters_for_english_skip_the_others(teacher: FakeOpenAI, tmp_path: Path) -> None:
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


def test_a_prompt_without_a_place_for_the_domain_is_refused(tmp_path: Path) -> None:
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


@pytest.mark.slow
def test_tasks_to_evolve_can_come_from_a_finished_run(teacher: FakeOpenAI, tmp_path: Path) -> None:
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


def test_more_topics_than_rows_are_refused_before_anything_is_asked(tmp_path: Path) -> None:
    names = topics(tmp_path / "topics.txt", (f"matter {number}" for number in range(2000)))
    with pytest.raises(TopicError, match="more topics than rows \\(got 2,000 for 100 rows\\)"):
        si.Run(tmp_path / "run", **UNREACHABLE, method="few_shot", topics=names, num=100)
    assert not (tmp_path / "run").exists()


def test_a_topic_that_gives_nothing_gets_at_most_twice_its_share_of_turns(tmp_path: Path) -> None:
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


def test_a_run_cannot_be_continued_with_another_lag(teacher: FakeOpenAI, tmp_path: Path) -> None:
    for begun, then in ((None, 5), (5, 32)):
        given: dict[str, Any] = {"lag": begun} if begun else {}
        run = si.Run(tmp_path / f"from-{begun}", base_url=teacher.url, model="m", num=5, **given)
        run.generate()
        with pytest.raises(RecipeChanged, match=f"lag: {begun or 32} -> {then}"):
            si.Run(run.path, lag=then)
