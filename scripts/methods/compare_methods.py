"""How do the methods compare? The same seeds, the same number of teacher tokens, one run each.

    .venv/bin/python scripts/methods/compare_methods.py [--tokens 100000] [--only few_shot magpie] [--seed 0]
    .venv/bin/python scripts/methods/compare_methods.py --spread   # `spread` against `uniform`, five runs each
    .venv/bin/python scripts/methods/compare_methods.py --teacher openai --base-url http://localhost:8000/v1 --model NAME

needs the extras `local` (for the embedded teacher) and `bench`. Run directories stay under --out (runs/methods): what is there
already is gone on with, or only measured again; another --tokens goes on too, another teacher needs another --out. The results
go into `methods.json`, `methods.md`, `methods.png` and `methods.spread.png` in data/bench/.

Each run is a plain `selfinstruct generate` that wants more rows than its tokens can give, so that it ends with exit status 3
when the next request might need more tokens than are left. Everything is then measured from the run directory alone, by
`diversity.py`; no method's measure knows how its rows were made.
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
NEVER_ENOUGH = 1_000_000  # rows wanted: more than any number of tokens here can give
APART = ("over_target", "unanswered")  # rules that say nothing of a candidate's quality
FEWEST = 20  # different instructions from which on a run takes part in what is compared at one size
DRAWS = 50  # random samples of that size

# What each run is: a bundled recipe or a method, and what a small teacher needs otherwise. No run ends before its tokens do.
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
SMALL: dict[str, Found] = {}  # further settings by name, for the embedded teacher
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
    parser.add_argument("--only", nargs="+", choices=[*METHODS], metavar="NAME", help=f"of {', '.join(METHODS)}")
    parser.add_argument("--tokens", type=int, default=100_000, help="of prompts and replies, for each run (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the runs' own randomness")
    parser.add_argument("--seeds", default="", help="another seed file (JSON lines; topics need a `domain` in each)")
    parser.add_argument("--documents", default="", help="for the method of that name; the seeds' own texts if left out")
    parser.add_argument("--out", type=Path, default=Path("runs/methods"), help="where the run directories are (%(default)s)")
    parser.add_argument("--into", type=Path, default=LABELS.parent, help="where the results go (data/bench)")
    parser.add_argument("--teacher", default="local", help="local, openai or scripted")
    parser.add_argument("--base-url", default="", help="of the teacher's endpoint")
    parser.add_argument("--model", default="", help="the teacher's name there, or a GGUF file")
    parser.add_argument("--spread", action="store_true", help="compare the ways of drawing seeds instead")
    parser.add_argument("--method", default=SPREAD_METHOD, choices=[*METHODS], metavar="NAME", help="for --spread (%(default)s)")
    parser.add_argument("--repeat", type=int, default=5, help="values of the run's seed, for --spread (%(default)s)")
    options = parser.parse_args()
    if not importlib.util.find_spec("matplotlib") or not importlib.util.find_spec("HanTa"):
        sys.exit("compare_methods.py needs matplotlib and HanTa: pip install 'selfinstruct[bench]'")
    return options


# --- running ------------------------------------------------------------------------------------------------------------


def generate(directory: Path, recipe: Found, flags: Sequence[str]) -> None:
    """Make the run, or go on with it, until its tokens are spent; whatever else ends it ends this script."""
    directory.parent.mkdir(parents=True, exist_ok=True)
    file = directory.with_name(directory.name + ".toml")
    file.write_text(toml(recipe), encoding="utf-8")
    command = [sys.executable, "-m", "selfinstruct", "generate", str(directory), "--recipe", str(file), *flags]
    print(" ".join(command), flush=True)
    done = subprocess.run(command, check=False, cwd=ROOT)
    if done.returncode not in (0, 3):
        sys.exit(f"{directory}: `selfinstruct generate` ended with {done.returncode}; the cause stands above")


def recipe_of(method: Found, small: Mapping[str, Any]) -> Found:
    """The whole recipe of a run: the bundled one, what the table here adds, and what holds for all."""
    recipe: Found = {}
    if name := method.get("recipe"):
        recipe = tomllib.loads((folder("prompts") / f"{name}.toml").read_text(encoding="utf-8"))
        recipe.pop("about", None)
    for more in (method.get("settings", {}), small, ALL):
        recipe = merged(recipe, more)
    return recipe


def merged(one: Mapping[str, Any], other: Mapping[str, Any]) -> Found:
    """Both, the tables in them too; where both say something, the other wins."""
    both = dict(one)
    for name, value in other.items():
        both[name] = merged(both.get(name, {}), value) if isinstance(value, Mapping) else value
    return both


def toml(table: Mapping[str, Any], path: str = "") -> str:
    """A table as TOML: texts, numbers, truths and lists of them, and tables."""
    plain = {name: value for name, value in table.items() if not isinstance(value, Mapping)}
    text = "".join(f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}\n" for name, value in plain.items())
    for name, value in table.items():
        if isinstance(value, Mapping):
            inside = f"{path}.{json.dumps(name)}" if path else json.dumps(name)
            text += f"\n[{inside}]\n{toml(value, inside)}"
    return text


def documents_of(seeds: Rows, into: Path) -> Path:
    """The texts that the seeds have, inputs and outputs, as a document for each domain: nobody's method has other material."""
    texts: dict[str, list[str]] = {}
    for seed in seeds:
        shown = seed.get("instances") or [seed]
        own = [text for one in shown for text in (one.get("input"), one.get("output")) if text]
        texts.setdefault(str(seed.get("domain") or "seeds"), []).extend(own)
    into.mkdir(parents=True, exist_ok=True)
    for domain, paragraphs in texts.items():
        (into / f"{domain}.txt").write_text("\n\n".join(paragraphs) + "\n", encoding="utf-8")
    return into


