"""Measures of the diversity of rows: n-grams, neighbours, topics, verbs and objects. All are pure functions of texts.

Two of them need the extra `bench`. Verbs and objects need HanTa, a part-of-speech tagger with its model in the wheel. Topics use
the word vectors in the wheel of wordllama. Without wordllama, topics depend on the words alone and are less accurate.
"""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from selfinstruct.rouge import RougeIndex
from selfinstruct.rouge.tokens import tokenizer

Row = Mapping[str, str]
Vectors = NDArray[np.float64]
NO_TOPIC = "none"


# --- n-grams, neighbours, numbers ---------------------------------------------------------------------------------------


def ngrams(n: int, texts: Iterable[str]) -> list[list[tuple[str, ...]]]:
    """Return the n-grams of each text."""
    split = tokenizer("unicode")
    return [list(zip(*(tokens[start:] for start in range(n)), strict=False)) for tokens in map(split, texts)]


def distinct(n: int, texts: Iterable[str]) -> float | None:
    """Return the share of different n-grams (distinct-n, Li et al., 2016), or None without n-grams."""
    found = list(chain.from_iterable(ngrams(n, texts)))
    return len(set(found)) / len(found) if found else None


def distinct_of(size: int, n: int, texts: Sequence[str], draws: int, seed: int = 0) -> float | None:
    """Return distinct-n of `size` n-grams from texts in random order, as the mean of `draws` draws.

    The share of different n-grams falls with their number, for any texts. So only equal numbers can be compared. Return None
    when there are fewer n-grams.
    """
    grams, rng = ngrams(n, texts), random.Random(seed)
    if not size or sum(map(len, grams)) < size:
        return None
    found = []
    for _ in range(draws):
        taken: list[tuple[str, ...]] = []
        for text in rng.sample(grams, len(grams)):
            taken += text
            if len(taken) >= size:
                break
        found.append(len(set(taken[:size])) / size)
    return sum(found) / draws


def nearest(instructions: Sequence[str]) -> list[float]:
    """Return the ROUGE-L F-measure (0 to 1) of each instruction to the nearest other one, or 0 if there is none."""
    index = RougeIndex()
    index.add_all(instructions, map(str, range(len(instructions))))
    found = index.nearest_all(instructions, 2)  # one of the two may be the text itself
    return [
        next((near.score for near in two if near.id != str(place)), 0.0) if len(two) > 1 else 0.0
        for place, two in enumerate(found)
    ]


def percentile(values: Sequence[float], percent: float) -> float | None:
    """Return a percentile, interpolated between two values, or None without values."""
    return float(np.percentile(values, percent)) if len(values) else None


def mean(values: Sequence[float]) -> float | None:
    """Return the mean, or None without values."""
    return float(np.mean(values)) if len(values) else None


def entropy(labels: Iterable[str], classes: int | None = None) -> float | None:
    """Return the entropy of the labels in bits: 0 if all are equal, log2(k) if k are equally frequent.

    With a number of possible `classes`, return the share (0 to 1) of the highest possible entropy. Return None without labels.
    """
    counts = Counter(labels)
    total = counts.total()
    bits = sum(count / total * math.log2(total / count) for count in counts.values())
    return (bits / math.log2(classes) if classes else bits) if total else None


def samples(size: int, rows: int, draws: int, seed: int = 0) -> list[list[int]]:
    """Return random samples of `size` places of rows. Return one sample if it has all rows, and none if there are fewer."""
    rng = random.Random(seed)
    if size >= rows:
        return [list(range(rows))] if rows == size else []
    return [sorted(rng.sample(range(rows), size)) for _ in range(draws)]


# --- topics -------------------------------------------------------------------------------------------------------------

_SURE = 5  # percentile of the seeds by nearness, below which a row has no topic


