"""The command line as users see it: errors, interruptions, progress, `status`, `show` and `list`."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from command_line import cli, command, derived, on_a_terminal, outcomes, rows
from fake_openai import FakeOpenAI

from selfinstruct import plugins


def generate(directory: Path, teacher: FakeOpenAI, *flags: object) -> subprocess.CompletedProcess[str]:
    return cli("generate", directory, "--base-url", teacher.url, "--model", "m", *flags)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--rouge", "1.5"), "--rouge: must be at most 1 (got 1.5). Fix: give a number greater than 0 and at most 1.\n"),
        (("--num", "0"), "--num: must be at least 1 (got 0). Fix: give"),
        (("--temperature", "9"), "--temperature: "),
        (("--concurrency", "0"), "--concurrency: "),
        (("--api", "smoke"), "--api: "),
        (("--method", "magic"), "no method is named 'magic'. Fix: choose magpie, or see `selfinstruct list`."),
        (("--method", "nowhere.at_all:method"), "module 'nowhere' cannot be imported"),
        (("--prompt", "none-such"), "no prompt is named 'none-such'. Fix: see `selfinstruct list`, or give a file."),
        (("--prompt", "missing.txt"), "missing.txt: cannot be read"),
        (("--seeds", "missing.jsonl"), "missing.jsonl: cannot be read"),
        (("--teacher", "oracle"), "no teacher is named 'oracle'"),
        (("--without", "nonsense"), "no filter is named 'nonsense'"),
        (
            ("--with", "word_count:size=3"),
            "filter 'word_count': has no option 'size'. Fix: remove it, or choose from more_than, at_most.",
        ),
        (("--recipe", "missing.toml"), "missing.toml: cannot be read"),
        (("--base-url", "localhost:8000"), "is not an http(s) address"),
        (("--language", "English"), "--language: "),
    ],
)
def test_a_bad_flag_gives_one_message_and_writes_nothing(flags: tuple[str, ...], says: str, tmp_path: Path) -> None:
    base = () if flags[0] == "--base-url" else ("--base-url", "http://127.0.0.1:9/v1")
    done = cli("generate", tmp_path / "run", *base, "--model", "m", *flags)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert done.stderr.count("\n") <= 2
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_an_unknown_flag_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    done = cli("generate", tmp_path / "run", "--tempereture", "1")
    assert done.returncode == 2
    assert "--temperature" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", ["build", "status", "show"])
def test_a_directory_without_a_run_is_refused(name: str, tmp_path: Path) -> None:
    done = cli(name, tmp_path / "nothing")
    assert done.returncode == 2
    assert "has no run" in done.stderr
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    done = cli("generate", tmp_path / "other")
    assert done.returncode == 2
    assert "holds other files (got 'thesis.txt')" in done.stderr
    assert [path.name for path in (tmp_path / "other").iterdir()] == ["thesis.txt"]


@pytest.mark.slow
def test_a_run_keeps_its_generate_settings_and_may_change_its_curate_settings(teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert generate(run, teacher, "--num", 30).returncode == 0
    before = derived(run)
    seeds = tmp_path / "own.jsonl"
    seeds.write_text('{"instruction": "Name one river.", "input": "", "output": "The Niger."}\n' * 3)
    changed = generate(run, teacher, "--num", 30, "--temperature", 0.5, "--seed", 3, "--seeds", seeds)
    assert changed.returncode == 2
    for line in ("temperature: None -> 0.5", "seed: 0 -> 3", "seeds: SHA-256 "):
        assert line in changed.stderr
    assert derived(run) == before
    grown = generate(run, teacher, "--num", 60)
    assert grown.returncode == 0
    assert derived(run)["dataset.jsonl"].startswith(before["dataset.jsonl"])
    assert len(rows(run / "dataset.jsonl")) == 60
    assert cli("build", run, "--num", 30).returncode == 0
    assert derived(run) == before


@pytest.mark.slow
@pytest.mark.parametrize("broken", ["run.json", "seeds.jsonl", "prompt.txt"])
def test_a_run_whose_files_were_changed_is_refused(broken: str, teacher: FakeOpenAI, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert generate(run, teacher, "--num", 5).returncode == 0
    path = run / broken
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 5').replace("varied", "dull").replace("jollof", "noodles"))
    for done in (cli("build", run), cli("status", run), generate(run, teacher, "--num", 5)):
        assert done.returncode == 1
        assert "put the original back" in done.stderr


@pytest.mark.slow
def test_the_first_ctrl_c_waits_for_replies_in_flight_and_says_how_to_resume(
    start_teacher: Callable[..., FakeOpenAI], tmp_path: Path
) -> None:
    teacher, run = start_teacher(stall=(8,)), tmp_path / "run"
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 400, "--concurrency", 4)
    process = subprocess.Popen(command("generate", run, *flags), stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    while not teacher.stalls():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGINT)  # as `timeout` and other supervisors do, quicker than a person presses Ctrl-C twice
    while "stopping: waiting up to 30 s for" not in process.stderr.readline():
        assert process.poll() is None
    teacher.end_stall()
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"To resume: selfinstruct generate {run}" in said
    assert "Traceback" not in said
    # The replies in flight were saved, and the dataset is what the journal gives.
    assert len(outcomes(run)) == sum(teacher.asked().values())
    before = derived(run)
    assert before["dataset.jsonl"]
    assert cli("build", run).returncode == 0
    assert derived(run) == before
    assert cli("generate", run).returncode == 0  # the run directory has all settings, --num too
    assert max(teacher.asked().values()) == 1
    assert len(rows(run / "dataset.jsonl")) == 400


@pytest.mark.slow
def test_status_reads_a_run_while_it_is_running_and_afterwards(start_teacher: Callable[..., FakeOpenAI], tmp_path: Path) -> None:
    teacher, run = start_teacher(stall=(3,)), tmp_path / "run"
    flags = ("--base-url", teacher.url, "--model", "m", "--num", 200, "--concurrency", 1)
    process = subprocess.Popen(command("generate", run, *flags), stderr=subprocess.DEVNULL)
    while not teacher.stalls():  # three replies are saved, and the fourth request waits
        assert process.poll() is None
        time.sleep(0.01)
    during = json.loads(cli("status", run, "--json").stdout)
    shown = cli("status", run).stdout
    first_rows, rejected = cli("show", run, "-n", 1), cli("show", run, "--rejected", "any", "-n", 1)
    teacher.end_stall()
    assert process.wait(timeout=120) == 0
    after = json.loads(cli("status", run, "--json").stdout)
    assert (during["running"], during["complete"]) == (process.pid, False)
    assert 0 < during["rows"] < 200
    assert first_rows.stdout.startswith("instruction: ") and ", candidate 0#" in first_rows.stdout
    assert f"{run / 'dataset.jsonl'}: does not exist yet. This is what the saved replies give\n" in first_rows.stderr
    assert (rejected.returncode, " rejected by " in rejected.stdout) == (0, bool(during["dropped"]))
    assert (during["requests"]["answered"], during["requests"]["in_flight"]) == (3, 1)
    assert f"state     running (process {process.pid})\n" in shown
    assert f"rows      {during['rows']} of 200 ({during['candidates']} candidates, " in shown
    assert "requests  3 answered (3 used), 1 in flight\n" in shown
    assert (after["running"], after["complete"], after["rows"]) == (None, True, 200)
    assert after["candidates"] == after["rows"] + sum(after["dropped"].values())
    assert cli("status", run).stdout.startswith("state     complete\nrows      200 of 200 (")


@pytest.mark.slow
def test_progress_is_plain_lines_in_a_log_and_a_bar_on_a_terminal(teacher: FakeOpenAI, tmp_path: Path) -> None:
    logged = generate(tmp_path / "log", teacher, "--num", 40)
    assert "\r" not in logged.stderr
    assert "40 rows, " in logged.stderr
    text = on_a_terminal("generate", tmp_path / "bar", "--base-url", teacher.url, "--model", "m", "--num", 40)
    assert "40/40 rows |" in text
    assert re.search(r"\d+ % accepted(, [\d:]+ left)?, [\d,]+ requests(/min)?, \d+ in flight, [\d.]+k? tokens", text)


@pytest.mark.slow
def test_show_prints_rows_and_rejected_candidates_without_control_characters(tmp_path: Path) -> None:
    script = tmp_path / "script.jsonl"
    evil = "Explain \x1b[31mred\x1b[0m \u202eletters\u202c and bells\x07 to me"
    text = f"1. Instruction: {evil}\n1. Output: \x1b]0;title\x07Fine.\n###\n2. Instruction: Draw a red house now\n2. Output: No."
    script.write_text(json.dumps({"key": "0", "text": text}) + "\n")
    flags = ("--teacher", "scripted", "--model", script, "--num", 1, "--without", "control_characters")
    assert cli("generate", tmp_path / "run", *flags).returncode == 0
    shown = cli("show", tmp_path / "run").stdout + cli("show", tmp_path / "run", "--rejected", "any").stdout
    assert "Explain \\x1b[31mred" in shown
    assert 'rejected by unfit_for_text: "Draw"' in shown
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f\u202e]", shown)
    card = (tmp_path / "run" / "README.md").read_text()
    assert "\x1b" not in card
    wrong = cli("show", tmp_path / "run", "--rejected", "nonsense")
    assert wrong.returncode == 2
    assert "no rule is named 'nonsense'. Fix: choose" in wrong.stderr


@pytest.mark.parametrize("content", [b"{}\n", b"[1]\n", b"{oops\n", b"\xff\n"])
def test_show_refuses_a_damaged_dataset(content: bytes, tmp_path: Path) -> None:
    for name in ("dataset.jsonl", "provenance.jsonl", "rejected.jsonl"):
        (tmp_path / name).write_bytes(content)
    for flags in ((), ("--rejected", "any")):
        done = cli("show", tmp_path, *flags)
        assert (done.returncode, done.stdout) == (1, "")
        assert "damaged. Fix: run `selfinstruct build " in done.stderr
        assert "Traceback" not in done.stderr


def test_show_says_when_nothing_is_left_to_show(tmp_path: Path) -> None:
    for name in ("dataset.jsonl", "provenance.jsonl"):
        (tmp_path / name).touch()
    line = {"candidate": "0#1", "rule": "rouge", "value": 0.8, "limit": 0.7, "nearest": None}
    texts = {"instruction": "Name a river.", "input": "", "output": "The Niger."}
    (tmp_path / "rejected.jsonl").write_text(json.dumps({**line, **texts}) + "\n")
    assert cli("show", tmp_path).stderr == "no rows yet\n"
    assert cli("show", tmp_path, "--skip", 2000).stderr == "nothing to show after the first 2,000\n"
    assert cli("show", tmp_path, "--rejected", "rouge", "--skip", 1).stderr == "nothing to show after the first 1\n"


@pytest.mark.slow
def test_a_dry_run_shows_the_first_request_and_sends_none(teacher: FakeOpenAI, tmp_path: Path) -> None:
    done = generate(tmp_path / "run", teacher, "--num", 1000, "--dry-run")
    assert done.returncode == 0
    assert "List of 20 tasks:\n###\n1. Instruction: " in done.stdout
    assert "Price: unknown (set [runtime] price = " in done.stdout
    assert re.search(r"Estimate for 1,000 rows: about 98 requests, [\d.]+k tokens\n", done.stdout)
    assert sum(teacher.asked().values()) == 0
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_recipe_sets_what_flags_set_and_flags_take_precedence(teacher: FakeOpenAI, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.toml"
    recipe.write_text(
        f'[generate]\nbase_url = "{teacher.url}"\nmodel = "m"\nseed = 4\n'
        "[curate]\nnum = 50\nrouge = 0.6\n[curate.filters]\nrefusal = false\nword_count = {at_most = 12}\n"
        '[card]\ntitle = "My | <b>tasks</b>"\nlicence = "cc-by-4.0"\nteacher_terms = "I own the teacher."\n'
    )
    done = cli("generate", tmp_path / "run", "--recipe", recipe, "--num", 20)
    assert done.returncode == 0, done.stderr
    stored = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (stored["curate"]["num"], stored["curate"]["rouge"], stored["generate"]["seed"]) == (20, 0.6, 4)
    assert stored["curate"]["filters"]["word_count"] == {"at_most": 12}
    assert stored["curate"]["filters"]["empty_output"] is True
    assert all(len(str(row["instruction"]).split()) <= 12 for row in rows(tmp_path / "run" / "dataset.jsonl"))
    card = (tmp_path / "run" / "README.md").read_text()
    assert "# My \\| &lt;b&gt;tasks&lt;/b&gt;" in card
    assert 'license: "cc-by-4.0"' in card
    assert "| Teacher's terms | I own the teacher. |" in card
    assert "NOT CONFIRMED" not in card


@pytest.mark.slow
def test_list_has_every_name() -> None:
    listed = cli("list").stdout
    for kind in plugins.FOLDERS:
        for name in plugins.shown_names(kind):
            assert f"  {name} " in listed, name


def test_without_a_command_the_help_is_shown_and_version_is_a_number() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", cli("--version").stdout)
    assert "generate" in cli().stdout + cli().stderr