def flag(name: str) -> str:
    return "--" + name.replace("_", "-")


# --- reading ------------------------------------------------------------------------------------------------------------


def read_run(directory: Path) -> Found:
    """What a run directory says: its rows, what was dropped, and how it stands."""
    command = [sys.executable, "-m", "selfinstruct", "status", str(directory), "--json"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT)
    rejected = lines(directory / "rejected.jsonl")
    return {
        "rows": lines(directory / "dataset.jsonl"),
        "dropped": dict(Counter(one["rule"] for one in rejected).most_common()),
        "status": json.loads(done.stdout),
    }


def lines(path: Path) -> Rows:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


# --- measuring ----------------------------------------------------------------------------------------------------------


class Texts(NamedTuple):
    """A run's different instructions, each with its verb and object and its topic."""

    instructions: list[str]
    pairs: list[tuple[str, str] | None]
    topics: list[str] | None


def compare(runs: Sequence[Found], topics: Topics | None) -> Found:
    """All figures of several runs: of each as it is, and of equally many instructions of each."""
    texts = [different(run["rows"], topics) for run in runs]
    enough = [one for one in texts if len(one.instructions) >= FEWEST]
    size = min((len(one.instructions) for one in enough), default=0)
    bigrams = min((sum(map(len, diversity.ngrams(2, one.instructions))) for one in enough), default=0)
    found = []
    for run, one in zip(runs, texts, strict=True):
        whole = varied(one, range(len(one.instructions)))
        found.append(
            {
                "name": run["name"],
                "recipe": run.get("recipe", {}),
                **spent(run),
                "lengths": lengths(run["rows"]),
                "whole": {**whole, "distinct_2": diversity.distinct(2, one.instructions)},
                "sampled": at_size(one, size, bigrams) if one in enough else None,
            }
        )
    return {"size": size, "bigrams": bigrams, "draws": DRAWS, "runs": found}


