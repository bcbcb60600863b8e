"""Law 6: the index scores and decides each pair as `rouge_score` does, with both engines and any number of threads."""

from __future__ import annotations

import copy
import pickle
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer
from rouge_score.tokenize import tokenize

from selfinstruct.curate.curator import Curator
from selfinstruct.errors import UserMistake
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Neighbour, ParsedTask, Seed
from selfinstruct.rouge import RougeIndex, kernel_ctypes, pool_compiled
from selfinstruct.rouge.tokens import unicode_tokens

ENGINES = ["compiled", "portable"]
WAYS: dict[str, Callable[..., RougeIndex]] = {
    "compiled, 1 thread": partial(RougeIndex, engine="compiled", threads=1),
    "compiled, 2 threads": partial(RougeIndex, engine="compiled", threads=2),
    "portable": partial(RougeIndex, engine="portable"),
}
WORDS = ["a", "b", "c", "write", "the", "poem", "list", "42", "rivers", "of"]
REPEATABLE = settings(max_examples=100, derandomize=True, deadline=None)
SENTENCES = st.lists(st.sampled_from(WORDS), max_size=14).map(" ".join)
ANY_TEXT = (
    SENTENCES | st.text(max_size=30) | st.lists(st.sampled_from([*WORDS, "A-B", "caf\u00e9", "\u0130", "!", "\n"])).map("".join)
)
REPEATS = st.tuples(st.lists(st.sampled_from(WORDS), max_size=4), st.integers(0, 40)).map(
    lambda made: " ".join(made[0] * made[1])
)
PERMUTATIONS = st.permutations(WORDS).map(" ".join)
HARD_TEXT = SENTENCES | REPEATS | PERMUTATIONS | st.sampled_from(["", "?!", "a", "a a", "A", *WORDS])
THRESHOLDS = [*(number / 20 for number in range(1, 21)), 1 / 3, 2 / 3]
FEW_THRESHOLDS = [0.05, 0.1, 0.3, 0.5, 2 / 3, 0.7, 0.8, 0.9, 1.0]

engines = pytest.mark.parametrize("engine", ENGINES)
ways = pytest.mark.parametrize("way", WAYS)


@cache
def reference(one: str, other: str) -> float:
    """Return the F-measure of `rouge_score` itself."""
    return float(rouge_scorer._score_lcs(tokenize(one, None), tokenize(other, None)).fmeasure)


def index_of(texts: Iterable[str], threshold: float = 0.7, engine: str | None = None, **options: Any) -> RougeIndex:
    index = RougeIndex(threshold, engine=engine, **options)
    for number, text in enumerate(texts):
        index.add(text, f"t{number}")
    return index


def scores(query: str, pool: list[str], engine: str | None = None, **options: Any) -> list[float]:
    return [float(score) for score in index_of(pool, engine=engine, **options).scores(query)]


# ------------------------------------------------------------------------------------------------------------------------- scores


@engines
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=6))
@REPEATABLE
def test_scores_equal_those_of_rouge_score_exactly(engine: str, query: str, pool: list[str]) -> None:
    expected = [reference(query, text) for text in pool]
    assert scores(query, pool, engine, tokens="ascii") == expected == [reference(text, query) for text in pool]


@engines
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=6))
@REPEATABLE
def test_scores_of_any_script_are_those_of_rouge_score_on_the_same_tokens(engine: str, query: str, pool: list[str]) -> None:
    one = unicode_tokens(query)
    expected = [float(rouge_scorer._score_lcs(one, unicode_tokens(text)).fmeasure) for text in pool]
    assert scores(query, pool, engine) == expected


@engines
@given(SENTENCES, st.lists(SENTENCES, max_size=6))
@settings(REPEATABLE, max_examples=50)
def test_stemmed_scores_equal_those_of_rouge_score_with_its_stemmer(engine: str, query: str, pool: list[str]) -> None:
    words = ("writing", "writes", "poems", "listed", "happily", "flies")
    pool = [*pool, " ".join(words), query + " writing"]
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=True)
    for text in (query, "write fly happy poem"):
        expected = [scorer.score(text, other)["rougeL"].fmeasure for other in pool]
        assert scores(text, pool, engine, stem=True) == expected