class Topics:
    """Topics of rows: the nearest domain of the seeds.

    The direction of a text is the mean of the vectors of its different tokens, weighted by their rarity among the seeds. The
    instruction counts more. A domain is the mean direction of its seeds (instruction, inputs and outputs) and of its name. The
    topic of a row is the nearest domain. A row has no topic if it is further from all domains than nearly all seeds are from
    their nearest. The measure does not know how a row was made, and does not use ROUGE-L, which steers the runs.

    Attributes:
        how: The kind of vectors.
        accuracy: Share of seeds whose domain is found by the other seeds.
        among_three: Share of seeds whose domain is among the nearest three.
        majority: Share of the most frequent domain.
    """

    def __init__(self, seeds: Sequence[Mapping[str, Any]], embedded: bool | None = None) -> None:
        texts = [_seed_row(seed) for seed in seeds]
        self.domains = sorted({str(seed["domain"]) for seed in seeds})
        self._truth = np.array([self.domains.index(str(seed["domain"])) for seed in seeds])
        there = word_vectors() is not None if embedded is None else embedded
        self.how = "word vectors (wordllama)" if there else "words (TF-IDF)"
        split = _pieces if there else _stems
        self._space = _Space(split, [text["instruction"] + "\n" + text["rest"] for text in texts], there)
        names = self._space.directions([domain.replace("_", " ") for domain in self.domains])
        self._names = _unit(names - names.mean(0))
        self._seeds = self._vectors(texts)
        self._centre = self._seeds.mean(0)
        self._domains = self._centroids(self._seeds, self._truth)
        found = [self._without(place) for place in range(len(seeds))]
        self.accuracy, self.among_three = (sum(before < limit for before, _ in found) / len(found) for limit in (1, 3))
        self.majority = max(Counter(self._truth.tolist()).values()) / len(found)
        self.least = float(np.percentile([score for _, score in found], _SURE))

    def of(self, rows: Iterable[Row]) -> list[str]:
        """Return the topic of each row, or `NO_TOPIC`."""
        texts = [{"instruction": row["instruction"], "rest": f"{row['input']}\n{row['output']}"} for row in rows]
        if not texts:
            return []
        scores = _unit(self._vectors(texts) - self._centre) @ self._domains.T
        best = scores.argmax(1)
        return [self.domains[place] if scores[row, place] >= self.least else NO_TOPIC for row, place in enumerate(best.tolist())]

    def _vectors(self, texts: Sequence[Row]) -> Vectors:
        whole = self._space.directions([f"{text['instruction']}\n{text['rest']}" for text in texts])
        return _unit(whole + 0.5 * self._space.directions([text["instruction"] for text in texts]))

    def _centroids(self, vectors: Vectors, truth: NDArray[np.int64]) -> Vectors:
        moved = _unit(vectors - vectors.mean(0))
        sums = np.stack([moved[truth == place].sum(0) for place in range(len(self.domains))])
        return _unit(sums + 2 * self._names)

    def _without(self, place: int) -> tuple[int, float]:
        """Return the number of domains that are nearer than the seed's own, by the other seeds, and the best score."""
        others = np.arange(len(self._seeds)) != place
        moved = _unit(self._seeds[place] - self._seeds[others].mean(0))
        scores = self._centroids(self._seeds[others], self._truth[others]) @ moved
        return int((scores > scores[self._truth[place]]).sum()), float(scores.max())


