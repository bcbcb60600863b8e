"""Further questions of `bench_rouge.py`: single calls to the index, its first use, and adversarial inputs.

    .venv/bin/python scripts/bench/rouge_cases.py NAME '{"texts": "texts.jsonl", "most": 80000, "rows": 52000, "limit": 60}'

This command measures one question in its process and prints one JSON line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from random import Random
from typing import Any

from rouge_contenders import peak, read

_SINGLE = 2_000  # texts admitted one by one
_MEANS = 50
_LENGTH = 200  # tokens of an adversarial row
_CHUNK = 1_024  # adversarial rows between two looks at the clock

Found = dict[str, Any]

_FIRST_USE = """
import time
begun = time.perf_counter()
from selfinstruct.rouge import RougeIndex
imported = time.perf_counter()
index = RougeIndex()
index.admit("Name three kinds of bread and say where each is baked.")
first = time.perf_counter()
index.admit("How long does a letter take from Lima to Cusco?")
second = time.perf_counter()
print(imported - begun, first - imported, second - first)
"""


def single(texts: list[str], rows: int, limit: float) -> Found:
    """Measure the seconds of one admission into a pool of `rows` kept texts."""
    from selfinstruct.rouge import RougeIndex

    index = RougeIndex()
    left = iter(texts)
    while len(index) < rows:  # each text adds at most one row, so the pool cannot grow beyond `rows`
        index.admit_all([text for text, _ in zip(left, range(rows - len(index)), strict=False)])
    times = []
    for text, _ in zip(left, range(_SINGLE), strict=False):
        begun = time.perf_counter()
        index.admit(text)
        times.append(time.perf_counter() - begun)
    times.sort()
    p50, p99 = (times[(len(times) - 1) * percent // 100] for percent in (50, 99))
    return {"pool": rows, "admissions": len(times), "p50": p50, "p99": p99, "max": times[-1]}


def nearest(texts: list[str], rows: int, limit: float) -> Found:
    """Measure the search for the ten nearest earlier texts of each text in the pool."""
    from selfinstruct.rouge import RougeIndex

    index = RougeIndex()
    begun = time.perf_counter()
    index.add_all(texts[:rows])
    added = time.perf_counter()
    neighbours = sum(map(len, index.nearest_earlier([str(place) for place in range(len(index))], 10)))
    return {"rows": len(index), "adding": added - begun, "seconds": time.perf_counter() - added, "neighbours": neighbours}


def mean(texts: list[str], rows: int, limit: float) -> Found:
    """Measure the mean similarity of one text to the whole pool, which Alpaca wrote for each row."""
    from selfinstruct.rouge import RougeIndex

    index = RougeIndex()
    index.add_all(texts[:rows])
    sample = Random(0).sample(texts[:rows], min(_MEANS, rows))
    begun = time.perf_counter()
    for text in sample:
        index.mean(text)
    return {"pool": len(index), "texts": len(sample), "seconds": (time.perf_counter() - begun) / len(sample)}


def first_use(texts: list[str], rows: int, limit: float) -> Found:
    """Measure a new process that imports the package and admits a text, with an empty bytecode cache and with a full one."""
    with tempfile.TemporaryDirectory() as cache:
        nothing, fresh, later = (_timed(cache, program) for program in ("print(0)", _FIRST_USE, _FIRST_USE))
    return {"python_alone": nothing["process"], "fresh": fresh, "later": later}


def _timed(cache: str, program: str) -> dict[str, float]:
    begun = time.perf_counter()
    command = [sys.executable, "-X", f"pycache_prefix={cache}", "-c", program]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    took = time.perf_counter() - begun
    return {"process": took, **dict(zip(("importing", "first", "second"), map(float, done.stdout.split()), strict=False))}


def adversarial(texts: list[str], rows: int, limit: float, make: Callable[[int], Iterator[str]]) -> Found:
    """Measure a growing pool on adversarial rows, until the time limit."""
    from selfinstruct.rouge import RougeIndex

    index = RougeIndex()
    hard = list(make(rows))
    before, begun, done = peak(), time.perf_counter(), 0
    while done < len(hard) and time.perf_counter() - begun < limit:
        index.admit_all(hard[done : done + _CHUNK])
        done = min(len(hard), done + _CHUNK)
    found: Found = {"rows": done, "wanted": len(hard), "seconds": time.perf_counter() - begun, "kept": len(index)}
    if index.engine == "compiled":
        found |= {"counters": index._pool.counters, "pool_bytes": index._pool.bytes}  # type: ignore[attr-defined]
    return found | {"peak_bytes": peak(), "before_bytes": before}


def one_changed(rows: int) -> Iterator[str]:
    """Yield a template of 200 tokens with one changed. All but the first are dropped."""
    random, template = Random(0), _template()
    for row in range(rows):
        words = list(template)
        words[random.randrange(_LENGTH)] = f"own{row}"
        yield " ".join(words)


def just_under(rows: int, own: int) -> Iterator[str]:
    """Yield a template with 31 % of its words replaced by words drawn from `own` kinds, or by unique ones if 0.

    Nearly all rows are kept.
    """
    random, template = Random(0), _template()
    places = random.sample(range(_LENGTH), _LENGTH * 31 // 100)
    for row in range(rows):
        words = list(template)
        for number, place in enumerate(places):
            words[place] = f"own{random.randrange(own) if own else row * _LENGTH + number}"
        yield " ".join(words)


def permuted(rows: int) -> Iterator[str]:
    """Yield 200 tokens in a new order each time, which defeats filters that look at the set of tokens."""
    random, words = Random(0), _template()
    for _ in range(rows):
        random.shuffle(words)
        yield " ".join(words)


def equal(rows: int) -> Iterator[str]:
    """Return one text of 200 tokens, repeated."""
    return (" ".join(_template()) for _ in range(rows))


def one_token(rows: int) -> Iterator[str]:
    """Return rows of one unique token. All are kept."""
    return (f"own{row}" for row in range(rows))


def two_tokens(rows: int) -> Iterator[str]:
    """Return rows of one shared token and one unique token. All are kept."""
    return (f"the own{row}" for row in range(rows))


def few_words(rows: int) -> Iterator[str]:
    """Return rows of 12 tokens drawn from 100 words. No token is rare, so none helps to find near texts."""
    random = Random(0)
    return (" ".join(f"word{random.randrange(100)}" for _ in range(12)) for _ in range(rows))


def enormous(rows: int) -> Iterator[str]:
    """Yield rows of 10,000 tokens drawn from 1,000 words, some far more often than others. All are kept."""
    random = Random(0)
    for _ in range(rows):
        yield " ".join(f"word{int(1000 * random.random() ** 3)}" for _ in range(10_000))


def _template() -> list[str]:
    return [f"word{number}" for number in range(_LENGTH)]


HARD: dict[str, tuple[Callable[[int], Iterator[str]], int]] = {  # a generator and its number of rows
    "200 tokens, one changed": (one_changed, 52_000),
    "200 tokens, all equal": (equal, 52_000),
    "200 tokens, 31 % of the row's own (unique words)": (partial(just_under, own=0), 52_000),
    "200 tokens, 31 % of the row's own (of 2,000 words)": (partial(just_under, own=2_000), 10_000),
    "the same 200 tokens in another order": (permuted, 10_000),
    "one token each": (one_token, 52_000),
    "two tokens, one shared by all": (two_tokens, 52_000),
    "12 tokens of 100 words": (few_words, 52_000),
    "10,000 tokens each": (enormous, 200),
}
CASES: dict[str, Callable[[list[str], int, float], Found]] = {
    "single": single,
    "nearest": nearest,
    "mean": mean,
    "first_use": first_use,
    **{name: partial(adversarial, make=make) for name, (make, _) in HARD.items()},
}


def measure(name: str, options: Found) -> Found:
    """Measure one question. Use a separate process for figures to report."""
    texts = read(options["texts"], options["most"]) if "texts" in options else []
    before = peak()
    found = {"before_bytes": before, **CASES[name](texts, options["rows"], options["limit"])}
    return {"peak_bytes": peak(), **found}


if __name__ == "__main__":
    print(json.dumps(measure(sys.argv[1], json.loads(sys.argv[2]))))
