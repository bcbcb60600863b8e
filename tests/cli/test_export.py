"""The command `export`, on the sample and on runs that have nothing to export."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import ROOT, cli, derived, rows
from fake_openai import FakeOpenAI

import selfinstruct as si
from selfinstruct import plugins
from selfinstruct.errors import UserMistake

SAMPLE = ROOT / "data" / "sample"


@pytest.mark.slow
def test_messages_has_the_rows_of_the_dataset_in_order(tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in SAMPLE.iterdir()}
    done = cli("export", SAMPLE, "--to", "messages", "--out", tmp_path / "chat.jsonl")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert done.stderr == f"exported 220 rows to {tmp_path / 'chat.jsonl'}\n"
    chats = [line["messages"] for line in rows(tmp_path / "chat.jsonl")]
    assert chats == [
        [
            {"role": "user", "content": f"{row['instruction']}\n\n{row['input']}" if row["input"] else row["instruction"]},
            {"role": "assistant", "content": row["output"]},
        ]
        for row in rows(SAMPLE / "dataset.jsonl")
    ]
    assert {path.name: path.read_bytes() for path in SAMPLE.iterdir()} == before


@pytest.mark.slow
def test_alpaca_json_goes_into_a_directory_under_its_own_name(tmp_path: Path) -> None:
    done = cli("export", SAMPLE, "--to", "alpaca-json", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"exported 220 rows to {tmp_path / 'out' / 'alpaca_data.json'}\n"
    assert json.loads((tmp_path / "out" / "alpaca_data.json").read_text()) == rows(SAMPLE / "dataset.jsonl")


@pytest.mark.slow
def test_a_system_text_goes_with_every_chat(tmp_path: Path) -> None:
    assert cli("export", SAMPLE, "--to", "messages", "--out", tmp_path / "c.jsonl", "--system", "Be brief.").returncode == 0
    firsts = [line["messages"][0] for line in rows(tmp_path / "c.jsonl")]
    assert firsts == [{"role": "system", "content": "Be brief."}] * 220


@pytest.mark.slow
def test_derived_files_are_not_needed_and_stale_ones_are_not_read(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    for name in derived(run):
        (run / name).unlink()
    (run / "dataset.jsonl").write_text('{"instruction": "old", "input": "", "output": "old"}\n')
    assert cli("export", run, "--to", "alpaca-json", "--out", tmp_path / "a.json").returncode == 0
    assert json.loads((tmp_path / "a.json").read_text()) == rows(SAMPLE / "dataset.jsonl")


@pytest.mark.slow
def test_nothing_is_written_into_the_run_directory(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    (run / "dataset.jsonl").unlink()
    before = sorted(path.name for path in run.iterdir())
    for out in (run, run / "dataset.jsonl", tmp_path / "there" / ".." / "run" / "chat.jsonl"):
        done = cli("export", run, "--to", "messages", "--out", out)
        assert done.returncode == 2 and "is in the run directory" in done.stderr
    assert sorted(path.name for path in run.iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--to", "parket", "--out", "new"), "no export is named 'parket'. Fix: choose one of alpaca-json, messages, or give"),
        (
            ("--to", "messages", "--out", "there.jsonl"),
            "there.jsonl: exists already. Fix: remove it, or set --out to another path.",
        ),
        (("--to", "messages", "--out", "there.jsonl/x"), "there.jsonl: is a file. Fix: set --out to"),
        (("--to", "alpaca-json", "--out", "new", "--system", "x"), "alpaca-json: cannot hold a system text"),
        (("--to", "messages", "--out", "new", "--option", "split=0.1"), "export 'messages': has no option 'split'"),
        (("--to", "messages", "--out", "new", "--option", "split"), "--option: must be NAME=VALUE (got 'split')"),
        (("--to", "messages"), "--out"),
    ],
)
def test_a_mistake_is_one_sentence_with_status_2(tmp_path: Path, flags: tuple[str, ...], message: str) -> None:
    (tmp_path / "there.jsonl").write_text("mine")
    placed = [str(tmp_path / word) if before == "--out" else word for before, word in zip(("", *flags), flags, strict=False)]
    done = cli("export", SAMPLE, *placed)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr and "Traceback" not in done.stderr
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("there.jsonl", "mine")]


def test_a_run_without_rows_or_without_a_run_is_one_sentence(tmp_path: Path, teacher: FakeOpenAI) -> None:
    done = cli("export", tmp_path / "nothing", "--to", "messages", "--out", tmp_path / "out")
    assert done.returncode == 2 and str(tmp_path / "nothing") in done.stderr
    run = si.Run(tmp_path / "run", base_url=teacher.url, model="m", num=5, filters=[reject_all], give_up_after=2)
    assert run.generate().rows == []
    with pytest.raises(UserMistake, match="has no rows to export"):
        run.export("messages", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def reject_all(example: si.Example, context: object) -> si.Rejection:
    return si.Rejection("all")


def test_list_shows_the_exports_as_users_write_them() -> None:
    title, *lines = cli("list", "exports").stdout.splitlines()
    listed = [line.split()[0] for line in lines if line[2:3].strip()]
    assert title.startswith("exports ") and listed == plugins.shown_names("export") and "alpaca-json" in listed


def test_a_directory_that_build_wrote_is_exported_as_it_is(tmp_path: Path) -> None:
    strict = tmp_path / "strict"
    assert cli("build", SAMPLE, "--rouge", "0.3", "--out", strict).returncode == 0
    done = cli("export", strict, "--to", "alpaca-json", "--out", tmp_path / "a.json")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "a.json").read_text()) == rows(strict / "dataset.jsonl")
    assert len(rows(strict / "dataset.jsonl")) < 220
    done = cli("export", strict, "--to", "messages", "--out", strict / "chat.jsonl")
    assert (done.returncode, "is in the run directory" in done.stderr) == (2, True)


@pytest.mark.parametrize("damage", ["row", "missing", "provenance", "deep"])
def test_a_built_directory_whose_files_do_not_fit_is_not_exported(damage: str, tmp_path: Path) -> None:
    example = si.Example("Name a river.", "", "The Niger.")
    lines = {"dataset.jsonl": [example.as_values()] * 2, "provenance.jsonl": [{"id": example.id}] * 2}
    texts = {name: [json.dumps(value) for value in values] for name, values in lines.items()}
    if damage == "row":
        texts["dataset.jsonl"][1] = texts["dataset.jsonl"][1].replace("Niger", "Congo")
    elif damage == "missing":
        del texts["dataset.jsonl"][1]
    elif damage == "provenance":
        texts["provenance.jsonl"][1] = "[]"
    else:
        texts["dataset.jsonl"][1] = "[" * 100_000
    for name, values in texts.items():
        (tmp_path / name).write_text("\n".join(values) + "\n")
    done = cli("export", tmp_path, "--to", "messages", "--out", tmp_path / "out" / "chat.jsonl")
    assert done.returncode == 2, done.stderr
    assert "line 2 of dataset.jsonl does not fit line 2 of provenance.jsonl" in done.stderr
    assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
