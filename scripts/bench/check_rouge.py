"""Compare the ROUGE index with `rouge_score` on ten million random and adversarial pairs, at every threshold.

    .venv/bin/python scripts/bench/check_rouge.py [--pairs 10000000] [--seed 0] [--processes 2] [--small]

A task is a few dozen texts of one family. `rouge_score` scores every pair of them once, with its tokenizer, LCS and F-measure.
The thresholds are 0.05, 0.10 … 1.00, 1/3, 2/3, the scores of some pairs, and the next numbers below and above these scores.
At each threshold, the index must give what follows from the scores of `rouge_score`:

    above          for each text as a query, exactly the texts above the threshold
    too_near_all   the best of these, and the earliest of equal ones
    admit_all      for all texts in turn, the admissions of a plain loop

Scores must be equal to the last bit. Both engines are checked, the portable engine on every fourth task.

`rouge_score` needs memory and time for every pair of tokens. For long texts, the LCS comes from a row-by-row table in numpy.
This table is itself compared with `rouge_score` on shorter pairs.

The exit status is 0 without a difference. Otherwise it is 1, and the program prints the shortest pair with a difference.
"""

from __future__ import annotations

import argparse
import math
import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing import Pool
from typing import Any

import numpy as np
from nltk.stem.porter import PorterStemmer
from numpy.typing import NDArray
from rouge_score import rouge_scorer, scoring, tokenize

from selfinstruct.rouge import RougeIndex

STEPS = [number / 20 for number in range(1, 21)]
THRESHOLDS = [*STEPS, 1 / 3, 2 / 3]
OWN = 2  # scores of pairs of a task that become thresholds, with the two next numbers of each
PORTABLE = 4  # every fourth task is checked with the portable engine too
CELLS = 60_000  # most pairs of tokens for which `rouge_score` finds the LCS
BORDERS = (63, 64, 65, 127, 128, 129, 191, 192, 193)  # numbers of tokens near the ends of words of 64 bits
FEWEST = 40  # texts of a task with --small
TABLE = 20  # shorter pairs of a task with long texts, on which the numpy table is compared with `rouge_score`

Texts = list[list[str]]


# -------------------------------------------------------------------------------------------------------------- families of texts


def words(rng: random.Random, count: int, vocabulary: int, power: float = 2.0) -> list[str]:
    """Return tokens, a few of them frequent and many of them rare."""
    return [f"w{int(vocabulary * rng.random() ** power)}" for _ in range(count)]


def edited(rng: random.Random, text: Sequence[str], edits: int, vocabulary: int) -> list[str]:
    """Return a copy with this many insertions, deletions and replacements."""
    copy = list(text)
    for _ in range(edits):
        at = rng.randint(0, len(copy))
        copy[at : at + rng.randint(0, 1)] = words(rng, rng.choice((0, 1, 1)), vocabulary)
    return copy


def zipf(rng: random.Random) -> Texts:
    """Return short texts with a few frequent words and many rare ones."""
    return [words(rng, rng.randint(1, 10), rng.choice((30, 300, 30_000)), 4.0) for _ in range(150)]


def tiny_vocabulary(rng: random.Random) -> Texts:
    """Return texts of at most three different words."""
    size = rng.randint(1, 3)
    return [words(rng, rng.randint(0, 12), size, 1.0) for _ in range(150)]


def repeats(rng: random.Random) -> Texts:
    """Return texts of repeated phrases."""
    phrases = [words(rng, rng.randint(1, 3), 8) for _ in range(12)]
    return [rng.choice(phrases) * rng.randint(1, 5) + rng.choice(phrases) * rng.randint(0, 2) for _ in range(120)]


def permutations(rng: random.Random) -> Texts:
    """Return the words of one text in many orders."""
    base = words(rng, rng.randint(2, 9), rng.choice((4, 1000)))
    return [rng.sample(base, rng.randint(max(1, len(base) - 2), len(base))) for _ in range(120)]


def one_token(rng: random.Random) -> Texts:
    """Return texts of one token, and some of two or three."""
    return [words(rng, rng.choice((1, 1, 1, 2, 3)), 6) for _ in range(150)]


def empty(rng: random.Random) -> Texts:
    """Return texts, half of them empty."""
    return [words(rng, rng.choice((0, 0, 1, 4)), 5) for _ in range(150)]