@engines
def test_random_repeats_permutations_and_long_texts_have_the_scores_of_rouge_score(engine: str) -> None:
    rng = random.Random(5)
    pool = ["", " ".join(rng.choices(WORDS, k=2000)), " ".join(["a"] * 300), "..."]
    for _ in range(150):
        words = rng.choices(WORDS + [f"w{n}" for n in range(40)], k=rng.randrange(1, 25))
        pool += [" ".join(words), " ".join(rng.sample(words, len(words))), " ".join(words * 2), words[0]]
    index = index_of(pool, engine=engine)
    for query in [*rng.sample(pool, 15), " ".join(["a"] * 40), "unseen words only"]:
        assert index.scores(query).tolist() == [reference(query, text) for text in pool]
        assert index.mean(query) == np.mean([reference(query, text) for text in pool])


@engines
def test_texts_of_two_thousand_tokens_have_the_score_of_rouge_score(engine: str) -> None:
    rng = random.Random(6)
    one = rng.choices(WORDS, k=2000)
    other = [word if rng.random() < 0.8 else rng.choice(WORDS) for word in one]
    assert scores(" ".join(one), [" ".join(other)], engine) == [reference(" ".join(one), " ".join(other))]


@engines
@pytest.mark.parametrize("length", [63, 64, 65, 127, 128, 129, 192, 193])
@pytest.mark.parametrize("vocabulary", [1, 4, 300])
def test_lengths_around_multiples_of_64_tokens_have_the_score_of_rouge_score(engine: str, length: int, vocabulary: int) -> None:
    rng = random.Random(length)
    base = [f"w{rng.randrange(vocabulary)}" for _ in range(length)]
    changed = [word if rng.random() < 0.7 else "x" for word in base]
    pool = [" ".join(words) for words in (base, base[1:], [*base, "w0"], changed, rng.sample(base, length), base[:3])]
    index = index_of(pool, 0.5, engine)
    for query in pool:
        expected = [reference(query, text) for text in pool]
        assert index.scores(query).tolist() == expected
        assert [near.score for near in index.above(query)] == [score for score in expected if score > 0.5]


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
@engines
def test_scores_that_can_be_worked_out_by_hand(engine: str, one: str, other: str, score: float) -> None:
    assert scores(one, [other], engine, tokens="ascii") == [score] == [reference(one, other)]


@engines
def test_more_than_65536_different_tokens_have_the_scores_of_rouge_score(engine: str) -> None:
    rng = random.Random(7)
    index = index_of([" ".join(f"w{n}" for n in range(70_000))], 0.0002, engine)
    for numbers in ([55_295, 55_296, 55_297, 57_343, 57_344], [0, 65_535, 65_536, 69_999], sorted(rng.sample(range(70_000), 20))):
        common = len(numbers)
        precision, recall = common / common, common / 70_000
        score = 2 * precision * recall / (precision + recall)
        query = " ".join(f"w{n}" for n in numbers)
        assert index.scores(query).tolist() == [score]
        assert [near.score for near in index.above(query)] == ([score] if score > 0.0002 else [])


@pytest.mark.slow
@engines
def test_texts_of_65535_tokens_and_more_stay_distinct(engine: str) -> None:
    """All texts are beginnings of one text, so that the shorter of two is their common subsequence."""
    words = [f"w{n % 1000}" for n in range(66_000)]
    lengths = [66_000, 65_536, 65_535, 65_534, 300]
    texts = [" ".join(words[:length]) for length in lengths]

    def score(one: int, other: int) -> float:
        precision, recall = min(one, other) / one, min(one, other) / other
        return 2 * precision * recall / (precision + recall)

    for length, limit in ((300, score(300, 65_536)), (700, score(700, 65_535)), (65_536, score(65_536, 65_534))):
        index = index_of(texts, limit, engine)
        query, expected = " ".join(words[:length]), [score(length, other) for other in lengths]
        above = [(f"t{n}", value) for n, value in enumerate(expected) if value > limit]
        assert [(near.id, near.score) for near in index.above(query)] == above
        if length < 1000:
            assert index.scores(query).tolist() == expected
            assert [near.id for near in index.nearest(query, 3)] == ["t4", "t3", "t2"]
    # A copy with two other words, at a threshold slightly below their score: here every bound is tight.
    common = 65_998 / 66_000
    copied = " ".join(["new", *words[1:-1], "newer"])
    index = index_of(texts[:1], float(np.nextafter(2 * common * common / (common + common), 0)), engine)
    assert [near.score for near in index.above(copied)] == [2 * common * common / (common + common)]


