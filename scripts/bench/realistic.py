"""Realistic corpus of instructions of any size, for the benchmarks. The same seed always gives the same texts.

    .venv/bin/python scripts/bench/realistic.py 52000                 print one JSON string a line
    .venv/bin/python scripts/bench/realistic.py 52000 --describe      print figures about the corpus

A word model makes the sentences (Markov, order 2 with back-off to 1 and 0). It learns from the seeds and the sample in `data/`,
which have few words. So most of its rare words are replaced by made-up words with a Zipf-Mandelbrot tail. The vocabulary then
grows with the corpus by Heaps' law, as in real text. Most rows are plain. `SHARES` has the other kinds: edited copies of earlier
rows, long templates with a changing part, very short rows and very long rows. A short corpus is the beginning of a long one.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import log
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
LEARNED = ("seeds/seed_tasks.jsonl", "data/sample/dataset.jsonl")
SHARES = {"near": 0.075, "template": 0.07, "short": 0.015, "long": 0.005}  # of all rows, and the others are plain

_COMMON = 250  # most frequent words, which are never replaced
_REPLACED = 0.62  # share of the other words that is replaced
_NUMBERS = 0.04  # share of numbers among the replacements
_SHIFT, _EXPONENT = 60.0, 1.55  # the word of rank r has the frequency (r + shift) ** -exponent
_ORDER_2, _ORDER_1 = 0.55, 0.96  # chances of looking at 2 words, and at 1 word or more
_SENTENCES = (1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2)
_LEARNED, _LONGEST = 18, 30  # most words of a sentence that is learned, or made
_TEMPLATES = 48
_ONSETS: list[str] = re.findall(r"\w+", "b br c ch d dr f fl g gr h j k l m n p pl r s st t tr v w")
_SYLLABLES = [onset + vowel for onset in _ONSETS for vowel in ("a", "e", "i", "o", "u", "ai", "ea", "ou")]
_ENDINGS = [syllable + coda for syllable in _SYLLABLES for coda in ("", "n", "r", "l", "s", "t", "m", "nd", "ck", "st")]


class Words:
    """Word model that makes sentences."""

    def __init__(self, instructions: list[list[str]], others: list[list[str]], random: Random) -> None:
        self._random = random.random
        sentences = instructions * 3 + others
        self._any = [word for sentence in sentences for word in sentence]
        self._after: dict[str, list[str]] = defaultdict(list)
        self._after_two: dict[tuple[str, str], list[str]] = defaultdict(list)
        for sentence in sentences:
            for one, two, three in zip(["", "", *sentence[:-1]], ["", *sentence], [*sentence, ""], strict=True):
                self._after_two[one, two].append(three)
                self._after[two].append(three)
        self._after[""] = [sentence[0] for sentence in instructions]
        self._after_two["", ""] = self._after[""]
        counts = Counter(word.lower().strip(".,;:!?\"'()") for word in self._any)
        common = {word for word, _ in counts.most_common(_COMMON)}
        self._parts = {word: _parts(word, common) for word in set(self._any)}

    def sentence(self) -> list[str]:
        """Return the words of one sentence."""
        random, one, two = self._random, "", ""
        found: list[str] = []
        while len(found) < _LONGEST:
            luck = random()
            choices = self._any
            if luck < _ORDER_1 or not found:
                choices = (luck < _ORDER_2 and self._after_two.get((one, two))) or self._after[two]
            word = choices[int(random() * len(choices))]
            if not word:
                break
            parts = self._parts[word]
            found.append(word if parts is None or random() > _REPLACED else parts[0] + self.rare(parts[1]) + parts[2])
            one, two = two, word
        return found

    def rare(self, capital: bool = False) -> str:
        """Return a made-up word, or a number."""
        random = self._random
        if random() < _NUMBERS:
            return str(int(10 ** (4 * random())))
        rank = int(_SHIFT * (1 - random()) ** (1 / (1 - _EXPONENT)) - _SHIFT)
        return made_up(rank).capitalize() if capital else made_up(rank)

    def some(self, least: int, most: int) -> list[str]:
        """Return from `least` to `most` words."""
        wanted = least + int(self._random() * (most - least + 1))
        found: list[str] = []
        while len(found) < wanted:
            found += self.sentence()
        return found[:wanted]


def _parts(word: str, common: set[str]) -> tuple[str, bool, str] | None:
    """Return the signs before a word, if it has a capital, and the signs after it. Return None for a common word."""
    found = re.fullmatch(r"(\W*)(\w[\w'\u2019-]*)(\W*)", word)
    return (found[1], found[2][0].isupper(), found[3]) if found and found[2].lower() not in common else None


def made_up(rank: int) -> str:
    """Return the pronounceable word of this rank, a different one for each. Rarer words are longer."""
    syllables, size = 1, len(_ENDINGS)
    while rank >= size:
        rank -= size
        syllables, size = syllables + 1, size * len(_SYLLABLES)
    rank = rank * 7919 % size  # a prime: neighbours in rank do not sound alike
    rank, ending = divmod(rank, len(_ENDINGS))
    word = _ENDINGS[ending]
    for _ in range(syllables - 1):
        rank, syllable = divmod(rank, len(_SYLLABLES))
        word = _SYLLABLES[syllable] + word
    return word


def rows(seed: int = 0) -> Iterator[tuple[str, str]]:
    """Yield kind and text of rows without end."""
    random = Random(seed)
    words = Words(*_learned(), random)
    templates = [words.some(40, 120) for _ in range(_TEMPLATES)]
    earlier: list[str] = []
    while True:
        luck, kind = random.random(), "plain"
        for name, share in SHARES.items():
            if luck < share:
                kind = name
                break
            luck -= share
        if kind == "near" and earlier:
            row = _edited(earlier[random.randrange(len(earlier))].split(), words, random)
        elif kind == "template":
            row = _from_template(templates[int(_TEMPLATES * random.random() ** 2)], words, random)
        elif kind == "short":
            row = [words.rare() if random.random() < 0.6 else word for word in words.some(1, 3)]
        elif kind == "long":
            row = words.some(200, 600)
        else:
            row = [word for _ in range(random.choice(_SENTENCES)) for word in words.sentence()]
        earlier.append(" ".join(row))
        yield kind, earlier[-1]


def texts(count: int, seed: int = 0) -> Iterator[str]:
    """Return the first `count` texts."""
    return (text for _, text in islice(rows(seed), count))


def _from_template(template: list[str], words: Words, random: Random) -> list[str]:
    """Return the template with 30 to 80 new words at one place."""
    place = random.choice((0, len(template) // 2, len(template)))
    return [*template[:place], *words.some(30, 80), *template[place:]]


def _edited(row: list[str], words: Words, random: Random) -> list[str]:
    """Return a copy with up to half of its words substituted, dropped, inserted or moved."""
    row = list(row)
    edits = max(1, round(len(row) * random.uniform(0, 0.5)))
    for _ in range(edits):
        place, what = random.randrange(len(row)), random.random()
        if what < 0.55 or len(row) < 4:
            row[place] = random.choice((words.rare, lambda: words.some(1, 1)[0]))()
        elif what < 0.7:
            del row[place]
        elif what < 0.85:
            row.insert(place, words.rare())
        else:
            row.insert(random.randrange(len(row)), row.pop(place))
    return row


def _learned() -> tuple[list[list[str]], list[list[str]]]:
    """Return the sentences that the model learns from: those of instructions, and those of outputs in the sample."""
    tasks = [json.loads(line) for name in LEARNED for line in (ROOT / name).read_text(encoding="utf-8").split("\n") if line]
    return _sentences(task["instruction"] for task in tasks), _sentences(task.get("output", "") for task in tasks)


def _sentences(found: Iterable[str]) -> list[list[str]]:
    parts = [part.split() for text in found for part in re.split(r"(?<=[.!?:])\s+|\n+", text)]
    return [part for part in parts if 0 < len(part) <= _LEARNED]


def describe(count: int, seed: int) -> None:
    """Print figures about the first `count` rows."""
    from selfinstruct.rouge import RougeIndex
    from selfinstruct.rouge.tokens import ascii_tokens

    made = list(islice(rows(seed), count))
    tokens = [ascii_tokens(text) for _, text in made]
    lengths, share = sorted(map(len, tokens)), Counter(kind for kind, _ in made)
    print(f"{count:,} rows: " + ", ".join(f"{100 * number / count:.1f} % {kind}" for kind, number in share.most_common()))
    plain = [len(row) for row, (kind, _) in zip(tokens, made, strict=True) if kind == "plain"]
    print(
        f"tokens a row: mean {sum(lengths) / count:.1f} (of plain rows {sum(plain) / max(1, len(plain)):.1f}), {_spread(lengths)}"
    )
    met = Counter(token for row in tokens for token in set(row))
    print("share of rows with " + ", ".join(f"{token} {number / count:.2f}" for token, number in met.most_common(8)))
    _describe_growth(tokens)
    found = RougeIndex().admit_all(text for _, text in made)
    dropped = Counter(kind for near, (kind, _) in zip(found, made, strict=True) if near)
    of_kinds = ", ".join(f"{100 * dropped[kind] / share[kind]:.0f} % of {kind}" for kind in share)
    print(f"above ROUGE-L 0.7 to a row kept before: {100 * dropped.total() / count:.1f} % ({of_kinds})")
    index = RougeIndex()
    index.add_all(text for _, text in made)
    sample = Random(seed).sample([text for _, text in made], min(1000, count))
    scores = sorted(near[1].score for near in index.nearest_all(sample, 2) if len(near) > 1)
    print(f"ROUGE-L to the nearest other row, of {len(sample):,} rows: {_spread(scores)}")


def _describe_growth(tokens: list[list[str]]) -> None:
    """Print the growth of the vocabulary, with the exponent of Heaps' law between the first and the last size."""
    seen: set[str] = set()
    total, points = 0, []
    for number, row in enumerate(tokens, 1):
        seen.update(row)
        total += len(row)
        if number in (1_000, 10_000, 52_000, 300_000, 1_000_000, len(tokens)):
            points.append((number, total, len(seen)))
    print("different tokens: " + ", ".join(f"{words:,} in {number:,} rows" for number, _, words in dict.fromkeys(points)), end="")
    (_, few, start), (_, many, end) = points[0], points[-1]
    print(f", Heaps' exponent {log(end / start) / log(many / few):.2f}" if many > few else "")


def _spread(values: Sequence[float]) -> str:
    """Return percentiles of ascending values as text."""
    return ", ".join(f"{percent} %: {values[(len(values) - 1) * percent // 100]:.3g}" for percent in (1, 10, 25, 50, 75, 90, 99))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("count", type=int, help="number of rows")
    parser.add_argument("--seed", type=int, default=0, help="seed of the corpus")
    parser.add_argument("--describe", action="store_true", help="print figures about the rows instead of the rows")
    options = parser.parse_args()
    if options.describe:
        return describe(options.count, options.seed)
    for text in texts(options.count, options.seed):
        print(json.dumps(text))
    return None


if __name__ == "__main__":
    main()