def all_equal(rng: random.Random) -> Texts:
    """Return one text many times, and beginnings of it."""
    base = words(rng, rng.randint(1, 9), 30)
    return [base] * 110 + [base[: rng.randint(0, len(base))] for _ in range(10)]


def copies(rng: random.Random) -> Texts:
    """Return edited copies at any distance, some of them copies of copies."""
    vocabulary = rng.choice((10, 5000))
    texts = [words(rng, rng.randint(1, 14), vocabulary) for _ in range(5)]
    for _ in range(95):
        base = rng.choice(texts)
        texts.append(edited(rng, base, rng.randint(0, len(base)), vocabulary)[:25])
    return texts


def ties(rng: random.Random) -> Texts:
    """Return pairs whose score equals a threshold, 2c / (m + n) = a / b, and pairs that differ from these by one token."""
    texts: Texts = []
    step = rng.choice([(number, 20) for number in range(1, 21)] + [(1, 3), (2, 3)])
    a, b = step[0] // math.gcd(*step), step[1] // math.gcd(*step)
    unit = 2 * b // math.gcd(a, 2)  # the smallest m + n with a whole number c
    while len(texts) < 60:
        both = unit * rng.randint(1, max(2, 40 // unit))
        common = a * both // (2 * b)
        m = rng.randint(common, both - common)
        for shared in (common, max(0, common - 1), min(m, both - m, common + 1)):
            number = len(texts)
            core = [f"s{number}x{place}" for place in range(shared)]
            texts.append(mixed(rng, core, [f"p{number}x{place}" for place in range(m - shared)]))
            texts.append(mixed(rng, core, [f"q{number}x{place}" for place in range(both - m - shared)]))
    return texts


def mixed(rng: random.Random, core: Sequence[str], others: Sequence[str]) -> list[str]:
    """Return both lists as one, with the order of each kept."""
    first = [True] * len(core) + [False] * len(others)
    rng.shuffle(first)
    ones, rest = iter(core), iter(others)
    return [next(ones) if taken else next(rest) for taken in first]


def stemmed(rng: random.Random) -> Texts:
    """Return words with endings that the stemmer removes or keeps."""
    roots = ("connect", "relat", "happi", "run", "generat", "list", "fli", "ski", "univers", "as")
    endings = ("", "ed", "ing", "ion", "ions", "al", "ational", "y", "ies", "es", "ness", "fulness", "ly", "er", "s", "ss", "eed")
    return [[rng.choice(roots) + rng.choice(endings) for _ in range(rng.randint(0, 7))] for _ in range(120)]


def other_scripts(rng: random.Random) -> Texts:
    """Return texts that are not ASCII, for a check with the ASCII tokens of `rouge_score`."""
    parts = (
        "caf\u00e9",
        "na\u00efve",
        "\u0e20\u0e32\u0e29\u0e32",
        "a\u0301b",
        "\u0130x",
        "\u212aelvin",
        "1\ufe0f\u20e3",
        "\uff21",
        "abc",
        "x",
    )
    return [[rng.choice(parts) for _ in range(rng.randint(0, 8))] for _ in range(120)]


def borders(rng: random.Random) -> Texts:
    """Return texts of lengths at which the bit-parallel LCS takes one more word of 64 bits."""
    vocabulary, length = rng.choice((2, 20, 500)), rng.choice(BORDERS)
    base = words(rng, length, vocabulary)
    texts = [base, base[:-1], [*base, "w0"], ["w0"] * length, rng.sample(base, length), base[:5], []]
    texts += [edited(rng, base, rng.randint(0, length), vocabulary) for _ in range(6)]
    return texts + [words(rng, rng.choice(BORDERS), vocabulary) for _ in range(5)]


def ten_thousand(rng: random.Random) -> Texts:
    """Return texts of up to 10,000 tokens."""
    vocabulary = rng.choice((3, 5000))
    base = words(rng, 10_000, vocabulary)
    texts = [base, edited(rng, base, rng.choice((5, 3000)), vocabulary), rng.choice((rng.sample(base, 10_000), ["w1"] * 10_000))]
    return [*texts, base[:3000], base[7000:7100], words(rng, 20, vocabulary), base[::2], []]


def beyond_sixteen_bits(rng: random.Random) -> Texts:
    """Return texts of 65,535 tokens and more, whose lengths and positions exceed a field of 16 bits."""
    base = words(rng, 66_000, 400)
    short = [words(rng, rng.randint(1, 40), 400) for _ in range(6)]
    return [base, base[:65_535], *short, base[100:700], ["w1"] * 30, ["w1"] * 65_536, []]


def many_tokens(rng: random.Random) -> Texts:
    """Return texts with more than 65,536 different tokens, some with numbers that are surrogates as code points."""
    names = [f"w{number}" for number in range(75_000)]
    long = [names[start : start + 15_000] for start in range(0, 75_000, 15_000)]
    rare = names[55_200:57_400]
    short = [rng.sample(rare, rng.randint(1, 12)) for _ in range(40)]
    short += [edited(rng, rng.choice(short), 2, 75_000) for _ in range(40)]
    return [*long, *short, [*long[0][:9000], *long[1][9000:]]]


@dataclass(frozen=True)
class Family:
    """Texts of one kind, with their share of all pairs. Long texts have a fixed number of tasks instead."""

    make: Callable[[random.Random], Texts]
    share: int = 0
    tasks: int = 0
    thresholds: Sequence[float] = tuple(THRESHOLDS)
    options: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the family in the report."""
        return self.make.__name__.replace("_", " ")


FAMILIES = [
    Family(beyond_sixteen_bits, tasks=1, thresholds=STEPS[::3]),
    Family(many_tokens, tasks=2),
    Family(ten_thousand, tasks=4),
    Family(borders, share=1),
    Family(zipf, share=20),
    Family(copies, share=14),
    Family(ties, share=10),
    Family(tiny_vocabulary, share=12),
    Family(repeats, share=8),
    Family(permutations, share=12),
    Family(one_token, share=8),
    Family(empty, share=5),
    Family(all_equal, share=4),
    Family(stemmed, share=4, options={"stem": True}),
    Family(other_scripts, share=2, options={"tokens": "ascii"}),
]


def written(rng: random.Random, tokens: Sequence[str]) -> str:
    """Return a text of these tokens, with capitals and signs that both tokenizers must remove."""
    signs = (" ", " ", " ", ", ", "-", "\n", "_", ".  ", "\u2019") if rng.random() < 0.3 else (" ",)
    return "".join((token.upper() if rng.random() < 0.1 else token) + rng.choice(signs) for token in tokens)


# --------------------------------------------------------------------------------------------------------------- the right scores


def table(one: Sequence[str], other: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, by the usual table, row by row."""
    rows, columns = sorted((one, other), key=len)
    numbers: dict[str, int] = {}
    codes = np.array([numbers.setdefault(token, len(numbers)) for token in columns], np.int32)
    row, best = np.zeros(len(columns) + 1, np.int32), np.zeros(len(columns), np.int32)
    for token in rows:
        np.add(row[:-1], codes == numbers.get(token, -1), out=best)
        np.maximum(row[1:], best, out=best)
        np.maximum.accumulate(best, out=row[1:])
    return int(row[-1])


def f_measure(one: Sequence[str], other: Sequence[str]) -> float:
    """Return the F-measure of `rouge_score`, with its LCS unless the texts are too long for it."""
    if len(one) * len(other) <= CELLS or not one or not other:
        return float(rouge_scorer._score_lcs(one, other).fmeasure)
    common = table(one, other)
    return float(scoring.fmeasure(common / len(other), common / len(one)))


def scores_of(texts: Sequence[str], stem: bool) -> tuple[NDArray[np.float64], int]:
    """Return the score of every pair, and the number of shorter pairs on which the numpy table is wrong."""
    stemmer = PorterStemmer() if stem else None
    tokens = [tokenize.tokenize(text, stemmer) for text in texts]
    scores = np.zeros((len(texts), len(texts)))
    short = []
    for i, one in enumerate(tokens):
        for j, other in enumerate(tokens[: i + 1]):
            scores[i, j] = scores[j, i] = f_measure(one, other)
            if one and 0 < len(one) * len(other) <= CELLS:
                short.append((one, other))
    wrong = 0
    if max(map(len, tokens)) >= BORDERS[0]:
        for one, other in sorted(short, key=lambda pair: -len(pair[0]) * len(pair[1]))[:TABLE]:
            wrong += table(one, other) != rouge_scorer._lcs_table(one, other)[-1][-1]
    return scores, wrong


# --------------------------------------------------------------------------------------------------------------------- comparison


@dataclass(frozen=True)
class Difference:
    """A pair that the index decides differently from `rouge_score`."""

    size: int
    family: str
    what: str
    engine: str
    threshold: float
    score: float
    one: str
    other: str


@dataclass
class Result:
    """Counts of one task."""

    family: str
    pairs: int = 0
    decisions: int = 0
    ties: int = 0  # pairs whose score equals the threshold exactly
    portable: int = 0  # decisions of the portable engine, included in `decisions`
    differences: int = 0
    shortest: Difference | None = None


@dataclass(frozen=True)
class Task:
    """Texts of one family, made from a seed."""

    family: int
    seed: str
    portable: bool
    most: int | None = None  # most texts


def check(task: Task) -> Result:
    """Score all pairs with `rouge_score`, then compare the index at every threshold."""
    family = FAMILIES[task.family]
    rng = random.Random(task.seed)
    made = family.make(rng)
    if not family.tasks:
        rng.shuffle(made)  # in families of long texts, the longest come first and are in the pool
    texts = [written(rng, tokens) for tokens in made[: task.most]]
    scores, wrong = scores_of(texts, bool(family.options.get("stem")))
    lower = np.tril(np.ones(scores.shape, bool))
    result = Result(family.name, pairs=int(lower.sum()))
    if wrong:
        result.differences += wrong
        result.shortest = Difference(0, family.name, "the LCS of the numpy table", "none", 0, 0, "", "")
    own = [
        float(score) for score in rng.sample(sorted(set(scores[lower].tolist()) - {0.0}), min(OWN, len(set(scores[scores > 0]))))
    ]
    beside = [float(np.nextafter(score, end)) for score in own for end in (0.0, 1.0)]
    for threshold in [*family.thresholds, *own, *beside]:
        result.ties += int((scores[lower] == threshold).sum())
        for engine in ("compiled", "portable") if task.portable else ("compiled",):
            comparison = Comparison(family, texts, scores, threshold, engine)
            for difference in comparison.differences():
                result.differences += 1
                if result.shortest is None or difference.size < result.shortest.size:
                    result.shortest = difference
            result.decisions += comparison.decisions
            result.portable += comparison.decisions * (engine == "portable")
    return result


class Comparison:
    """Answers of the index for one threshold and engine, compared with those that follow from the scores."""

    def __init__(self, family: Family, texts: Sequence[str], scores: NDArray[np.float64], threshold: float, engine: str) -> None:
        self.family, self.texts, self.scores, self.threshold, self.engine = family, texts, scores, threshold, engine
        self.decisions = 0

    def differences(self) -> Iterator[Difference]:
        """Yield all differences."""
        yield from self._above()
        yield from self._admitted()

    def _above(self) -> Iterator[Difference]:
        pool = len(self.texts) * 3 // 4  # the other texts have tokens that the pool does not know
        index = self._index()
        index.add_all(self.texts[:pool])
        if not np.array_equal(np.array([index.scores(text) for text in self.texts[:2]]), self.scores[:2, :pool]):
            yield self._difference("scores", 0, 1)
        near = self.scores[:, :pool] > self.threshold
        best = np.where(near.any(axis=1), self.scores[:, :pool].argmax(axis=1), -1).tolist()
        for query, (text, found) in enumerate(zip(self.texts, index.too_near_all(self.texts), strict=True)):
            self.decisions += pool
            above = {int(near.id): near.score for near in index.above(text)}
            expected = np.flatnonzero(near[query]).tolist()
            if list(above) != expected:
                for other in sorted(set(above) ^ set(expected)) or expected[:1]:
                    yield self._difference("above", query, other)
            elif list(above.values()) != self.scores[query, expected].tolist():
                yield self._difference("scores of above", query, expected[0])
            wanted = None if best[query] < 0 else (str(best[query]), self.scores[query, best[query]])
            if wanted != (found and (found.id, found.score)):
                yield self._difference("too_near_all", query, max(0, best[query]))

    def _admitted(self) -> Iterator[Difference]:
        index, kept = self._index(), list[int]()
        names = [str(number) for number in range(len(self.texts))]
        for number, found in enumerate(index.admit_all(self.texts, names)):
            row = self.scores[number, kept]
            self.decisions += len(kept)
            best = int(row.argmax()) if len(kept) and row.max() > self.threshold else None
            if (found and (found.id, found.score)) != (None if best is None else (names[kept[best]], row[best])):
                yield self._difference("admit_all", number, int(found.id) if found else kept[best or 0])
            if best is None:
                kept.append(number)

    def _index(self) -> RougeIndex:
        return RougeIndex(self.threshold, engine=self.engine, **{"tokens": "ascii", **self.family.options})

    def _difference(self, what: str, query: int, other: int) -> Difference:
        one, two, score = self.texts[query], self.texts[other], float(self.scores[query, other])
        return Difference(len(one) + len(two), self.family.name, what, self.engine, self.threshold, score, one, two)


# -------------------------------------------------------------------------------------------------------------------- the program


def tasks_for(pairs: int, seed: int, small: bool) -> list[Task]:
    """Return enough tasks for this many pairs. Those of long texts come first, because they take longest."""
    shares = sum(family.share for family in FAMILIES)
    tasks: list[Task] = []
    for place, family in enumerate(FAMILIES):
        count = 0 if small else family.tasks
        if family.share:
            texts = len(family.make(random.Random(seed)))
            count = math.ceil(pairs * family.share / shares / (texts * (texts + 1) // 2))
        most = FEWEST if small else None
        tasks += [
            Task(place, f"{seed}/{family.name}/{number}", bool(family.tasks) or number % PORTABLE == 0, most)
            for number in range(count)
        ]
    long = [task for task in tasks if FAMILIES[task.family].tasks]
    rest = [task for task in tasks if not FAMILIES[task.family].tasks]
    random.Random(seed).shuffle(rest)
    return long + rest


def report(results: list[Result]) -> None:
    """Print a line for each family."""
    print(f"\n{'family':<22}{'pairs':>12}{'decisions':>16}{'of portable':>14}{'ties':>12}{'differences':>13}")
    for family in FAMILIES:
        mine = [result for result in results if result.family == family.name]
        row = [
            sum(getattr(result, name) for result in mine) for name in ("pairs", "decisions", "portable", "ties", "differences")
        ]
        if mine:
            print(f"{family.name:<22}{row[0]:>12,}{row[1]:>16,}{row[2]:>14,}{row[3]:>12,}{row[4]:>13,}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison, and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=10_000_000, help="pairs that `rouge_score` scores")
    parser.add_argument("--seed", type=int, default=0, help="seed of the texts")
    parser.add_argument("--processes", type=int, default=2, help="tasks at a time")
    parser.add_argument("--small", action="store_true", help="one small task of each family without long texts")
    options = parser.parse_args(arguments)
    tasks = tasks_for(1 if options.small else options.pairs, options.seed, options.small)
    RougeIndex(engine="compiled")  # raises here if the engine is not built, and loads it before the processes start
    results, counts, begun = [], Counter[str](), time.monotonic()
    shown = begun
    with Pool(options.processes) as pool:
        for result in pool.imap_unordered(check, tasks):
            results.append(result)
            counts.update(pairs=result.pairs, decisions=result.decisions, differences=result.differences, ties=result.ties)
            if time.monotonic() - shown > 10:
                shown = time.monotonic()
                print(f"{counts['pairs']:,} pairs, {counts['differences']:,} differences, {shown - begun:.0f} s", flush=True)
    report(results)
    print(
        f"{counts['pairs']:,} pairs at {len(THRESHOLDS)} thresholds and more, {counts['decisions']:,} decisions, "
        f"{counts['ties']:,} ties, {time.monotonic() - begun:.0f} s: {counts['differences']:,} differences"
    )
    found = [result.shortest for result in results if result.shortest]
    if found:
        print(f"the shortest pair with a difference:\n{min(found, key=lambda difference: difference.size)}")
    return int(bool(counts["differences"]))


if __name__ == "__main__":
    sys.exit(main())