def different(rows: Rows, topics: Topics | None) -> Texts:
    """What is measured of rows: of several with the same instruction (and different inputs) only the first."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        first.setdefault(row["instruction"], row)
    return Texts(list(first), diversity.verb_objects(first), topics.of(first.values()) if topics else None)


def spent(run: Found) -> Found:
    """What a run cost and what became of its candidates; what says nothing of their quality is counted apart."""
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
    """Words (by spaces), on average; of the inputs only those that there are."""
    words = {name: [len(row[name].split()) for row in rows] for name in ("instruction", "input", "output")}
    inputs = [count for count in words["input"] if count]
    means = {name: diversity.mean(words[name]) for name in ("instruction", "output")}
    return {**means, "input": diversity.mean(inputs), "with_input": len(inputs) / len(rows) if rows else None}


def varied(texts: Texts, places: Sequence[int]) -> Found:
    """The measures that depend on how many instructions there are, of these instructions."""
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
    """The same of random samples of one size, on average, and distinct-2 of equally many bigrams."""
    found = [varied(texts, places) for places in diversity.samples(size, len(texts.instructions), DRAWS)]
    means = {name: diversity.mean([one[name] for one in found if one[name] is not None]) for name in found[0]}
    return {**means, "distinct_2": diversity.distinct_of(bigrams, 2, texts.instructions, DRAWS)}


def measures(topics: Topics | None) -> Found:
    """How far the measures can be trusted: verbs and objects by labels given by hand, topics by the seeds' own domains."""
    labels = lines(LABELS)
    found = diversity.verb_objects([one["instruction"] for one in labels])
    truth = [(one["verb"], one["object"]) if one["verb"] else None for one in labels]
    both = list(zip(found, truth, strict=True))
    return {
        "verbs": {
            "labels": len(both),
            "same": sum(one == other for one, other in both),
            "pairs": sum(other is not None for _, other in both),
            "pairs_found": sum(one is not None for one, _ in both),
            "pairs_right": sum(one == other for one, other in both if other),
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
T_975 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}  # Student's, by degrees
BETTER = {"nearest_mean": -1, "nearest_p90": -1, "entropy": 1, "pairs": 1, "distinct_2": 1}  # which way is more varied


def compare_spread(options: argparse.Namespace, shared: Sequence[str], topics: Topics | None) -> Found:
    """The two ways of drawing seeds, with the same tokens and the same values of the run's seed."""
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
    """For each measure at one size: the differences spread - uniform, their mean, deviation and 95 % interval."""
    sampled = {tuple(run["name"].split()): run["sampled"] or {} for run in runs}
    seeds = sorted({seed for _, seed in sampled}, key=int)
    found = {}
    for measure, sign in BETTER.items():
        measured = {way: [sampled[way, seed].get(measure) for seed in seeds] for way in WAYS}
        values = {way: [value for value in measured[way] if value is not None] for way in WAYS}
        if values != measured:
            continue
        differences = [new - old for old, new in zip(values["uniform"], values["spread"], strict=True)]
        found[measure] = {**values, **interval(differences), "agree": sum(sign * one > 0 for one in differences)}
    return found


def interval(differences: Sequence[float]) -> Found:
    """Mean, sample standard deviation and 95 % interval of paired differences (Student's t)."""
    count, middle = len(differences), sum(differences) / len(differences)
    if count - 1 not in T_975:
        return {"differences": list(differences), "mean": middle, "deviation": None, "interval": None}
    deviation = (sum((one - middle) ** 2 for one in differences) / (count - 1)) ** 0.5
    half = T_975[count - 1] * deviation / count**0.5
    return {"differences": list(differences), "mean": middle, "deviation": deviation, "interval": [middle - half, middle + half]}


# --- writing ------------------------------------------------------------------------------------------------------------


def circumstances(options: argparse.Namespace) -> Found:
    """What the figures depend on."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "command": " ".join(["python", "scripts/methods/compare_methods.py", *sys.argv[1:]]),
        "teacher": options.teacher,
        "tokens": options.tokens,
        "seed": f"0 to {options.repeat - 1}" if options.spread else options.seed,
        "packages": {name: version(name) for name in PACKAGES if importlib.util.find_spec(name)},
    }


def write(found: Found, into: Path) -> None:
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