# ---------------------------------------------------------------------------------------------------------------------- decisions


@given(SENTENCES, st.lists(SENTENCES, max_size=6), st.sampled_from([0.3, 0.5, 2 / 3, 0.7, 0.8, 1.0]))
@REPEATABLE
def test_a_candidate_is_admitted_as_rouge_score_decides(query: str, pool: list[str], limit: float) -> None:
    seeds = [Seed(f"s{number}", "", text, (("", "x"),)) for number, text in enumerate(pool)]
    verdict = Curator(seeds, Curate(rouge=limit)).admit([Candidate("0", 0, ParsedTask(query))])[0]
    assert verdict.accepted == (not any(reference(query, text) > limit for text in pool))
    assert verdict.rule == (None if verdict.accepted else "rouge")


@pytest.mark.parametrize(
    ("common", "length", "other", "limit"), [(1, 2, 2, 0.5), (2, 3, 3, 2 / 3), (7, 10, 10, 0.7), (7, 9, 11, 0.7)]
)
@engines
def test_scores_equal_to_the_threshold_are_decided_as_by_rouge_score(
    engine: str, common: int, length: int, other: int, limit: float
) -> None:
    shared = [f"s{n}" for n in range(common)]
    query = " ".join(shared + [f"q{n}" for n in range(length - common)])
    seed = " ".join(shared + [f"p{n}" for n in range(other - common)])
    verdict = Curator([Seed("s", "", seed, (("", "x"),))], Curate(rouge=limit)).admit([Candidate("0", 0, ParsedTask(query))])[0]
    assert reference(query, seed) == pytest.approx(limit)
    assert scores(query, [seed], engine) == [reference(query, seed)]
    assert verdict.value == (None if verdict.accepted else reference(query, seed))
    assert verdict.accepted == (not reference(query, seed) > limit) == index_of([seed], limit, engine).admits(query)


@engines
@given(HARD_TEXT, st.lists(HARD_TEXT, min_size=1, max_size=8), st.sampled_from((-1.0, 0.0, 1.0)), st.data())
@REPEATABLE
def test_thresholds_at_and_next_to_the_score_of_a_pair_are_exact(
    engine: str, query: str, pool: list[str], side: float, data: st.DataObject
) -> None:
    score = reference(query, data.draw(st.sampled_from(pool)))
    limit = float(np.clip(np.nextafter(score, score + side), 0, 1))
    index = index_of(pool, limit, engine)
    expected = [(f"t{n}", reference(query, text)) for n, text in enumerate(pool) if reference(query, text) > limit]
    assert [(near.id, near.score) for near in index.above(query)] == expected
    assert index.admits(query) == (not expected)


def test_a_score_of_exactly_the_limit_is_kept_and_one_above_is_dropped() -> None:
    seed = [Seed("s", "", "a b", (("", "x"),))]
    assert Curator(seed, Curate(rouge=0.5)).admit([Candidate("0", 0, ParsedTask("b a"))])[0].accepted
    (dropped,) = Curator(seed, Curate(rouge=0.499)).admit([Candidate("0", 0, ParsedTask("b a"))])
    assert (dropped.rule, dropped.value, dropped.limit, dropped.nearest[0].id) == ("rouge", 0.5, 0.499, "seed:s")


def test_each_admitted_instruction_counts_for_the_next_and_a_dropped_one_does_not() -> None:
    curator = Curator([], Curate(rouge=0.5))
    candidates = [Candidate(str(n), 0, ParsedTask(text)) for n, text in enumerate(["a b c", "a b d", "e f d", "a b c"])]
    verdicts = [*curator.admit(candidates[:3]), *curator.admit(candidates[3:])]
    assert [verdict.accepted for verdict in verdicts] == [True, False, True, False]
    assert [neighbour.id for neighbour in verdicts[3].nearest] == ["0#0"]
    assert [[near.id for near in found] for found in curator.pool.nearest_earlier(["0#0", "2#0"])] == [[], ["0#0"]]


def nearest_above(query: str, pool: list[str], limit: float) -> Neighbour | None:
    """Return the first of the highest scores above the limit, by `rouge_score` and brute force."""
    found = [Neighbour(f"t{n}", reference(query, text), text) for n, text in enumerate(pool)]
    return max((near for near in found if near.score > limit), key=lambda near: near.score, default=None)


