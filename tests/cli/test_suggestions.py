"""Mistakes in names, flags and arguments: one sentence with the nearest name, and exit status 2."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest
from command_line import ROOT, cli

from selfinstruct.cli import app

SAMPLE = str(ROOT / "data" / "sample")
NEW = ("generate", "new", "--base-url", "http://127.0.0.1:9/v1", "--model", "m")


def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str]:
    """Run the command line in this process, and return its exit status and its message."""
    monkeypatch.setattr(sys, "argv", ["selfinstruct", *words])
    with pytest.raises(SystemExit) as ended:
        app.main()
    printed = capsys.readouterr()
    assert printed.out == ""
    return int(str(ended.value.code)), printed.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("genrate", "x"), "no command is named 'genrate'. Fix: run `selfinstruct generate`, or see `selfinstruct --help`."),
        (("frobnicate",), "no command is named 'frobnicate'. Fix: see `selfinstruct --help`."),
        (("--verson",), "no flag is named '--verson'. Fix: use --version, or see `selfinstruct --help`."),
        (
            ("generate", "x", "--tempereture", "1"),
            "generate: no flag is named '--tempereture'. Fix: use --temperature, or see `selfinstruct generate --help`.",
        ),
        (("build", "x", "--qqqq"), "build: no flag is named '--qqqq'. Fix: see `selfinstruct build --help`."),
        (("generate",), "generate: DIR is missing. Fix: add DIR, or see `selfinstruct generate --help`."),
        (
            ("export", "x", "--to", "messages"),
            "export: --out is missing. Fix: add --out PATH, or see `selfinstruct export --help`.",
        ),
        (("generate", "x", "--num"), "generate: --num has no value. Fix: write --num NUMBER."),
        (("generate", "x", "--batch=1"), "generate: --batch takes no value. Fix: write --batch."),
        (("status", "x", "y"), "status: unexpected argument (got 'y'). Fix: remove it, or see `selfinstruct status --help`."),
        ((*NEW, "--method", "fewshot"), "no method is named 'fewshot'. Fix: choose few_shot, or see `selfinstruct list`."),
        (
            (*NEW, "--method", "zzz"),
            "no method is named 'zzz'. Fix: choose one of alpaca, alternating, documents, evol, few_shot, magpie, self_instruct, "
            'or give "package.module:function".',
        ),
        ((*NEW, "--teacher", "opnai"), "no teacher is named 'opnai'. Fix: choose openai, or see `selfinstruct list`."),
        (
            (*NEW, "--without", "word_cuont"),
            "no filter is named 'word_cuont'. Fix: choose word_count, or see `selfinstruct list`.",
        ),
        ((*NEW, "--with", "refusals"), "no filter is named 'refusals'. Fix: choose refusal, or see `selfinstruct list`."),
        (
            (*NEW, "--with", "word-count:atmost=9"),
            "filter 'word_count': has no option 'atmost'. Fix: rename it to at_most.",
        ),
        ((*NEW, "--recipe", "evl"), "no recipe is named 'evl'. Fix: choose evol, or see `selfinstruct list`."),
        ((*NEW, "--prompt", "evoll"), "no prompt is named 'evoll'. Fix: choose evol, or see `selfinstruct list`."),
        ((*NEW, "--prompt", "zzz"), "no prompt is named 'zzz'. Fix: see `selfinstruct list`, or give a file."),
        (
            ("export", SAMPLE, "--to", "mesages", "--out", "new.jsonl"),
            "no export is named 'mesages'. Fix: choose messages, or see `selfinstruct list`.",
        ),
        (("list", "filtres"), "no kind is named 'filtres'. Fix: choose filters, or see `selfinstruct list --help`."),
        (("show", SAMPLE, "--rejected", "refusl"), "--rejected: no rule is named 'refusl'. Fix: choose refusal."),
    ],
)
def test_a_mistake_is_one_sentence_with_the_nearest_name(
    words: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said(capsys, monkeypatch, *words) == (2, f"selfinstruct: {message}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("generate", "x", "--num", "ten"), ("generate", "x", "--num=ten"), ("seeds", "--near", "3")])
def test_a_bad_value_is_named_with_its_flag(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    status, message = said(capsys, monkeypatch, *words)
    flag, value = ("--num", "'ten'") if "ten" in " ".join(words) else ("--near", "3")
    assert status == 2 and message.count("\n") == 1
    fix = "give a whole number" if flag == "--num" else "change its value"
    assert message.startswith(f"selfinstruct: {flag}: ") and value in message and message.endswith(f". Fix: {fix}.\n")


def test_a_rule_without_rejections_is_not_an_unknown_rule() -> None:
    done = cli("show", SAMPLE, "--rejected", "no-quote")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.startswith("no candidate was rejected by no_quote. These rules did: control_characters, ")


def test_hyphens_and_underscores_are_the_same_in_names(tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(SAMPLE, run)
    done = cli("build", run, "--without", "word-count", "--with", "same-task", "--with", "unfit-for-text:words=[]")
    assert done.returncode == 0, done.stderr
    filters = json.loads((run / "run.json").read_text())["curate"]["filters"]
    assert (filters["word_count"], filters["same_task"], filters["unfit_for_text"]) == (False, True, {"words": []})
    assert not any("-" in name for name in filters)
    flags = ("--method", "few-shot", "--prompt", "few_shot", "--model", "m", "--base-url", "http://127.0.0.1:9/v1", "--dry-run")
    shown = cli("generate", tmp_path / "new", *flags)
    assert shown.returncode == 0, shown.stderr
    assert cli("generate", tmp_path / "new", "--recipe", "self_instruct", "--dry-run").returncode == 0
    assert cli("export", run, "--to", "alpaca_json", "--out", tmp_path / "rows.json").returncode == 0
