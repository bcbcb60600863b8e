"""Teachers over real HTTP: which faults are retried, stop the run or are recorded, and that no key leaks."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from command_line import cli, derived, outcomes, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.errors import RecipeError, TeacherStop
from selfinstruct.recipe import loading
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Reply, Request
from selfinstruct.teachers import local, openai

MARKER = "sk-marker-3f9a1c77"


def generate(directory: Path, teacher: FakeOpenAI, model: str, *flags: object, **environment: str) -> tuple[int, str]:
    done = cli("generate", directory, "--base-url", teacher.url, "--model", model, "--num", 40, *flags, **environment)
    assert "Traceback" not in done.stderr
    return done.returncode, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "status", "says"),
    [
        ("bad-key", 1, "refuses the API key (HTTP 401: Incorrect API key provided). Fix: set SELFINSTRUCT_API_KEY"),
        ("no-credit", 1, "is used up (You exceeded your current quota). Fix: add credit"),
        ("unknown", 1, "does not know the model 'unknown'"),
        ("refuses-all", 1, "the first 8 replies were refused (the last one: 'HTTP 400"),
        ("down", 4, "The teacher gave no answer for 1 s"),
        ("empty", 4, "sent no completion"),
        ("rambling", 3, "the first 8 replies have no task that can be read (one begins 'Sure!')"),
    ],
)
def test_a_teacher_that_cannot_answer_ends_the_run_with_one_sentence(
    model: str, status: int, says: str, teacher: FakeOpenAI, tmp_path: Path
) -> None:
    code, said = generate(tmp_path / "run", teacher, model, "--patience", 1)
    assert code == status, said
    assert says in said


@pytest.mark.slow
@pytest.mark.parametrize("model", ["bad-key", "no-credit", "unknown"])
def test_faults_that_no_retry_can_correct_are_not_retried(model: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    generate(tmp_path / "run", teacher, model, "--concurrency", 1)
    assert sum(teacher.asked().values()) == 1


@pytest.mark.slow
def test_transient_faults_are_retried_and_change_no_row(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "run", teacher, "faulty", "--concurrency", 20, "--num", 200)[0] == 0
    attempts = [entry["attempts"] for entry in outcomes(tmp_path / "run")]
    assert set(attempts) == {1, 2}
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 200
    again = tmp_path / "again"  # by now the server has seen each request, and answers at once
    assert generate(again, teacher, "faulty", "--concurrency", 1, "--num", 200)[0] == 0
    assert derived(again) == derived(tmp_path / "run")


@pytest.mark.slow
def test_a_refused_request_is_recorded_counted_and_not_asked_again(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert generate(run, teacher, "refuses-some", "--num", 200)[0] == 0
    failures = [entry for entry in outcomes(run) if entry["kind"] == "failure"]
    assert failures
    assert {(entry["cause"], entry["status"]) for entry in failures} == {("content_policy", 400)}
    refused = [row["candidate"] for row in rows(run / "rejected.jsonl") if row["rule"] == "request_refused"]
    used = {f"{entry['key']}#0" for entry in failures}
    assert set(refused) <= used
    assert refused
    before = sum(teacher.asked().values())
    assert generate(run, teacher, "refuses-some", "--num", 200)[0] == 0
    assert sum(teacher.asked().values()) == before


@pytest.mark.slow
def test_a_wrong_model_can_be_changed_only_before_the_first_reply(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "run", teacher, "unknown")[0] == 1
    assert generate(tmp_path / "run", teacher, "m")[0] == 0
    code, said = generate(tmp_path / "run", teacher, "other")
    assert code == 2
    assert "model: 'm' -> 'other'" in said


@pytest.mark.slow
def test_a_corrected_model_keeps_all_other_settings(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "run", teacher, "unknown", "--temperature", 0.3, "--num", 25)[0] == 1
    assert cli("generate", tmp_path / "run", "--model", "m").returncode == 0
    run = si.Run(tmp_path / "run")
    assert (run.recipe.generate.temperature, run.recipe.generate.model, run.recipe.curate.num) == (0.3, "m", 25)
    assert run.recipe.generate.base_url == teacher.url


@pytest.mark.slow
def test_an_outage_stops_the_run_which_resumes_afterwards(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    calm, dying = start_teacher(), start_teacher(latency=0.05, outage=(10, 60))
    flags = ("--num", 300, "--concurrency", 8, "--patience", 1)
    assert generate(tmp_path / "calm", calm, "m", *flags)[0] == 0
    code, said = generate(tmp_path / "run", dying, "m", *flags)
    assert code == 4
    assert (
        f"{urlsplit(dying.url).netloc} answered HTTP 503 (gone). The teacher gave no answer for 1 s. Fix: run the same command"
        in said
    )
    assert {entry["kind"] for entry in outcomes(tmp_path / "run")} == {"reply"}
    for _ in range(60):  # each try uses up some of the outage
        code, _ = generate(tmp_path / "run", dying, "m", *flags)
        if code == 0:
            break
        assert code == 4
    assert derived(tmp_path / "run") == derived(tmp_path / "calm")


@pytest.mark.slow
def test_a_rate_limit_longer_than_the_patience_records_no_failure(teacher: FakeOpenAI, tmp_path: Path) -> None:
    code, said = generate(tmp_path / "run", teacher, "limited", "--patience", 1)
    assert code in (0, 4), said  # the last attempt is made when the patience ends, whatever the server asks
    assert not [entry for entry in outcomes(tmp_path / "run") if entry["kind"] == "failure"]
    assert generate(tmp_path / "run", teacher, "limited", "--patience", 1)[0] == 0


@pytest.mark.slow
def test_a_strange_side_field_does_not_cost_the_reply(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "run", teacher, "odd-fields", "--num", 60)[0] == 0
    assert max(teacher.asked().values()) == 1
    assert {entry["usage"] for entry in outcomes(tmp_path / "run")} == {None}
    assert all(str(row["time"]).startswith("20") for row in rows(tmp_path / "run" / "provenance.jsonl"))


@pytest.mark.slow
def test_the_key_is_sent_but_is_in_no_file_or_message(teacher: FakeOpenAI, tmp_path: Path) -> None:
    for model in ("m", "faulty", "bad-key", "unknown"):
        _, said = generate(tmp_path / model, teacher, model, OPENAI_API_KEY=MARKER)
        assert MARKER not in said
    assert {line["key"] for line in rows(teacher.log)} == {MARKER[-4:]}
    for path in tmp_path.rglob("*"):
        if path.is_file():
            assert MARKER.encode() not in path.read_bytes(), path


def test_a_key_that_a_provider_repeats_is_removed() -> None:
    teacher = openai.OpenAI("http://localhost:1/v1", "m", MARKER, 1.0)
    assert teacher._safe(f"Incorrect key {MARKER} given") == "Incorrect key [key] given"


@pytest.mark.slow
def test_an_unreachable_endpoint_ends_the_run_with_one_sentence(tmp_path: Path) -> None:
    url = "http://127.0.0.1:9/v1"  # the discard port: nothing listens
    done = cli("generate", tmp_path / "run", "--base-url", url, "--model", "m", "--patience", 1)
    assert done.returncode == 4
    assert "no connection to 127.0.0.1:9 (Connection refused). The teacher gave no answer for 1 s. " in done.stderr
    assert "Fix: start the server or check --base-url, then run the same command again.\n" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_public_endpoint_needs_a_key() -> None:
    with pytest.raises(TeacherStop, match=r"no API key for api\.openai\.com"):
        openai.openai(Generate(model="m"))
    for address in ("localhost:8000", "http://localhost:99999/v1", "http://[::1/v1", "ftp://host/v1"):
        with pytest.raises(RecipeError, match=r"base_url: is not an http\(s\) address"):
            loading.parse({"generate": {"base_url": address}}, "settings")
    with pytest.raises(RecipeError, match="needs a model"):
        openai.openai(Generate(base_url="http://localhost:8000/v1"))


def test_openai_gets_the_newer_name_of_max_tokens() -> None:
    from selfinstruct.records import Request

    request = Request({"max_tokens": 5, "seed": 1, "repeat_penalty": 1.1}, messages=({"role": "user", "content": "x"},))
    there = openai.OpenAI("https://api.openai.com/v1", "m", "k", 1.0).body(request)
    here = openai.OpenAI("http://localhost:1/v1", "m", "k", 1.0).body(request)
    rest = {"model": "m", "messages": [{"role": "user", "content": "x"}], "seed": 1, "repeat_penalty": 1.1}
    assert there == {**rest, "max_completion_tokens": 5}
    assert here == {**rest, "max_tokens": 5}


@pytest.mark.slow
def test_a_journal_can_be_used_as_a_script(teacher: FakeOpenAI, tmp_path: Path) -> None:
    assert generate(tmp_path / "run", teacher, "m")[0] == 0
    journal = tmp_path / "run" / "journal.jsonl"
    asked = sum(teacher.asked().values())
    again = cli("generate", tmp_path / "again", "--teacher", "scripted", "--model", journal, "--num", 40)
    assert again.returncode == 0, again.stderr
    assert sum(teacher.asked().values()) == asked
    assert derived(tmp_path / "again")["dataset.jsonl"] == derived(tmp_path / "run")["dataset.jsonl"]


@pytest.mark.slow
def test_a_script_without_the_needed_reply_is_an_error(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    script.write_text('{"key": "0", "text": "nothing"}\n')
    done = cli("generate", tmp_path / "run", "--teacher", "scripted", "--model", script)
    assert done.returncode == 1
    assert "no reply for request '1'" in done.stderr
    script.write_text('{"key": "0"}\n')
    done = cli("generate", tmp_path / "other", "--teacher", "scripted", "--model", script)
    assert f"{script}:1: a line of a script" in done.stderr


@pytest.mark.slow
def test_the_embedded_teacher_writes_rows_and_resumes(tmp_path: Path) -> None:
    first = cli("generate", tmp_path / "run", "--num", 3)
    assert first.returncode == 0, first.stderr
    assert "no API key and no --teacher: using the embedded teacher" in first.stderr
    replies = outcomes(tmp_path / "run")
    assert all(reply["model"] and reply["usage"] for reply in replies)
    assert {reply["host"] for reply in replies} == {"127.0.0.1"}
    more = cli("generate", tmp_path / "run", "--num", 4)
    assert more.returncode == 0, more.stderr
    assert outcomes(tmp_path / "run")[: len(replies)] == replies
    assert len(rows(tmp_path / "run" / "dataset.jsonl")) == 4
    before = derived(tmp_path / "run")
    assert cli("build", tmp_path / "run").returncode == 0
    assert derived(tmp_path / "run") == before


@pytest.mark.slow
def test_missing_weights_end_with_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RecipeError, match="no such GGUF file"):
        local.weights(str(tmp_path / "none.gguf"))
    with pytest.raises(RecipeError, match="hf:OWNER/REPOSITORY"):
        local.weights("hf:model.gguf")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF but not really")
    done = cli("generate", tmp_path / "run", "--model", broken)
    assert done.returncode == 1
    assert "llama.cpp cannot serve this model" in done.stderr
    assert "Traceback" not in done.stderr
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    done = cli("generate", tmp_path / "hub-run", "--model", "hf:owner/repository/file.gguf", **os.environ)
    assert done.returncode == 1
    assert "cannot be fetched" in done.stderr


def test_weights_are_found_in_the_hub_cache(tmp_path: Path) -> None:
    """A file in the cache of huggingface_hub is used without a connection."""
    snapshot = tmp_path / "hub" / "models--owner--repository" / "snapshots" / ("a" * 40)
    snapshot.mkdir(parents=True)
    (snapshot / "file.gguf").write_bytes(b"weights")
    reference = snapshot.parent.parent / "refs" / "main"
    reference.parent.mkdir()
    reference.write_text("a" * 40)
    found = cli_python(
        "from selfinstruct.teachers.local import weights; print(weights('hf:owner/repository/file.gguf'))",
        HF_HUB_CACHE=str(tmp_path / "hub"),
        HF_HUB_OFFLINE="1",
    )
    assert found == str(snapshot / "file.gguf")


def test_a_custom_teacher_is_an_object_with_two_functions(tmp_path: Path) -> None:
    class Parrot:
        name, model, host = "parrot", "parrot-1", "nowhere"

        async def reply(self, key: str, request: Request) -> Reply:
            text = f"1. Instruction: Say {'x' * (int(key) + 1)} once to {key} friends\n1. Output: No."
            return Reply(text, "stop", "parrot-1", None, "nowhere", 0)

        async def close(self) -> None:
            pass

    run = si.Run(tmp_path / "run", teacher=Parrot(), num=1)
    dataset = run.generate()
    assert dataset.complete
    assert "Parrot" in run.recipe.generate.teacher


def cli_python(code: str, **environment: str) -> str:
    import subprocess
    import sys

    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
