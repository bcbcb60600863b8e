"""The laws for every method and every way to steer one: any concurrency, a torn journal, a killed process."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from command_line import command, derived, rows
from fake_openai import FakeOpenAI

import selfinstruct as si

DOCUMENTS = {
    "bees.md": "# Bees\n\nA colony of bees has one queen and, in summer, forty thousand workers that live for six weeks.\n\n"
    "## Honey\n\nBees make honey of nectar: they fan it dry until only a fifth of it is water, then seal each cell.\n",
    "bread.txt": "Dough rises because yeast turns sugar into gas, which the gluten of the flour holds in small bubbles.\n\n"
    "Rye has little gluten, so its bread stays flat unless a sour starter keeps the starch from turning to glue.\n",
}
TOPICS = '{"topic": "bees", "quota": 3}\n{"topic": "bread", "quota": 1, "about": "bread and dough"}\n{"topic": "boats"}\n'
SEEDED = {"send_seed": True}  # the same prompt again gives another reply
# Settings of `Run`. {place} is a folder with the files that they need.
WAYS: dict[str, dict[str, Any]] = {
    "alpaca": {"recipe": "alpaca"},
    "alpaca with its own tasks": {"recipe": "alpaca", "options": {"generated_per_request": 2, "tasks_per_request": 8}, "lag": 4},
    "few_shot with its own tasks": {"method": "few_shot", "options": {"generated_per_request": 3}, "lag": 8},
    "self-instruct": {"recipe": "self-instruct", "options": {"tasks_per_request": 11}, "lag": 4},
    "evol": {"recipe": "evol"},
    "evol of a file": {"recipe": "evol", "source": "{place}/tasks.jsonl", "options": {"judge": "none", "rounds": 3}},
    "magpie": {"recipe": "magpie"},
    "alternating": {"method": "alternating", **SEEDED},
    "documents": {"recipe": "documents", "documents": "{place}/documents", "passage_words": 20, **SEEDED},
    "mixed": {"recipe": "mixed", "lag": 4},
    "spread": {"method": "few_shot", "seed_sampling": "spread", "lag": 8},
    "topics": {"method": "few_shot", "topics": "{place}/topics.jsonl", "lag": 8, "domain": "food and animals"},
    "languages": {"method": "alpaca", "languages": {"sw": 2.0, "en": 1.0}},
    "two teachers": {
        "method": "few_shot",
        "teachers": {"big": {"model": "m", "solve": 0.5}, "small": {"model": "n", "propose": 3}},
    },
}
FEW_REQUESTS = ("alpaca", "alpaca with its own tasks", "languages")  # ways whose replies have many tasks


def settings(way: str, place: Path, teacher: FakeOpenAI) -> dict[str, Any]:
    """Return the settings of a way to make a run. Write the files that they need into a folder."""
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "documents").exists():
        (place / "documents").mkdir()
        for name, text in DOCUMENTS.items():
            (place / "documents" / name).write_text(text)
        (place / "topics.jsonl").write_text(TOPICS)
        tasks = [{"instruction": f"Say what number {n} is good for in a kitchen.", "input": "", "output": "?"} for n in range(40)]
        (place / "tasks.jsonl").write_text("".join(json.dumps(task) + "\n" for task in tasks))
    given = json.loads(json.dumps(WAYS[way]).replace("{place}", str(place)))
    if "teachers" in given:
        for one in given["teachers"].values():
            one["base_url"] = teacher.url
        return dict(given)
    return {"base_url": teacher.url, "model": "m", **given}


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_any_concurrency_and_a_rebuild_give_the_same_bytes(
    way: str, start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    teacher = start_teacher(latency=0.02)
    found = []
    for concurrency in (1, 7, 50):
        run = si.Run(tmp_path / str(concurrency), num=40, concurrency=concurrency, **settings(way, tmp_path / "given", teacher))
        dataset = run.generate()
        assert len(dataset.rows) == 40, run.shortfall(dataset)
        found.append(derived(run.path))
        assert si.Run(run.path).files() == found[-1]
    assert found[0] == found[1] == found[2]
    journal, requests = (tmp_path / "7" / "journal.jsonl").read_bytes(), len(teacher.requests())
    assert si.Run(tmp_path / "7", concurrency=50).generate().complete
    assert len(teacher.requests()) == requests, "a complete run sends nothing"
    assert (tmp_path / "7" / "journal.jsonl").read_bytes() == journal
    kept = [row["candidate"] for row in rows(tmp_path / "7" / "provenance.jsonl")]
    dropped = [row["candidate"] for row in rows(tmp_path / "7" / "rejected.jsonl")]
    assert len(set(kept + dropped)) == len(kept) + len(dropped), "a candidate with two verdicts"


def keys(journal: bytes) -> Counter[str]:
    """Count the outcomes of each request in a journal. Torn lines are skipped."""
    found: Counter[str] = Counter()
    for line in journal.split(b"\n"):
        with suppress(ValueError):
            fields = json.loads(line)
            found[fields["key"]] += fields["kind"] in ("reply", "failure")
    return +found


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_torn_journal_is_resumed_to_the_same_bytes_and_no_saved_reply_is_asked_again(
    way: str, teacher: FakeOpenAI, tmp_path: Path
) -> None:
    given = settings(way, tmp_path / "given", teacher)
    whole = si.Run(tmp_path / "whole", num=12, **given)
    assert whole.generate().complete
    expected, journal = derived(whole.path), (whole.path / "journal.jsonl").read_bytes()
    ends = [place + 1 for place, byte in enumerate(journal) if byte == 10]
    rng = random.Random(way)
    lengths = sorted({0, *rng.sample(ends, min(6, len(ends))), *(rng.randrange(len(journal)) for _ in range(6))})
    for length in lengths:
        torn = tmp_path / f"torn-{length}"
        torn.mkdir()
        for file in whole.path.iterdir():
            if file.name not in expected:
                (torn / file.name).write_bytes(file.read_bytes())
        (torn / "journal.jsonl").write_bytes(journal[:length])
        saved = keys(journal[:length])
        before = sum(teacher.asked().values())
        si.Run(torn, concurrency=3).generate()
        assert derived(torn) == expected, f"torn to {length} bytes"
        asked = sum(teacher.asked().values()) - before
        after = keys((torn / "journal.jsonl").read_bytes())
        assert max(after.values()) == 1 and asked == (after - saved).total(), "a request whose reply was saved was asked again"


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_killed_run_is_resumed_to_the_same_bytes(way: str, start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    # The server stops answering after so many requests, until the run is killed, so that the run cannot end before.
    calm, rough = start_teacher(), start_teacher(stall=(1, 0) if way in FEW_REQUESTS else (4, 3))
    assert si.Run(tmp_path / "calm", num=25, **settings(way, tmp_path / "given", calm)).generate().complete
    given = settings(way, tmp_path / "given", rough)
    recipe = given.pop("recipe", "")
    arguments = f"{str(tmp_path / 'rough')!r}, {recipe or None!r}, num=25, concurrency=4, **{given!r}"
    code = f"import selfinstruct as si; si.Run({arguments}).generate()"
    for killed in range(2):
        process = subprocess.Popen([*command()[:1], "-c", code], stderr=subprocess.PIPE)
        while rough.stalls() <= killed:
            assert process.poll() is None, f"the run ended before it could be killed: {process.communicate()[1]!r}"
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    done = subprocess.run([*command()[:1], "-c", code], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert derived(tmp_path / "rough") == derived(tmp_path / "calm")
    found = keys((tmp_path / "rough" / "journal.jsonl").read_bytes())
    assert set(found.values()) == {1}, "a request whose reply was saved was asked again"
