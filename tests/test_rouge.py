"""Law 6: the index scores and decides as `rouge_score` does, pair for pair."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from rouge_score.tokenize import tokenize

from selfinstruct.config import Curate
from selfinstruct.curation import Curator
from selfinstruct.errors import UserMistake
from selfinstruct.records import Candidate, Item, Neighbour, Seed
from selfinstruct.rouge import RougeIndex, tokens

WORDS = ["a", "b", "c", "write", "the", "poem", "list", "42", "rivers", "of"]
REPEATABLE = settings(max_examples=300, derandomize=True, deadline=None)
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
ANY_TEXT = (
    SENTENCES | st.text(max_size=30) | st.lists(st.sampled_from([*WORDS, "A-B", "caf\u00e9", "\u0130", "!", "\n"])).map("".join)
)


def reference(one: str, other: str) -> float:
    """The F-measure of `rouge_score` itself."""
    return float(rouge_scorer._score_lcs(tokenize(one, None), tokenize(other, None)).fmeasure)


def index_of(texts: list[str]) -> RougeIndex:
    index = RougeIndex()
    for number, text in enumerate(texts):
        index.add(f"t{number}", text)
    return index


def scores(query: str, pool: list[str]) -> list[float]:
    return [float(score) for score in index_of(pool).scores(query)]


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=6))
@REPEATABLE
def test_scores_equal_those_of_rouge_score_exactly(query: str, pool: list[str]) -> None:
    assert scores(query, pool) == [reference(query, text) for text in pool] == [reference(text, query) for text in pool]


@given(SENTENCES, st.lists(SENTENCES, max_size=6), st.sampled_from([0.3, 0.5, 2 / 3, 0.7, 0.8, 1.0]))
@REPEATABLE
def test_the_verdict_on_a_candidate_is_that_of_rouge_score(query: str, pool: list[str], limit: float) -> None:
    seeds = [Seed(f"s{number}", "", text, (("", "x"),)) for number, text in enumerate(pool)]
    verdict = Curator(seeds, Curate(rouge=limit)).admit(Candidate("0", 0, Item(query)))
    assert verdict.kept == (not any(reference(query, text) > limit for text in pool))
    assert verdict.rule == (None if verdict.kept else "rouge")


def test_a_random_batch_of_repeats_permutations_and_long_texts_scores_exactly_alike() -> None:
    rng = random.Random(5)
    pool = ["", " ".join(rng.choices(WORDS, k=2000)), " ".join(["a"] * 300), "..."]
    for _ in range(150):
        words = rng.choices(WORDS + [f"w{n}" for n in range(40)], k=rng.randrange(1, 25))
        pool += [" ".join(words), " ".join(rng.sample(words, len(words))), " ".join(words * 2), words[0]]
    for query in [*rng.sample(pool, 15), " ".join(["a"] * 40), "unseen words only"]:
        assert scores(query, pool) == [reference(query, text) for text in pool]


def test_two_thousand_tokens_against_as_many_score_alike() -> None:
    rng = random.Random(6)
    one = rng.choices(WORDS, k=2000)
    other = [word if rng.random() < 0.8 else rng.choice(WORDS) for word in one]
    assert scores(" ".join(one), [" ".join(other)]) == [reference(" ".join(one), " ".join(other))]


@pytest.mark.parametrize(
    ("one", "other", "score"),
    [
        ("a", "a", 1.0),
        ("a", "b", 0.0),
        ("", "", 0.0),
        ("", "a", 0.0),
        ("!?", "a", 0.0),
        ("A, b!", "a b", 1.0),
        ("a a a a", "a a a a", 1.0),
        ("a a a a", "a", 0.4),
        ("a b", "b a", 0.5),
        ("na\u00efve", "na ve", 1.0),
    ],
)
def test_scores_that_can_be_worked_out_by_hand(one: str, other: str, score: float) -> None:
    assert scores(one, [other]) == [score] == [reference(one, other)]


@pytest.mark.parametrize(
    ("common", "length", "other", "limit"), [(1, 2, 2, 0.5), (2, 3, 3, 2 / 3), (7, 10, 10, 0.7), (7, 9, 11, 0.7)]
)
def test_ties_at_the_threshold_fall_as_they_do_in_rouge_score(common: int, length: int, other: int, limit: float) -> None:
    shared = [f"s{n}" for n in range(common)]
    query = " ".join(shared + [f"q{n}" for n in range(length - common)])
    seed = " ".join(shared + [f"p{n}" for n in range(other - common)])
    verdict = Curator([Seed("s", "", seed, (("", "x"),))], Curate(rouge=limit)).admit(Candidate("0", 0, Item(query)))
    assert reference(query, seed) == pytest.approx(limit)
    assert scores(query, [seed]) == [reference(query, seed)]
    assert verdict.value == (None if verdict.kept else reference(query, seed))
    assert verdict.kept == (not reference(query, seed) > limit)


def test_a_score_of_exactly_the_limit_is_kept_and_one_above_is_dropped() -> None:
    seed = [Seed("s", "", "a b", (("", "x"),))]
    assert Curator(seed, Curate(rouge=0.5)).admit(Candidate("0", 0, Item("b a"))).kept
    dropped = Curator(seed, Curate(rouge=0.499)).admit(Candidate("0", 0, Item("b a")))
    assert (dropped.rule, dropped.value, dropped.limit, dropped.nearest[0].id) == ("rouge", 0.5, 0.499, "seed:s")


def test_each_admitted_instruction_counts_for_the_next_and_a_dropped_one_does_not() -> None:
    curator = Curator([], Curate(rouge=0.5))
    verdicts = [curator.admit(Candidate(str(n), 0, Item(text))) for n, text in enumerate(["a b c", "a b d", "e f d", "a b c"])]
    assert [verdict.kept for verdict in verdicts] == [True, False, True, False]
    assert [neighbour.id for neighbour in verdicts[3].nearest] == ["0#0"]
    assert [[near.id for near in found] for found in curator.pool.nearest_earlier(["0#0", "2#0"])] == [[], ["0#0"]]


@given(st.text())
@REPEATABLE
def test_tokens_are_those_of_rouge_score(text: str) -> None:
    assert tokens(text) == tokenize(text, None)


@given(SENTENCES, st.lists(SENTENCES, max_size=25), st.integers(1, 12))
@REPEATABLE
def test_nearest_is_sorted_by_score_and_of_equals_by_age(query: str, pool: list[str], count: int) -> None:
    best = sorted(range(len(pool)), key=lambda n: (-reference(query, pool[n]), n))[:count]
    found = index_of(pool).nearest(query, count)
    assert [(near.id, near.score, near.instruction) for near in found] == [
        (f"t{n}", reference(query, pool[n]), pool[n]) for n in best
    ]


def test_nearest_gives_ten_unless_told_otherwise_and_never_more_than_there_are() -> None:
    index = index_of([f"a w{n}" for n in range(12)])
    assert [near.id for near in index.nearest("a")] == [f"t{n}" for n in range(10)]
    assert len(index.nearest("a", 12)) == len(index.nearest("a", 99)) == len(index) == 12
    assert RougeIndex().nearest("a") == ()


def test_a_text_of_no_tokens_is_near_to_nothing() -> None:
    assert [near.score for near in index_of(["a", "", "?"]).nearest("?!")] == [0.0, 0.0, 0.0]


def test_asking_leaves_the_pool_as_it_was() -> None:
    index = index_of(["a b", "c d"])
    before = index.nearest("a c")
    index.scores("words that were never seen")
    assert index.nearest("a c") == before and len(index) == 2


def test_more_different_tokens_than_one_plane_of_characters_still_score_alike() -> None:
    rng = random.Random(7)
    many = " ".join(f"w{n}" for n in range(70_000))
    index = index_of([many])
    for numbers in ([55_295, 55_296, 55_297, 57_343, 57_344], [0, 65_535, 65_536, 69_999], sorted(rng.sample(range(70_000), 20))):
        common = len(numbers)
        score = float(index.scores(" ".join(f"w{n}" for n in numbers))[0])
        precision, recall = common / common, common / 70_000
        assert score == 2 * precision * recall / (precision + recall)


THRESHOLDS = [0.05, 0.1, 0.3, 0.5, 2 / 3, 0.7, 0.8, 0.9, 1.0]


def nearest_above(query: str, pool: list[str], limit: float) -> Neighbour | None:
    """By `rouge_score` and brute force: the highest score above the limit, of equals the earliest."""
    found = [Neighbour(f"t{n}", reference(query, text), text) for n, text in enumerate(pool)]
    return max((near for near in found if near.score > limit), key=lambda near: near.score, default=None)


@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=12), st.sampled_from(THRESHOLDS) | st.floats(0, 1))
@REPEATABLE
def test_what_is_too_near_is_the_nearest_above_the_threshold(query: str, pool: list[str], limit: float) -> None:
    index = RougeIndex(limit)
    for number, text in enumerate(pool):
        index.add(f"t{number}", text)
    expected = nearest_above(query, pool, limit)
    assert index.too_near(query) == expected == index.admit("query", query)
    assert len(index) == len(pool) + (expected is None)


@pytest.mark.parametrize("limit", THRESHOLDS)
@pytest.mark.parametrize("vocabulary", [3, 40, 2000])
def test_near_copies_in_a_growing_pool_are_found_as_by_brute_force(vocabulary: int, limit: float) -> None:
    """Zipf-like words, many of them repeated; half of the texts are changed copies of earlier ones."""
    rng = random.Random(f"{vocabulary}/{limit}")
    weights = [1 / (rank + 2) for rank in range(vocabulary)]
    index, slow, texts = RougeIndex(limit), RougeIndex(limit), [[]]
    for number in range(250):
        words = list(rng.choice(texts)) if rng.random() < 0.5 else []
        for _ in range(rng.choice([0, 1, 2, 4]) if words else rng.choice([0, 1, 2, 5, 12, 30])):
            words.insert(rng.randint(0, len(words)), f"w{rng.choices(range(vocabulary), weights)[0]}")
            if rng.random() < 0.4:
                del words[rng.randrange(len(words))]
        texts.append(words)
        best = slow.nearest(" ".join(words), 1)
        expected = best[0] if best and best[0].score > limit else None
        assert index.too_near(" ".join(words)) == expected
        for pool in (index, slow):
            pool.add(f"t{number}", " ".join(words))


@pytest.mark.parametrize("count", [1, 3, 10])
def test_the_nearest_earlier_texts_are_those_that_were_nearest_when_a_text_came(count: int) -> None:
    rng = random.Random(count)
    pool = ["", *(" ".join(rng.choices([f"w{n}" for n in range(30)], k=rng.randrange(9))) for _ in range(900))]
    index, expected = RougeIndex(), {}
    for number, text in enumerate(pool):
        expected[f"t{number}"] = index.nearest(text, count)
        index.add(f"t{number}", text)
    ids = list(expected) + rng.sample(list(expected), 20)
    assert list(index.nearest_earlier(ids, count)) == [expected[id] for id in ids]
    assert list(index.nearest_earlier([])) == []


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan")])
def test_a_threshold_that_no_score_can_have_is_refused(limit: float) -> None:
    with pytest.raises(UserMistake, match="from 0 to 1"):
        RougeIndex(limit)