@engines
@given(ANY_TEXT, st.lists(ANY_TEXT, max_size=12), st.sampled_from(THRESHOLDS) | st.floats(0, 1))
@REPEATABLE
def test_too_near_returns_the_nearest_text_above_the_threshold(engine: str, query: str, pool: list[str], limit: float) -> None:
    index = index_of(pool, limit, engine, tokens="ascii")
    expected = nearest_above(query, pool, limit)
    assert index.admits(query) == (expected is None)
    assert index.too_near(query) == expected == index.admit(query, "query")
    assert len(index) == len(pool) + (expected is None)


@engines
@pytest.mark.parametrize("limit", FEW_THRESHOLDS)
@pytest.mark.parametrize("vocabulary", [3, 40, 2000])
def test_near_copies_in_a_growing_pool_are_found_as_by_brute_force(engine: str, vocabulary: int, limit: float) -> None:
    """Words are Zipf-distributed, and many are repeated. Half of the texts are changed copies of earlier ones."""
    rng = random.Random(f"{vocabulary}/{limit}")
    weights = [1 / (rank + 2) for rank in range(vocabulary)]
    index, slow = RougeIndex(limit, engine=engine), RougeIndex(limit, engine=engine)
    texts: list[list[str]] = [[]]
    for number in range(250 if engine == "compiled" else 100):
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
            pool.add(" ".join(words), f"t{number}")


# ------------------------------------------------------------------------------------------------------------------------ nearest


@engines
@given(SENTENCES, st.lists(SENTENCES, max_size=25), st.integers(1, 12))
@REPEATABLE
def test_nearest_is_sorted_by_score_and_then_by_the_order_of_adding(engine: str, query: str, pool: list[str], count: int) -> None:
    best = sorted(range(len(pool)), key=lambda n: (-reference(query, pool[n]), n))[:count]
    found = index_of(pool, engine=engine).nearest(query, count)
    assert [(near.id, near.score, near.instruction) for near in found] == [
        (f"t{n}", reference(query, pool[n]), pool[n]) for n in best
    ]


@engines
def test_nearest_returns_ten_by_default_and_at_most_the_whole_pool(engine: str) -> None:
    index = index_of([f"a w{n}" for n in range(12)], engine=engine)
    assert [near.id for near in index.nearest("a")] == [f"t{n}" for n in range(10)]
    assert len(index.nearest("a", 12)) == len(index.nearest("a", 99)) == len(index) == 12
    assert index.nearest("a", 0) == index.nearest("", 0) == ()
    assert [near.id for near in index.nearest("w5", 1)] == ["t5"]
    empty = RougeIndex(engine=engine)
    assert empty.nearest("a") == () and list(empty.nearest_all(["a", ""], 3)) == [(), ()]
    assert empty.mean("a") == 0.0 and empty.above("a") == [] and empty.scores("a").tolist() == []


