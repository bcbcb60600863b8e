"""Compare the methods, with one run each, the same seeds and the same number of teacher tokens.

    .venv/bin/python scripts/methods/compare_methods.py [--tokens 100000] [--only few_shot magpie] [--seed 0]
    .venv/bin/python scripts/methods/compare_methods.py --spread   # `spread` against `uniform`, five runs each
    .venv/bin/python scripts/methods/compare_methods.py --teacher openai --base-url http://localhost:8000/v1 --model NAME

It needs the extras `local` (for the embedded teacher) and `bench`. Run directories stay under `--out`. A run that exists there is
resumed, also with more `--tokens`, or only measured again. Another teacher needs another `--out`. The results go into
`methods.json`, `methods.md`, `methods.png` and `methods.spread.png` in data/bench/.

Each run is a plain `selfinstruct generate` with more rows than its tokens can give. So it ends with exit status 3 when the next
request might exceed the token limit. `diversity.py` then measures the run directory. The measures do not depend on the method.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import diversity
from compare_report import markdown, plot, plot_spread
from diversity import NO_TOPIC, Topics

from selfinstruct.packaged import folder

Found = dict[str, Any]
Rows = list[dict[str, Any]]

ROOT = Path(__file__).resolve().parents[2]
LABELS = ROOT / "data" / "bench" / "methods.labels.jsonl"
PACKAGES = ("selfinstruct", "HanTa", "wordllama", "numpy")
NEVER_ENOUGH = 1_000_000  # rows of a run, more than its tokens can give
APART = ("over_target", "unanswered")  # rules that do not judge the quality of a candidate
FEWEST = 20  # different instructions that a run needs for the comparison at one size
DRAWS = 50  # random samples of that size

# Each run has a bundled recipe or a method. These settings keep it from ending before its tokens are spent.
ALL: Found = {"generate": {"give_up_after": 1_000_000}, "curate": {"least_acceptance": 0.0}}
METHODS: dict[str, Found] = {
    "alternating": {"settings": {"generate": {"method": "alternating"}}},
    "few_shot": {"settings": {"generate": {"method": "few_shot"}}},
    "magpie": {"recipe": "magpie"},
    "alpaca": {"recipe": "alpaca"},
    "self-instruct": {"recipe": "self-instruct"},
    "evol": {"recipe": "evol"},
    "documents": {"recipe": "documents"},
    "mixed": {"recipe": "mixed"},
}
SMALL: dict[str, Found] = {}  # more settings for the embedded teacher, by the name of the run
SPREAD_METHOD = "few_shot"


def main() -> None:
    options = arguments()
    teacher = ["--teacher", options.teacher]
    teacher += [part for name in ("base_url", "model") if (value := getattr(options, name)) for part in (flag(name), value)]
    seeds = lines(Path(options.seeds) if options.seeds else folder("seeds") / "seed_tasks.jsonl")
    topics = Topics(seeds) if all(seed.get("domain") for seed in seeds) else None
    shared = [*teacher, "--num", str(NEVER_ENOUGH), "--max-tokens", str(options.tokens)]
    shared += ["--seeds", options.seeds] if options.seeds else []
    found = (
        json.loads(options.into.joinpath("methods.json").read_text("utf-8"))
        if options.into.joinpath("methods.json").exists()
        else {}
    )
    if options.spread:
        found["spread"] = compare_spread(options, shared, topics)
    else:
        runs = []
        for name in options.only or METHODS:
            recipe = recipe_of(METHODS[name], SMALL.get(name, {}) if options.teacher == "local" else {})
            if recipe["generate"].get("method") == "documents":
                recipe["generate"]["documents"] = options.documents or str(documents_of(seeds, options.out / "seed-documents"))
            directory = options.out / name
            generate(directory, recipe, [*shared, "--seed", str(options.seed)])
            runs.append({"name": name, "recipe": recipe, **read_run(directory)})
        found["methods"] = {"made": circumstances(options), **compare(runs, topics)}
    found["measures"] = measures(topics)
    write(found, options.into)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=[*METHODS], metavar="NAME", help=f"methods to compare (all: {', '.join(METHODS)})"
    )
    parser.add_argument("--tokens", type=int, default=100_000, help="tokens of prompts and replies for each run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of the runs (%(default)s)")
    parser.add_argument("--seeds", default="", help="another seed file in JSON lines (topics need a `domain` in each)")
    parser.add_argument("--documents", default="", help="documents for the method `documents` (default: texts of the seeds)")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"), help="folder of the run directories (%(default)s)")
    parser.add_argument("--into", type=Path, default=LABELS.parent, help="folder of the results (data/bench)")
    parser.add_argument("--teacher", default="local", help="local, openai or scripted")
    parser.add_argument("--base-url", default="", help="address of the teacher's endpoint")
    parser.add_argument("--model", default="", help="name of the model at the endpoint, or a GGUF file")
    parser.add_argument("--spread", action="store_true", help="compare the seed samplings `spread` and `uniform` instead")
    parser.add_argument(
        "--method", default=SPREAD_METHOD, choices=[*METHODS], metavar="NAME", help="method for --spread (%(default)s)"
    )
    parser.add_argument("--repeat", type=int, default=5, help="number of seeds for --spread (%(default)s)")
    options = parser.parse_args()
    if not importlib.util.find_spec("matplotlib") or not importlib.util.find_spec("HanTa"):
        sys.exit("compare_methods.py: matplotlib or HanTa is missing. Fix: install 'selfinstruct[bench]' with pip.")
    return options


# --- running ------------------------------------------------------------------------------------------------------------


def generate(directory: Path, recipe: Found, flags: Sequence[str]) -> None:
    """Start or resume the run until its tokens are spent. Exit when it ends for another reason."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    file = directory.with_name(directory.name + ".toml")
    file.write_text(toml(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "selfinstruct", "generate", str(directory), "--recipe", str(file), *flags]
    print(" ".join(command), flush=True)
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode not in (0, 3):
        sys.exit(f"{directory}: `selfinstruct generate` ended with status {done.returncode}. Fix: see its message above.")


def recipe_of(method: Found, small: Mapping[str, Any]) -> Found:
    """Return the recipe of a run: the bundled one, the settings of the method, and those of all runs."""
    recipe: Found = {}
    if name := method.get("recipe"):
        recipe = tomllib.loads((folder("prompts") / f"{name}.toml").read_text(encoding="utf-8"))
        recipe.pop("about", None)
    for more in (method.get("settings", {}), small, ALL):
        recipe = merged(recipe, more)
    return recipe


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Found:
    """Return both tables merged, with the tables in them. On a conflict, the value of `other` wins."""
    both = dict(one)
    for name, value in other.items():
        both[name] = merged(both.get(name, {}), value) if isinstance(value, Mapping) else value
    return both


def toml(table: Mapping[str, Any], path: str = "") -> str:
    """Return a table as TOML. Values are texts, numbers, booleans, lists of these, and tables."""
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    text = "".join(f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in plain.items())
    for name, value in table.items():
        if isinstance(value, Mapping):
            inside = f"{path}.{json.dumps(name)}" if path else json.dumps(name)
            text += f"\n[{inside}]\n{toml(value, inside)}"
    return text


def documents_of(seeds: Rows, into: Path) -> Path:
    """Write inputs and outputs of the seeds as one document for each domain, so that all methods have the same material."""
    texts: dict[str, list[str]] = {}
    for seed in seeds:
        shown = seed.get("instances") or [seed]
        own = [text for instance in shown for text in (instance.get("input"), instance.get("output")) if text]
        texts.setdefault(str(seed.get("domain") or "seeds"), []).extend(own)
    into.mkdir(parents=True, exist_ok=True)
    for domain, paragraphs in texts.items():
        (into / f"{domain}.txt").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    return into


def flag(name: str) -> str:
    """Return the flag of an option."""
    return "--" + name.replace("_", "-")


# --- reading ------------------------------------------------------------------------------------------------------------


def read_run(directory: Path) -> Found:
    """Return the rows of a run, its rejected candidates by rule, and its status."""
    command = [sys.executable, "-m", "selfinstruct", "status", str(directory), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    rejected = lines(directory / "rejected.jsonl")
    return {
        "rows": lines(directory / "dataset.jsonl"),
        "dropped": dict(Counter(candidate["rule"] for candidate in rejected).most_common()),
        "status": json.loads(done.stdout),
    }


def lines(path: Path) -> Rows:
    """Return the objects of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


# --- measuring ----------------------------------------------------------------------------------------------------------


class Texts(NamedTuple):
    """Different instructions of a run, each with its verb and object and its topic."""

    instructions: list[str]
    pairs: list[tuple[str, str] | None]
    topics: list[str] | None


def compare(runs: Sequence[Found], topics: Topics | None) -> Found:
    """Return the figures of several runs, for each whole run and for the same number of instructions of each."""
    texts = [different(run["rows"], topics) for run in runs]
    enough = [part for part in texts if len(part.instructions) >= FEWEST]
    size = min((len(part.instructions) for part in enough), default=0)
    bigrams = min((sum(map(len, diversity.ngrams(2, part.instructions))) for part in enough), default=0)
    found = []
    for run, part in zip(runs, texts, strict=True):
        whole = varied(part, range(len(part.instructions)))
        found.append(
            {
                "name": run["name"],
                "recipe": run.get("recipe", {}),
                **spent(run),
                "lengths": lengths(run["rows"]),
                "whole": {**whole, "distinct_2": diversity.distinct(2, part.instructions)},
                "sampled": at_size(part, size, bigrams) if part in enough else None,
            }
        )
    return {"size": size, "bigrams": bigrams, "draws": DRAWS, "runs": found}


def different(rows: Rows, topics: Topics | None) -> Texts:
    """Return the different instructions of rows. Of several rows with one instruction, only the first counts."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["instruction"], row)
    return Texts(list(first), diversity.verb_objects(first), topics.of(first.values()) if topics else None)


def spent(run: Found) -> Found:
    """Return the cost of a run and the decisions on its candidates. The rules of `APART` are counted separately."""
    status, dropped, rows = run["status"], run["dropped"], len(run["rows"])
    tokens = status["tokens"]["prompt"] + status["tokens"]["completion"]
    judged = rows + sum(count for rule, count in dropped.items() if rule not in APART)
    return {
        "tokens": tokens,
        "prompt_tokens": status["tokens"]["prompt"],
        "completion_tokens": status["tokens"]["completion"],
        "tokens_not_counted": status["tokens"]["lost_at_most"],
        "replies_without_a_count": status["tokens"]["replies_without_a_count"],
        "requests": status["requests"]["answered"],
        "seconds": status["seconds"],
        "model": status["model"],
        "candidates": rows + sum(dropped.values()),
        "judged": judged,
        "rows": rows,
        "dropped": {rule: count for rule, count in dropped.items() if rule not in APART},
        "apart": {rule: dropped[rule] for rule in APART if rule in dropped},
        "acceptance": rows / judged if judged else None,
        "rows_per_1000_tokens": 1000 * rows / tokens if tokens else None,
        "ended": status["next"],
    }


def lengths(rows: Rows) -> Found:
    """Return the mean numbers of words, split at spaces. Empty inputs do not count."""
    words = {name: [len(row[name].split()) for row in rows] for name in ("instruction", "input", "output")}
    inputs = [count for count in words["input"] if count]
    means = {name: diversity.mean(words[name]) for name in ("instruction", "output")}
    return {**means, "input": diversity.mean(inputs), "with_input": len(inputs) / len(rows) if rows else None}


def varied(texts: Texts, places: Sequence[int]) -> Found:
    """Return the measures that depend on the number of instructions, for those at `places`."""
    near = diversity.nearest([texts.instructions[place] for place in places])
    pairs = [pair for place in places if (pair := texts.pairs[place])]
    found = {
        "instructions": len(places),
        "pairs": len(set(pairs)),
        "with_pair": len(pairs) / len(places) if places else None,
        "nearest_mean": diversity.mean(near),
        "nearest_p90": diversity.percentile(near, 90),
    }
    if texts.topics is not None:
        named = [topic for place in places if (topic := texts.topics[place]) != NO_TOPIC]
        found["entropy"] = diversity.entropy(named)
        found["topics"] = len(set(named))
        found["without_topic"] = 1 - len(named) / len(places) if places else None
    return found


def at_size(texts: Texts, size: int, bigrams: int) -> Found:
    """Return the means of `varied` over random samples of `size` instructions, and distinct-2 of `bigrams` bigrams."""
    found = [varied(texts, places) for places in diversity.samples(size, len(texts.instructions), DRAWS)]
    means = {name: diversity.mean([sample[name] for sample in found if sample[name] is not None]) for name in found[0]}
    return {**means, "distinct_2": diversity.distinct_of(bigrams, 2, texts.instructions, DRAWS)}


def measures(topics: Topics | None) -> Found:
    """Return the accuracy of the measures: verbs and objects by hand-made labels, topics by the domains of the seeds."""
    labels = lines(LABELS)
    found = diversity.verb_objects([label["instruction"] for label in labels])
    truth = [(label["verb"], label["object"]) if label["verb"] else None for label in labels]
    both = list(zip(found, truth, strict=True))
    return {
        "verbs": {
            "labels": len(both),
            "same": sum(pair == right for pair, right in both),
            "pairs": sum(right is not None for _, right in both),
            "pairs_found": sum(pair is not None for pair, _ in both),
            "pairs_right": sum(pair == right for pair, right in both if right),
        },
        "topics": topics
        and {
            "how": topics.how,
            "domains": len(topics.domains),
            "accuracy": topics.accuracy,
            "among_three": topics.among_three,
            "majority": topics.majority,
        },
    }


# --- spread against uniform ---------------------------------------------------------------------------------------------

WAYS = ("uniform", "spread")
T_975 = {
    1: 12.706,
    2: 4.303,
    3: 3.182,
    4: 2.776,
    5: 2.571,
    6: 2.447,
    7: 2.365,
    8: 2.306,
    9: 2.262,
}  # Student's t by degrees of freedom
BETTER = {"nearest_mean": -1, "nearest_p90": -1, "entropy": 1, "pairs": 1, "distinct_2": 1}  # sign of the more varied direction


def compare_spread(options: argparse.Namespace, shared: Sequence[str], topics: Topics | None) -> Found:
    """Compare the seed samplings `spread` and `uniform`, with the same tokens and the same seeds of the runs."""
    runs = []
    for seed in range(options.repeat):
        for way in WAYS:
            recipe = recipe_of(METHODS[options.method], SMALL.get(options.method, {}) if options.teacher == "local" else {})
            recipe = merged(recipe, {"generate": {"seed_sampling": way}})
            directory = options.out / f"{way}-{options.method}-{seed}"
            generate(directory, recipe, [*shared, "--seed", str(seed)])
            runs.append({"name": f"{way} {seed}", "recipe": recipe, **read_run(directory)})
    compared = compare(runs, topics)
    return {"made": circumstances(options), "method": options.method, **compared, "paired": paired(compared["runs"])}


def paired(runs: Sequence[Found]) -> Found:
    """Return the differences spread - uniform of each measure at one size, with mean, deviation and 95 % interval."""
    sampled = {tuple(run["name"].split()): run["sampled"] or {} for run in runs}
    seeds = sorted({seed for _, seed in sampled}, key=int)
    found = {}
    for measure, sign in BETTER.items():
        measured = {way: [sampled[way, seed].get(measure) for seed in seeds] for way in WAYS}
        values = {way: [value for value in measured[way] if value is not None] for way in WAYS}
        if values != measured:
            continue
        differences = [new - old for old, new in zip(values["uniform"], values["spread"], strict=True)]
        found[measure] = {**values, **interval(differences), "agree": sum(sign * difference > 0 for difference in differences)}
    return found


def interval(differences: Sequence[float]) -> Found:
    """Return mean, sample standard deviation and 95 % interval of paired differences, by Student's t."""
    count, middle = len(differences), sum(differences) / len(differences)
    if count - 1 not in T_975:
        return {"differences": list(differences), "mean": middle, "deviation": None, "interval": None}
    deviation = (sum((difference - middle) ** 2 for difference in differences) / (count - 1)) ** 0.5
    half = T_975[count - 1] * deviation / count**0.5
    return {"differences": list(differences), "mean": middle, "deviation": deviation, "interval": [middle - half, middle + half]}


# --- writing ------------------------------------------------------------------------------------------------------------


def circumstances(options: argparse.Namespace) -> Found:
    """Return the command, the teacher and the packages, on which the figures depend."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "scripts/methods/compare_methods.py", *sys.argv[1:]]),
        "teacher": options.teacher,
        "tokens": options.tokens,
        "seed": f"0 to {options.repeat - 1}" if options.spread else options.seed,
        "packages": {name: version(name) for name in PACKAGES if importlib.util.find_spec(name)},
    }


def write(found: Found, into: Path) -> None:
    """Write the results as JSON, Markdown and plots."""
    into.mkdir(parents=True, exist_ok=True)
    (into / "methods.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (into / "methods.md").write_text(markdown(found), encoding="utf-8")
    if "methods" in found:
        plot(found, into / "methods.png")
    if "spread" in found:
        plot_spread(found, into / "methods.spread.png")
    print(f"\n{markdown(found)}")


if __name__ == "__main__":
    main()