def topics(rows: Iterable[Row], seeds: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the nearest domain of the seeds for each row (see `Topics`)."""
    return Topics(seeds).of(rows)


def _seed_row(seed: Mapping[str, Any]) -> dict[str, str]:
    shown = seed.get("instances") or [{"input": seed.get("input", ""), "output": seed.get("output", "")}]
    return {
        "instruction": seed["instruction"],
        "rest": "\n".join(f"{instance['input']}\n{instance['output']}" for instance in shown),
    }


class _Space:
    """Directions of texts: sums over their different tokens, weighted by rarity among the texts given at the start."""

    def __init__(self, split: Callable[[str], Iterable[str]], texts: Sequence[str], embedded: bool) -> None:
        self._split = split
        self._embedded = word_vectors() if embedded else None
        counts = Counter(chain.from_iterable(set(split(text)) for text in texts))
        self._rarest = math.log(1 + len(texts))
        self._rarity = {token: math.log((1 + len(texts)) / (1 + count)) for token, count in counts.items()}
        self._places = {token: place for place, token in enumerate(sorted(counts))}

    def directions(self, texts: Sequence[str]) -> Vectors:
        """Return the directions of texts as unit vectors, one row for each text."""
        return _unit(np.stack([self._direction(sorted(set(self._split(text)))) for text in texts]))

    def _direction(self, tokens: Sequence[str]) -> Vectors:
        if self._embedded:
            weights = np.array([self._rarity.get(token, self._rarest) for token in tokens])
            return weights @ self._embedded.table[[self._embedded.ids[token] for token in tokens]] if tokens else self._none()
        found = np.zeros(len(self._places))
        for token in tokens:
            if token in self._places:
                found[self._places[token]] = self._rarity[token] ** 2
        return found

    def _none(self) -> Vectors:
        assert self._embedded
        return np.zeros(self._embedded.table.shape[1])


class _Embedded(NamedTuple):
    pieces: Any
    ids: dict[str, int]
    table: Vectors


@cache
def word_vectors() -> _Embedded | None:
    """Return the vectors in the wheel of wordllama, or None without it.

    Its code is not used, because it would look for its tokenizer on the network.
    """
    try:
        package = distribution("wordllama")
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer
    except (ImportError, PackageNotFoundError):
        return None
    (vectors,) = load_file(str(package.locate_file("wordllama/weights/l2_supercat_256.safetensors"))).values()
    pieces = Tokenizer.from_file(str(package.locate_file("wordllama/tokenizers/l2_supercat_tokenizer_config.json")))
    pieces.no_padding()
    pieces.no_truncation()
    return _Embedded(pieces, pieces.get_vocab(), vectors.astype(np.float64))


def _pieces(text: str) -> list[str]:
    embedded = word_vectors()
    assert embedded
    found: list[str] = embedded.pieces.encode(text, add_special_tokens=False).tokens
    return found


def _stems(text: str) -> list[str]:
    return [_stem(word) for word in re.findall(r"[^\W\d_]+", text.lower())]


@cache
def _stem(word: str) -> str:
    from nltk.stem.porter import PorterStemmer

    stemmed: str = PorterStemmer().stem(word)
    return stemmed


def _unit(vectors: Vectors) -> Vectors:
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return vectors / np.where(lengths, lengths, 1)


# --- verbs and their objects --------------------------------------------------------------------------------------------

_CLAUSE = re.compile(r"(?<=[.!?:;])[\s\"'”’)]+|\n+|\s[–—-]+\s")  # noqa: RUF001 (real texts have such signs)
_TOKEN = re.compile(
    r"\d+(?:[.,:/]\d+)*%?(?:-[^\W_]+)*|n't\b|'(?:s|m|re|ve|ll|d)\b|[^\W_]+?(?=n't\b)|[^\W_]+(?:[-.][^\W_]+)*|[^\w\s]|_+",
    re.IGNORECASE,
)
_LEADING = frozenset({"just", "so", "and", "then", "also", "now", "but", "hello", "hi", "hey", "ok", "okay", "well"})
_ASKING = frozenset({"can", "could", "will", "would"})
_WISHES = frozenset({"need", "want", "like"})
_NO_ORDER = frozenset(
    {"thank", "let", "say", "suppose", "imagine", "assume", "see", "note", "remember"}
)  # the request follows in another clause
_GIVING = frozenset(
    {"give", "tell", "show", "teach", "send", "write", "offer", "ask", "make", "draw", "lend", "pay", "feed", "cook"}
)
_AUXILIARY = ("VM", "VB", "VD", "VH")
_BEFORE_NOUN = ("AT0", "DPS", "DT0", "CRD", "ORD", "AJ", "NP0", "UNC", "ZZ0", "VVN", "VVG", "PNI", "PUQ")
_OF_CLAUSE = ("VM0", "VBZ", "VBB", "VBD", "VHZ", "VDZ", "VVZ")
_STARTS_NOUN = ("AT0", "DPS", "DT0", "CRD", "PNI")  # begin a noun phrase, so that the word before is a verb


class _Word(NamedTuple):
    text: str
    lemma: str
    tag: str  # of the British National Corpus (CLAWS 5)


class _Found(NamedTuple):
    """Verb of a request, with the noun that is its object, or None without such a noun."""

    pair: tuple[str, str] | None


def verb_objects(instructions: Iterable[str]) -> list[tuple[str, str] | None]:
    """Return the verb of each instruction and the noun that is its direct object, in their dictionary forms, or None.

    As in Self-Instruct's figure (Wang et al., 2022), a pair is a verb and a common noun ("write", "letter"). An instruction
    whose verb has no such noun ("explain why ...", "what is ...") has no pair. The verb is that of the first request, which is
    an imperative or a question at any place. So "I have a shop. Name three products." is about naming products. Without a
    request, it is the verb of the first sentence. In "help me write a letter", "can you write ..." and "how to write ..." it
    is "write". HanTa finds the parts of speech, and rules on their order find the pair. data/bench/methods.labels.jsonl has
    100 instructions with the right pairs.
    """
    return [_verb_object(text) for text in instructions]


@cache
def _tagger() -> Any:
    from HanTa import HanoverTagger

    return HanoverTagger.HanoverTagger("morphmodel_en.pgz")


@cache
def _can_be_verb(word: str) -> bool:
    return any(tag in ("VVB", "VVI") for tag, _ in _tagger().tag_word(word.lower()))


def _verb_object(text: str) -> tuple[str, str] | None:
    clauses = [words for clause in _CLAUSE.split(text)[:40] if (words := _words(clause[:1000]))]
    for words in clauses:
        for start in _starts(words):
            if found := _request(words[start:], start > 0):
                return found.pair
    return next((found.pair for words in clauses if (found := _statement(words))), None)


def _words(clause: str) -> list[_Word]:
    tokens = [token for token in _TOKEN.findall(clause.replace("’", "'")) if token.lower() not in ("please", "kindly")]  # noqa: RUF001 (real texts have such signs)
    return [_Word(token, lemma.lower(), tag) for token, lemma, tag in _tagger().tag_sent(tokens)] if tokens else []


def _starts(words: Sequence[_Word]) -> Iterator[int]:
    """Yield the places where a request may begin: the first one and those after a comma, without leading words."""
    for begin in [0, *(comma + 1 for comma, word in enumerate(words) if word.text == ",")]:
        place = begin
        while place < len(words) and (words[place].text.lower() in _LEADING or words[place].tag in ("ITJ", "PUQ")):
            place += 1
        if place < len(words):
            yield place


def _request(words: Sequence[_Word], later: bool) -> _Found | None:
    """Return the request of a clause, or None if it is not one. `later` says that the clause follows a comma."""
    question, first = words[-1].text == "?", words[0]
    second = words[1] if len(words) > 1 else _Word("", "", "PUN")
    if first.lemma == "how" and second.tag == "TO0":
        return _from_verb(words, 2)
    if first.text.lower() in _ASKING and second.text.lower() == "you":
        return _main_verb(words, 2)
    if first.tag in ("DTQ", "PNQ", "AVQ") or first.lemma == "how" or (first.tag == "PRP" and second.tag == "DTQ"):
        return _wh_question(words) if question or not later else None
    if first.tag.startswith(_AUXILIARY) and question:
        return _Found(None) if first.tag.startswith("VB") else _main_verb(words, 1)
    if first.lemma == "i" and (place := _wish(words)):
        return _from_verb(words, place)
    return _from_verb(words, 0) if _imperative(first, second, later) else None


def _imperative(first: _Word, second: _Word, later: bool) -> bool:
    if first.lemma in _NO_ORDER:
        return False
    if first.tag in ("VVB", "VVI"):
        return second.tag.startswith((*_BEFORE_NOUN, "NN", "PN", "AV", "PR", "CJ", "DTQ", "TO0", "PUN", "PUQ", "XX0"))
    return not later and second.tag.startswith((*_STARTS_NOUN, "PNP")) and _can_be_verb(first.text)


def _wish(words: Sequence[_Word]) -> int | None:
    """Return the place of the verb after "I would like you to", or None."""
    for place in range(1, min(5, len(words) - 2)):
        if words[place].text.lower() == "you" and words[place + 1].tag == "TO0" and words[place - 1].lemma in _WISHES:
            return place + 2
    return None


def _wh_question(words: Sequence[_Word]) -> _Found | None:
    led = words[0].tag == "PRP"  # in "in which year", the noun belongs to the preposition
    place, front = 1 + led, None
    if words[led].tag == "DTQ" or (words[led].lemma == "how" and len(words) > 1 and words[1].lemma in ("many", "much")):
        front, place = _noun_phrase(words, 1 + led)
    while place < len(words) and not words[place].tag.startswith("V"):
        place += 1
    if place == len(words):
        return None
    if words[place].tag.startswith("VV"):
        return _from_verb(words, place)
    found = None if words[place].tag.startswith("VB") else _main_verb(words, place + 1, front if not led else None)
    return found or _Found(None)


def _main_verb(words: Sequence[_Word], start: int, front: str | None = None) -> _Found | None:
    """Return the verb after an auxiliary and a subject, with the object after it or, failing that, `front`."""
    for place in range(start, len(words)):
        if words[place].tag.startswith("VB"):
            return _Found(None)
        if words[place].tag.startswith(("VV", "VD")) and words[place].tag not in ("VVG", "VVZ"):
            if words[place].tag == "VVD":  # "lay" and "put" are not in the past tense after an auxiliary
                words = [*words[:place], words[place]._replace(lemma=words[place].text.lower()), *words[place + 1 :]]
            found, after = _from_verb(words, place), words[place + 1] if place + 1 < len(words) else None
            stranded = after is not None and after.tag in ("PRP", "AVP") and place + 3 >= len(words)
            return _Found((words[place].lemma, front)) if front and not found.pair and not stranded else found
    return None


def _statement(words: Sequence[_Word]) -> _Found | None:
    """Return the verb and object of a sentence without a request, or None if it has no verb."""
    place = 0
    if words[0].tag in ("TO0", "CJS", "AVQ", "PRP"):
        place = next((at + 1 for at, word in enumerate(words) if word.text == ","), 0)
    relative = False
    while place < len(words):
        word = words[place]
        if word.tag in ("CJT", "PNQ", "DTQ"):
            relative = True
        elif word.tag.startswith(_AUXILIARY) or word.tag in ("VVB", "VVZ", "VVD"):
            while place + 1 < len(words) and words[place + 1].tag.startswith(("V", "XX0", "AV0")):
                place += 1
            while not words[place].tag.startswith("V"):
                place -= 1
            if not relative:
                return _from_verb(words, place)
            relative = False
        place += 1
    return None


def _from_verb(words: Sequence[_Word], place: int) -> _Found:
    """Return the verb at this place with the noun that is its object."""
    if place >= len(words) or words[place].tag.startswith("VB"):
        return _Found(None)
    verb = words[place].lemma
    after = place + 1
    while after < len(words) and words[after].tag in ("AVP", "AV0", "XX0", "PUQ"):
        after += 1
    if after < len(words) and words[after].tag == "PNP":
        after += 1
        if verb == "help":
            after += after < len(words) and words[after].tag == "TO0"
            if after < len(words) and words[after].tag in ("VVI", "VVB"):
                return _from_verb(words, after)
            return _Found(None)
    noun, end = _noun_phrase(words, after)
    if verb in _GIVING and words[after:end] and end < len(words) and words[end].tag.startswith((*_STARTS_NOUN, "AJ")):
        noun = _noun_phrase(words, end)[0] or noun  # in "give this one a tag", the second noun is the object
    if noun and end < len(words) and words[end].tag in _OF_CLAUSE:
        return _Found(None)  # in "ensure my business will grow", the noun is the subject of the next verb
    return _Found((verb, noun)) if noun else _Found(None)


def _noun_phrase(words: Sequence[_Word], start: int) -> tuple[str | None, int]:
    """Return the head of a noun phrase, or None if it is a name, and the place after the phrase."""
    head: str | None = None
    place = start
    while place < len(words):
        word, next_tag = words[place], words[place + 1].tag if place + 1 < len(words) else ""
        if word.tag.startswith("NN"):
            head = word.lemma
        elif word.tag == "POS" and head:
            head = None
        elif head or not (word.tag.startswith(_BEFORE_NOUN) or _joins(words, place, next_tag)):
            break
        place += 1
    return head if head and head.replace("-", "").isalpha() else None, place


def _joins(words: Sequence[_Word], place: int, next_tag: str) -> bool:
    """Say if the word is a comma or an "and" between two adjectives, or an adverb before one."""
    if words[place].tag == "AV0":
        return next_tag.startswith(("AJ", "AV0", "CRD", "DT0"))
    between = words[place].text == "," or words[place].tag == "CJC"
    return between and place > 0 and words[place - 1].tag.startswith("AJ") and next_tag.startswith(("AJ", "NN"))
