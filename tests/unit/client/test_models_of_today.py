"""Models that think, refuse fields or stream: all rows, no thinking in them, and few calls lost."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from command_line import cli
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct.errors import RequestRefused, TeacherStop, TeacherUnavailable
from selfinstruct.records import Reply, Request, Usage

METHODS: dict[str, dict[str, Any]] = {
    "alpaca": {"method": "alpaca"},
    "alpaca as JSON": {"method": "alpaca", "prompt": "alpaca-json"},
    "few_shot": {"method": "few_shot"},
    "self_instruct": {"recipe": "self-instruct"},
    "evol": {"recipe": "evol"},
    "magpie": {"recipe": "magpie"},
    "alternating": {"method": "alternating", "send_seed": True},
    "documents": {"recipe": "documents", "documents": "{place}/bees.txt", "passage_words": 20, "send_seed": True},
}
BEES = (
    "A colony of bees has one queen and, in summer, forty thousand workers that live for six weeks each, no more.\n\n"
    "Bees make honey of nectar: they fan it dry until only a fifth of it is water, then seal each cell of the comb.\n"
)


def run(path: Path, teacher: FakeOpenAI, model: str, way: str = "alpaca", **more: Any) -> si.Run:
    (path.parent / "bees.txt").write_text(BEES)
    given = json.loads(json.dumps(METHODS[way]).replace("{place}", str(path.parent)))
    return si.Run(path, base_url=teacher.url, model=model, **{"num": 12, **given, **more})


def journal(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (path / "journal.jsonl").read_text().splitlines()]


@pytest.mark.slow
@pytest.mark.parametrize("way", METHODS)
@pytest.mark.parametrize("model", ["thinks-tags", "thinks-long"])
def test_a_thinking_model_gives_all_rows_without_its_thinking(model: str, way: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, model, way)
    assert len(made.generate().rows) == 12
    for name in ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl"):
        text = (made.path / name).read_text()
        assert "think" not in text.replace(model, "") and "Draft that must not" not in text
    assert si.Run(made.path).files()["dataset.jsonl"] == (made.path / "dataset.jsonl").read_bytes()
    replies = [line for line in journal(made.path) if line["kind"] == "reply"]
    assert any("Draft that must not" in line.get("reasoning", "") for line in replies)
    assert not any("Draft that must not" in line["text"] for line in replies)


@pytest.mark.slow
@pytest.mark.parametrize("model", ["thinks-parts", "thinks-tail", "thinks-field"])
def test_thinking_is_in_the_provenance_if_the_recipe_asks(model: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, model)
    assert len(made.generate().rows) == 12
    assert "Draft that must not" not in (made.path / "provenance.jsonl").read_text()
    made.write(made.build(reasoning=True))
    lines = [json.loads(line) for line in (made.path / "provenance.jsonl").read_text().splitlines()]
    assert all("Draft that must not" in line["reasoning"] for line in lines)
    assert b"Draft that must not" not in (made.path / "dataset.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("way", METHODS)
def test_thinking_that_uses_up_each_reply_costs_at_most_ten_calls(way: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, "thinks-only", way, concurrency=16)
    with pytest.raises(TeacherStop, match=r"thinking used up their tokens.*reply_tokens.*reasoning_effort='low'"):
        made.generate()
    assert len(teacher.requests()) <= 10
    again = run(tmp_path / "run", teacher, "m", way, reply_tokens=2000)  # no reply was of use, so the run may be defined again
    assert len(again.generate().rows) == 12
    assert si.Run(made.path).files()["dataset.jsonl"] == (made.path / "dataset.jsonl").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("model", "way", "more", "sent"),
    [
        ("fixed-temperature", "evol", {}, {"temperature"}),
        ("fixed-temperature", "self_instruct", {"temperature": 0.7}, {"temperature"}),
        ("no-sampling", "few_shot", {"temperature": 0.7, "top_p": 0.9}, {"temperature", "top_p"}),
        ("one-of-two", "alpaca", {"temperature": 0.7, "top_p": 0.9}, {"top_p"}),
        ("new-bound-name", "alpaca", {"reply_tokens": 3000}, {"max_tokens"}),
        ("no-schema", "alpaca as JSON", {}, set()),
        ("new-bound-name+fixed-temperature+thinks-long", "evol", {"max_tokens": 10_000_000}, {"temperature", "max_tokens"}),
    ],
)
def test_a_refused_field_costs_at_most_three_calls(
    model: str, way: str, more: dict[str, Any], sent: set[str], teacher: FakeOpenAI, tmp_path: Path
) -> None:
    notices: list[str] = []
    made = run(tmp_path / "run", teacher, model, way, concurrency=16, **more)
    dataset = made.generate(lambda dataset, ask: notices.__setitem__(slice(None), ask.notices))
    assert len(dataset.rows) == 12
    refused = [line for line in teacher.requests() if line["status"] == 400]
    assert 1 <= len(refused) <= 3
    assert len(notices) == len([line for line in journal(made.path) if line["kind"] == "learned"]) >= 1
    rows = [json.loads(line) for line in (made.path / "provenance.jsonl").read_text().splitlines()]
    assert not any(sent & row["sampling"].keys() for row in rows)
    assert "request_refused" not in (made.path / "rejected.jsonl").read_text()
    before = len(teacher.requests())
    si.Run(made.path, num=20).generate()  # a resumed run knows it from the journal
    assert not [line for line in teacher.requests()[before:] if line["status"] == 400]


@pytest.mark.slow
def test_only_what_the_user_set_is_sent(teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, "m")
    made.generate()
    (sampling,) = {json.dumps(line["sampling"]) for line in journal(made.path) if line["kind"] == "reply"}
    assert sampling == "{}"
    capped = run(tmp_path / "capped", teacher, "m", max_tokens=1_000_000)
    capped.generate()
    (sampling,) = {json.dumps(line["sampling"]) for line in journal(capped.path) if line["kind"] == "reply"}
    assert sampling == '{"max_tokens": 4096}'
    extra = run(tmp_path / "extra", teacher, "m", extra=["top_k=40", "tag=a=b"], reasoning_effort="low")
    extra.generate()
    (sampling,) = {json.dumps(line["sampling"]) for line in journal(extra.path) if line["kind"] == "reply"}
    assert json.loads(sampling) == {"reasoning_effort": "low", "top_k": 40, "tag": "a=b"}


@pytest.mark.slow
@pytest.mark.parametrize("model", ["streams", "relay"])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_a_stream_that_was_not_asked_for_is_read(model: str, api: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    made, plain = run(tmp_path / "run", teacher, model, api=api), run(tmp_path / "plain", teacher, "m", api=api)
    assert len(made.generate().rows) == len(plain.generate().rows) == 12
    assert not [line for line in journal(made.path) if line["kind"] == "fault"]
    usages = [line["usage"] for line in journal(made.path) if line["kind"] == "reply"]
    assert all(usages)


@pytest.mark.slow
def test_a_flagged_prompt_is_a_refused_request(teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, "flags-some", "few_shot", num=40)
    assert len(made.generate().rows) == 40
    failures = {(line["cause"], line["status"]) for line in journal(made.path) if line["kind"] == "failure"}
    assert failures == {("content_policy", 403)}


@pytest.mark.slow
def test_credit_that_is_used_up_refuses_nothing_for_good(teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, "spent", "few_shot", num=40)
    with pytest.raises(TeacherStop, match=r"the credit at .* is used up \(Your credit balance is too low"):
        made.generate()
    assert not [line for line in journal(made.path) if line["kind"] == "failure"]


@pytest.mark.slow
def test_a_wrong_address_stops_at_once(teacher: FakeOpenAI, tmp_path: Path) -> None:
    with pytest.raises(
        TeacherStop, match=r"Unexpected endpoint or method.*Fix: check model and base_url, which often ends in /v1"
    ):
        run(tmp_path / "run", teacher, "wrong-path", concurrency=1).generate()
    assert len(teacher.requests()) == 1


@pytest.mark.slow
def test_the_first_fault_is_on_the_screen(teacher: FakeOpenAI, tmp_path: Path) -> None:
    done = cli("generate", tmp_path / "run", "--base-url", teacher.url, "--model", "overloaded", "--num", 5, "--patience", 2)
    assert done.returncode == 4
    note, end = (done.stderr.index(words) for words in ("note: ", "The teacher gave no answer for 2 s"))
    assert "HTTP 502 (The engine is warm)" in " ".join(done.stderr[note:end].split())


@pytest.mark.slow
def test_the_same_fault_without_any_answer_ends_the_run_within_a_minute(teacher: FakeOpenAI, tmp_path: Path) -> None:
    began = time.monotonic()
    with pytest.raises(TeacherUnavailable, match="The engine is warm"):
        run(tmp_path / "run", teacher, "overloaded").generate()
    assert time.monotonic() - began < 60


@pytest.mark.slow
def test_a_step_that_is_always_refused_stops_the_run(teacher: FakeOpenAI, tmp_path: Path) -> None:
    answers = {"0": "Explain why rivers bend and where they do it most."}

    class Picky:
        name, model, host = "picky", "m", "h"

        async def reply(self, key: str, request: Request) -> Reply:
            if key.endswith("/solve"):
                raise RequestRefused("HTTP 400: no answers today", status=400)
            words = " ".join(f"{chr(97 + int(digit))}{key}" for digit in key) + f" {'abcdefghij'[int(key) % 10] * 5} river {key}"
            return Reply(answers.get(key, f"Explain {words} to a friend of number {key}."), "stop", "m", Usage(1, 1), "h")

        async def close(self) -> None:
            pass

    made = si.Run(tmp_path / "run", teacher=Picky(), method="few_shot", num=50, rouge=1.0)
    with pytest.raises(TeacherStop, match=r"the step 'solve': all 8 requests were refused.*no answers today"):
        made.generate()


@pytest.mark.slow
def test_a_batch_leaves_out_a_refused_field(teacher: FakeOpenAI, tmp_path: Path) -> None:
    made = run(tmp_path / "run", teacher, "no-sampling+thinks-tags", temperature=0.5, batch=True)
    assert len(made.generate().rows) == 12
    assert "Draft that must not" not in (made.path / "dataset.jsonl").read_text()
    assert {json.dumps(line["sampling"]) for line in journal(made.path) if line["kind"] == "reply"} == {"{}"}