@engines
def test_a_huge_k_returns_the_whole_pool(engine: str) -> None:
    """The test runs a new process, because memory for `k` neighbours would be all that the machine has."""
    program = (
        "import resource, sys\n"
        "from selfinstruct.rouge import RougeIndex\n"
        f"index = RougeIndex(engine={engine!r})\n"
        "index.add_all(['a b', 'b c', 'c d'])\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30))\n"
        "for count in (3, 2**31, 2**32, sys.maxsize):\n"
        "    print([near.id for near in index.nearest('c d', count)])\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.split("\n") == ["['2', '1', '0']"] * 4 + [""], done.stderr


@engines
def test_a_text_without_tokens_is_near_to_none_and_is_counted(engine: str) -> None:
    index = index_of(["a", "", "?"], engine=engine)
    assert [near.score for near in index.nearest("?!")] == [0.0, 0.0, 0.0]
    assert index.above("?!") == [] and index.admit("?!") is None and index.admit("") is None
    assert (len(index), index.without_tokens) == (5, 4)


@engines
def test_equal_texts_of_other_scripts_are_near_unless_tokens_are_ascii(engine: str) -> None:
    for text in ("\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22", "\u4e2d\u6587", "\u0939\u093f\u0928\u094d\u0926\u0940"):
        index = RougeIndex(1 - 1e-9, engine=engine)
        assert [near and near.score for near in index.admit_all([text, text])] == [None, 1.0]
        narrow = RougeIndex(0.05, engine=engine, tokens="ascii")
        assert narrow.admit_all([text, text]) == [None, None] and narrow.without_tokens == 2


@engines
def test_queries_do_not_change_the_pool(engine: str) -> None:
    index = index_of(["a b", "c d"], engine=engine)
    before = index.nearest("a c")
    index.scores("words that were never seen")
    index.too_near_all(["more words", "a b"])
    assert index.nearest("a c") == before and len(index) == 2


@engines
@pytest.mark.parametrize("count", [1, 3, 10])
def test_nearest_earlier_returns_the_texts_that_were_nearest_before_each_was_added(engine: str, count: int) -> None:
    rng = random.Random(count)
    pool = ["", *(" ".join(rng.choices([f"w{n}" for n in range(30)], k=rng.randrange(9))) for _ in range(600))]
    index, expected, means = RougeIndex(engine=engine), {}, {}
    for number, text in enumerate(pool):
        expected[f"t{number}"], means[f"t{number}"] = index.nearest(text, count), index.mean(text)
        index.add(text, f"t{number}")
    ids = list(expected) + rng.sample(list(expected), 20)
    assert list(index.nearest_earlier(ids, count)) == [expected[id] for id in ids]
    assert list(index.nearest_earlier([])) == [] and list(index.nearest_earlier(["t3"], 0)) == [()]
    assert list(index.mean_earlier(ids)) == [means[id] for id in ids]


# ------------------------------------------------------------------------------------------ any portions, any engine, any threads


class Slow:
    """A simple model of the index: it measures every pair by `rouge_score`."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold
        self.pool: list[tuple[str, str]] = []

    def add(self, text: str, id: str | None) -> None:
        self.pool.append((str(len(self.pool)) if id is None else id, text))

    def all(self, text: str, before: int | None = None) -> list[Neighbour]:
        return [Neighbour(id, reference(text, other), other) for id, other in self.pool[:before]]

    def too_near(self, text: str) -> Neighbour | None:
        return max((near for near in self.all(text) if near.score > self.threshold), key=lambda near: near.score, default=None)

    def admit(self, text: str, id: str | None) -> Neighbour | None:
        found = self.too_near(text)
        if found is None:
            self.add(text, id)
        return found

    def nearest(self, text: str, k: int, before: int | None = None) -> tuple[Neighbour, ...]:
        return tuple(sorted(self.all(text, before), key=lambda near: -near.score)[:k])

    def mean(self, text: str, before: int | None = None) -> float:
        found = [near.score for near in self.all(text, before)]
        return float(np.mean(found)) if found else 0.0


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["add", "add_all", "admit", "admit_all"]), st.lists(HARD_TEXT, min_size=1, max_size=7), st.booleans()
    ),
    max_size=6,
)


@ways
@given(
    STEPS, st.lists(HARD_TEXT | st.just("unseen words"), min_size=1, max_size=4), st.sampled_from(THRESHOLDS), st.integers(0, 9)
)
@REPEATABLE
def test_every_answer_is_that_of_the_slow_index(
    way: str, steps: list[tuple[str, list[str], bool]], queries: list[str], limit: float, k: int
) -> None:
    index, slow = WAYS[way](limit), Slow(limit)
    for number, (call, texts, named) in enumerate(steps):
        names = [f"n{number}x{place}" for place in range(len(texts))] if named else None
        ids: list[str | None] = [*names] if names else [None] * len(texts)
        if call.startswith("add"):
            for text, id in zip(texts, ids, strict=True):
                slow.add(text, id)
        else:
            expected = [slow.admit(text, id) for text, id in zip(texts, ids, strict=True)]
        if call == "add_all":
            index.add_all(iter(texts), iter(names) if names else None)
        elif call == "admit_all":
            assert index.admit_all(iter(texts), iter(names) if names else None) == expected
        elif call == "add":
            for text, id in zip(texts, ids, strict=True):
                index.add(text, id)
        else:
            assert [index.admit(text, id) for text, id in zip(texts, ids, strict=True)] == expected
    names = [id for id, _ in slow.pool]
    assert len(index) == len(slow.pool)
    assert index.without_tokens == sum(not tokenize(text, None) for _, text in slow.pool)
    assert index.too_near_all(iter(queries)) == [slow.too_near(text) for text in queries] == [*map(index.too_near, queries)]
    assert [index.above(text) for text in queries] == [[n for n in slow.all(text) if n.score > limit] for text in queries]
    for count in {0, 1, k, len(slow.pool), len(slow.pool) + 2}:
        assert list(index.nearest_all(queries, count)) == [slow.nearest(text, count) for text in queries]
        expected_earlier = [slow.nearest(text, count, place) for place, (_, text) in enumerate(slow.pool)]
        assert list(index.nearest_earlier(names, count)) == expected_earlier
    assert [index.scores(text).tolist() for text in queries] == [[near.score for near in slow.all(text)] for text in queries]
    assert [index.mean(text) for text in queries] == [slow.mean(text) for text in queries]
    assert list(index.mean_earlier(names)) == [slow.mean(text, place) for place, (_, text) in enumerate(slow.pool)]


def many_texts(seed: int, count: int, vocabulary: int = 3000) -> list[str]:
    """Return short texts with frequent and rare words. Some are changed copies of earlier ones, some are empty."""
    rng = random.Random(seed)
    texts: list[list[str]] = []
    for _ in range(count):
        words = list(rng.choice(texts)) if texts and rng.random() < 0.3 else []
        for _ in range(rng.randrange(3) if words else rng.choice((0, 1, 3, 8, 12, 70))):
            words.insert(rng.randint(0, len(words)), f"w{int(vocabulary * rng.random() ** 3)}")
        texts.append(words)
    return [" ".join(words) for words in texts]


class Calls:
    """The compiled kernel, which records for each call whether it came from the main thread."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bool]] = []
        self._library = kernel_ctypes.library()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = getattr(self._library, name)

        def noted(*arguments: Any) -> Any:
            self.seen.append((name, threading.current_thread() is threading.main_thread()))
            return function(*arguments)

        return noted


@pytest.fixture(scope="module")
def portable_answers() -> dict[str, Any]:
    """Return the answers of the portable engine for `many_texts`, admitted in one batch."""
    index = RougeIndex(0.6, engine="portable")
    found = index.admit_all(many_texts(3, 3000))
    queries = many_texts(4, 300)
    return {"admitted": found, "near": index.too_near_all(queries), "nearest": list(index.nearest_all(queries, 4))}


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_long_batch_in_threads_or_in_parts_is_decided_as_by_the_portable_engine(
    threads: int, portable_answers: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, rng = Calls(), random.Random(threads)
    monkeypatch.setattr(pool_compiled, "library", lambda: calls)
    index = RougeIndex(0.6, engine="compiled", threads=threads)
    rest, found = many_texts(3, 3000), []
    for size in (600, 1, 1, 900, 7):
        portion, rest = rest[:size], rest[size:]
        found += [index.admit(text) for text in portion] if size == 1 else index.admit_all(portion)
        index.too_near_all(rng.sample(portion, min(len(portion), 5)))
    found += index.admit_all(rest)
    queries = many_texts(4, 300)
    assert found == portable_answers["admitted"]
    assert index.too_near_all(queries) == portable_answers["near"]
    assert list(index.nearest_all(queries, 4)) == portable_answers["nearest"]
    assert list(index.nearest_all(queries[:9], 4)) == portable_answers["nearest"][:9]
    ordered = [number for number, (name, _) in enumerate(calls.seen) if name == "pool_order"]
    admitted = [number for number, (name, _) in enumerate(calls.seen) if name == "pool_admit"]
    assert any(admitted[0] < number < admitted[-1] for number in ordered)  # tokens were sorted again in the middle of the batch
    for name in ("pool_look", "pool_nearest"):
        assert (threads == 1) != ((name, False) in calls.seen)


@pytest.mark.parametrize("threads", [1, 2])
def test_batches_of_more_than_one_block_are_decided_as_one_by_one(threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool_compiled, "_BLOCK", 300)
    monkeypatch.setattr(pool_compiled, "_FEWEST", 20)
    for vocabulary in (5, 300):
        texts = many_texts(vocabulary, 700, vocabulary)
        index, single = (RougeIndex(0.5, engine="compiled", threads=threads) for _ in range(2))
        assert index.admit_all(texts) == [single.admit(text) for text in texts]
        assert index.too_near_all(texts) == [single.too_near(text) for text in texts]
        assert list(index.nearest_all(texts[:100], 3)) == [single.nearest(text, 3) for text in texts[:100]]


# ---------------------------------------------------------------------------------------------------- what is refused, what fails


@pytest.mark.parametrize("limit", [-0.1, 1.1, float("nan"), float("inf")])
def test_a_threshold_that_no_score_can_have_is_refused(limit: float) -> None:
    with pytest.raises(UserMistake, match="from 0 to 1"):
        RougeIndex(limit)


def test_an_engine_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UserMistake, match="compiled or portable"):
        RougeIndex(engine="fast")


def test_tokens_of_an_unknown_kind_are_refused() -> None:
    with pytest.raises(UserMistake, match="unicode, ascii"):
        RougeIndex(tokens="words")  # type: ignore[arg-type]


@pytest.fixture
def reloaded() -> Iterator[None]:
    """Let the kernel be loaded again, in the test and after it."""
    kernel_ctypes.library.cache_clear()
    yield
    kernel_ctypes.library.cache_clear()


def no_suffix(place: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kernel_ctypes, "EXTENSION_SUFFIXES", [])


def no_library(place: Path, patch: pytest.MonkeyPatch) -> None:
    (place / "_kernel.abi3.so").write_bytes(b"not a library")
    patch.setattr(kernel_ctypes, "__file__", str(place / "library.py"))


def other_version(place: Path, patch: pytest.MonkeyPatch) -> None:
    patch.setattr(kernel_ctypes, "VERSION", kernel_ctypes.VERSION + 1)


@pytest.mark.parametrize("broken", [no_suffix, no_library, other_version])
def test_without_the_kernel_the_portable_engine_is_used_and_the_compiled_one_is_refused(
    broken: Callable[[Path, pytest.MonkeyPatch], None], tmp_path: Path, reloaded: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(tmp_path, monkeypatch)
    assert kernel_ctypes.library() is None
    index = RougeIndex(0.5)
    assert index.engine == "portable"
    assert [near and near.id for near in index.admit_all(["a b", "c d", "a b e"])] == [None, None, "0"]
    with pytest.raises(UserMistake, match=r"was not built\. Fix: install a C compiler"):
        RougeIndex(engine="compiled")


def test_the_compiled_engine_is_used_where_it_was_built() -> None:
    assert kernel_ctypes.library() is not None and RougeIndex().engine == "compiled"


def failing(items: list[str], after: int) -> Iterator[str]:
    yield from items[:after]
    raise KeyError("the caller's iterator")


@engines
@pytest.mark.parametrize("call", ["add_all", "admit_all"])
def test_a_call_that_fails_leaves_the_index_as_it_was(engine: str, call: str) -> None:
    texts = ["d e f", "g h i", "j k l"]
    index = index_of(["a b c"], engine=engine)
    calls: list[Callable[[Callable[..., Any]], Any]] = [
        lambda grow: grow(failing(texts, 2)),
        lambda grow: grow(texts, failing(["x", "y", "z"], 1)),
        lambda grow: grow(texts, ["x"]),
        lambda grow: grow(texts, ["x", "y", "z", "too many"]),
        lambda grow: grow([*texts, None]),
    ]
    for bad in calls:
        with pytest.raises((KeyError, ValueError, AttributeError, TypeError, UserMistake)):
            bad(getattr(index, call))
        assert len(index) == len(index.scores("a")) == 1
        assert index.above("d e f") == [] and index.nearest("d e f")[0].id == "t0"
    index.add("p q r", "new")
    assert index.too_near_all(["d e f", "p q r"]) == [None, Neighbour("new", 1.0, "p q r")]


class Interrupted(Calls):
    """A kernel that raises KeyboardInterrupt in the second call of `pool_admit`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        function = super().__getattr__(name)

        def stopped(*arguments: Any) -> Any:
            done = function(*arguments)
            if name == "pool_admit" and sum(seen == name for seen, _ in self.seen) == 2:
                raise KeyboardInterrupt
            return done

        return stopped


def test_ctrl_c_during_a_long_batch_leaves_the_index_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Interrupted()
    monkeypatch.setattr(pool_compiled, "library", lambda: kernel)
    monkeypatch.setattr(pool_compiled, "_BLOCK", 50)
    index = RougeIndex(0.6, engine="compiled", threads=1)
    texts = many_texts(9, 200)
    with pytest.raises(KeyboardInterrupt):
        index.admit_all(texts)
    assert len(index) == len(index.scores("w1")) == 0
    fresh = RougeIndex(0.6, engine="portable")
    assert index.admit_all(texts) == fresh.admit_all(texts)
    assert list(index.nearest_all(texts[:20], 3)) == list(fresh.nearest_all(texts[:20], 3))


@engines
def test_the_nearest_is_found_where_it_shares_only_what_comes_after_65_535_other_tokens(engine: str) -> None:
    """Lengths and positions have 16 bits. Here both are greater, and only one text has both words."""
    long = " ".join(["w0", "w1", *(f"w{number}" for number in range(100, 66_200))])
    index = index_of(["w0", "w1", "zz", long], 0.7, engine)
    expected = 2 * (2 / 2 * 2 / 66_102) / (2 / 2 + 2 / 66_102)
    assert [near.score for near in index.nearest("w0 w1", 4)] == [2 / 3, 2 / 3, pytest.approx(expected), 0.0]
    assert [near.instruction for near in index.nearest("w0 w1", 4)][2:] == [long, "zz"]


@engines
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda index: pickle.loads(pickle.dumps(index))])
@pytest.mark.parametrize("stem", [False, True])
def test_a_copy_has_the_same_texts_and_changes_independently(
    engine: str, copied: Callable[[RougeIndex], RougeIndex], stem: bool
) -> None:
    index = RougeIndex(0.5, engine=engine, stem=stem, tokens="ascii", threads=2)
    index.add_all(["a b c", "lists of rivers", ""], ["x", "y", "z"])
    index.add("d e")
    other = copied(index)
    assert (other.threshold, other.engine, len(other), other.without_tokens) == (0.5, engine, 4, 1)
    assert other.nearest("list of river") == index.nearest("list of river")
    index.add("only here")
    other.add("only there", "there")
    assert index.too_near("only there") is None or index.too_near("only there").id == "4"  # type: ignore[union-attr]
    assert [near.id for near in other.above("only there")] == ["there"]
    del index
    assert other.above("a b c") == [Neighbour("x", 1.0, "a b c")]


@engines
def test_a_threshold_keeps_the_precision_of_a_python_float(engine: str) -> None:
    """If the threshold were a float32, numpy would compare as float32, and a score slightly above it would be equal."""
    index = RougeIndex(cast(float, np.float32(0.7)), engine=engine)
    index.add(" ".join(f"w{n}" for n in range(10)))
    assert float(np.float32(0.7)) < 0.7
    assert not index.admits(" ".join(f"w{n}" for n in range(7)) + " x y z")


ADDING_WHILE_ASKING = """
from selfinstruct.rouge import RougeIndex
texts = [" ".join(f"w{(n * step) % 97}" for step in range(1, 12)) for n in range(1500)]
index = RougeIndex(0.7, engine=ENGINE, threads=2)
index.add_all(texts)
expected = list(index.nearest_all(texts[:1000], 3))
found = []
for near in index.nearest_all(texts[:1000], 3):
    found.append(near)
    index.add_all(texts[:150])
assert found == expected
"""

TWO_THREADS = """
import threading
from selfinstruct.rouge import RougeIndex
texts = [" ".join(f"w{(n * n * step) % 4999}" for step in range(1, 12)) for n in range(9000)]
index = RougeIndex(0.5, engine=ENGINE, threads=2)
answers = {}
def admit(part):
    for start in range(part, len(texts), 60):
        for place in range(start, min(start + 20, len(texts))):
            answers[place] = index.admit(texts[place], str(place))
threads = [threading.Thread(target=admit, args=(part,)) for part in (0, 20, 40)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
assert sorted(answers) == list(range(len(texts)))
kept = [place for place in answers if answers[place] is None]
assert len(kept) == len(index) == len(index.scores("w1"))
alone = RougeIndex(0.5, engine=ENGINE)
order = [near.instruction for near in index.nearest("zz", len(index))]
assert alone.admit_all(order) == [None] * len(order)
assert all(near.score > 0.5 for near in answers.values() if near)
"""


@pytest.mark.slow
@engines
@pytest.mark.parametrize("program", [ADDING_WHILE_ASKING, TWO_THREADS], ids=["adding while asking", "two threads"])
def test_changing_the_pool_during_a_read_does_not_crash_the_process(engine: str, program: str) -> None:
    words = [sys.executable, "-c", program.replace("ENGINE", repr(engine))]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stderr) == (0, "")
