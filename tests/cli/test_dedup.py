"""The command `dedup`: which rows are dropped and why, how rows are kept, and what is left when it is stopped."""

from __future__ import annotations

import hashlib
import io
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from command_line import cli, command, on_a_terminal, rows
from instruction_files import kept, lines, save
from pyarrow import parquet
from rouge_score import rouge_scorer

from selfinstruct.cli.dedup import Display
from selfinstruct.dedup.deduplicate import dedup
from selfinstruct.dedup.single_pass import DedupProgress
from selfinstruct.errors import UserMistake
from selfinstruct.inputs import seeds

RIVERS = ["Name the longest river of Mali.", "Name the longest river in Mali!", "What is a baker's dozen?"]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the copies that `datasets` makes of tables out of the home of the person who runs the tests."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


def summary(out: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "summary.json").read_text(encoding="utf-8"))
    return found


def varied() -> list[str]:
    """Return real instructions, and changed copies of some of them."""
    texts = []
    for number, seed in enumerate(seeds.load()[:60]):
        texts.append(seed.instruction)
        words = seed.instruction.split()
        if number % 3 == 0:
            texts.append(" ".join(words[: len(words) - number % 5]) + " please!")
        if number % 4 == 0:
            texts.insert(number, " ".join(reversed(words)))
    return texts


@pytest.mark.slow
@pytest.mark.parametrize(("threshold", "stem"), [(0.7, False), (0.5, True)])
def test_rows_are_dropped_exactly_where_rouge_score_is_above_the_threshold(threshold: float, stem: bool, tmp_path: Path) -> None:
    texts, reference = [text for text in varied() if text.isascii()], seeds.load()[30].instruction
    data, bench = lines(tmp_path / "a.jsonl", *texts), lines(tmp_path / "b.jsonl", reference)
    flags = ["--against", bench, "--rouge", threshold, *(["--stem"] if stem else [])]
    done = cli("dedup", data, "--out", tmp_path / "out", *flags)
    assert done.returncode == 0, done.stderr
    scorer = rouge_scorer.RougeScorer(["rougeL"], use_stemmer=stem)
    pool, expected = [("b.jsonl", 1, reference)], []
    for row, text in enumerate(texts, 1):
        scores = [(scorer.score(other, text)["rougeL"].fmeasure, -place) for place, (_, _, other) in enumerate(pool)]
        best, place = max(scores)
        if best > threshold:
            expected.append((row, best, *pool[-place]))
        else:
            pool.append(("a.jsonl", row, text))
    assert kept(tmp_path / "out") == [text for _, _, text in pool[1:]]
    found = rows(tmp_path / "out" / "dropped.jsonl")
    assert [
        (line["row"], line["score"], Path(line["nearest"]["file"]).name, line["nearest"]["row"], line["nearest"]["text"])
        for line in found
    ] == expected
    assert {line["rule"] for line in found} == {"near_earlier", "near_reference"}
    assert all(line["record"] == {"instruction": texts[int(str(line["row"])) - 1]} for line in found)
    assert len(expected) > 10


@pytest.mark.slow
def test_the_first_of_two_near_duplicates_is_kept_also_across_files_and_both_are_reported(tmp_path: Path) -> None:
    river, other, dozen = RIVERS
    one = save(tmp_path / "1.jsonl", f'\n{{"a": 1, "a":2, "instruction": "{river}"}}\n\n{{"instruction": null}}\n')
    text = f'{{"instruction": "{dozen}"}}\n\n {{"b": 1.0, "b": 1.00, "instruction": "{other}"}}\r\n'
    two = save(tmp_path / "2.jsonl", text)
    done = cli("dedup", one, two, "--out", tmp_path / "made" / "out")
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    out = tmp_path / "made" / "out"
    assert sorted(path.name for path in out.iterdir()) == ["dropped.jsonl", "kept.jsonl", "summary.json"]
    first, null = one.read_bytes().split(b"\n")[1:4:2]
    assert (out / "kept.jsonl").read_bytes() == first + b"\n" + null + b"\n" + two.read_bytes().split(b"\n")[0] + b"\n"
    assert (out / "dropped.jsonl").read_text() == (
        f'{{"file": "{two}", "row": 2, "line": 3, "rule": "near_earlier", "score": 0.8333333333333334, "threshold": 0.7, '
        f'"nearest": {{"file": "{one}", "row": 1, "text": "{RIVERS[0]}"}}, '
        f'"record": {{"b": 1.0, "b": 1.00, "instruction": "{RIVERS[1]}"}}}}\n'
    )
    assert summary(out) == {
        "package": version("selfinstruct"),
        "settings": {
            "threshold": 0.7, "fields": ["instruction"], "against_fields": ["instruction"], "only_against": False,
            "tokens": "unicode", "stem": False, "kept_as": "jsonl",
        },
        "inputs": [
            {"name": str(file), "rows": 2, "kept": 2 - drops, "dropped": drops,
             "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
            for file, drops in ((one, 0), (two, 1))
        ],
        "references": [], "rows": 4, "kept": 3, "dropped": 1, "dropped_by": {"near_earlier": 1, "near_reference": 0},
        "dropped_scores": {"0.80": 1}, "kept_without_tokens": 1,
    }  # fmt: skip
    for part in ("kept 3 of 4 rows, dropped 1", "1 near_earlier", f"{two}: kept 1 of 2", "kept without tokens: 1 ("):
        assert part in done.stderr
    again = tmp_path / "again"
    assert cli("dedup", one, two, "--out", again).returncode == 0
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {path.name: path.read_bytes() for path in out.iterdir()}


@pytest.mark.slow
def test_rows_near_to_references_are_dropped_and_only_these_with_only_against(tmp_path: Path) -> None:
    data = lines(tmp_path / "a.jsonl", "Say hello in Thai.", "Say hello in Thai!", "", "?!", RIVERS[0], RIVERS[2])
    bench = save(tmp_path / "bench.csv", f'id,question\n1,"{RIVERS[1]}"\n2,"{RIVERS[1]}"\n3,\n')
    more = lines(tmp_path / "more.jsonl", "Nothing of that kind at all here.", "...", **{"question": "Who painted this?"})
    flags = ("--against", bench, "--against", more, "--against-field", "question")
    done = cli("dedup", data, "--out", tmp_path / "both", *flags)
    assert done.returncode == 0, done.stderr
    assert kept(tmp_path / "both") == ["Say hello in Thai.", "", "?!", RIVERS[2]]
    near, reference = rows(tmp_path / "both" / "dropped.jsonl")
    assert (near["rule"], reference["rule"]) == ("near_earlier", "near_reference")
    assert reference["nearest"] == {"file": str(bench), "row": 1, "text": RIVERS[1]}
    assert near["nearest"] == {"file": str(data), "row": 1, "text": "Say hello in Thai."}
    assert summary(tmp_path / "both")["references"] == [
        {"name": str(file), "rows": count, "sha256": hashlib.sha256(file.read_bytes()).hexdigest()}
        for file, count in ((bench, 3), (more, 2))
    ]
    assert summary(tmp_path / "both")["kept_without_tokens"] == 2
    assert "compared with 5 rows of" in done.stderr
    done = cli("dedup", data, "--out", tmp_path / "only", *flags, "--only-against")
    assert done.returncode == 0, done.stderr
    assert kept(tmp_path / "only") == ["Say hello in Thai.", "Say hello in Thai!", "", "?!", RIVERS[2]]
    assert [row["nearest"] for row in rows(tmp_path / "only" / "dropped.jsonl")] == [reference["nearest"]]
    assert summary(tmp_path / "only")["kept_without_tokens"] == 2
    nothing = cli("dedup", data, "--out", tmp_path / "no", "--only-against")
    assert (nothing.returncode, nothing.stderr.count("\n")) == (2, 1)
    assert "set --against to a file" in nothing.stderr


@pytest.mark.slow
def test_several_fields_are_compared_together_and_paths_lead_into_a_row(tmp_path: Path) -> None:
    chats = [
        {"messages": [{"content": text}, {"content": more}]} for text, more in ((RIVERS[0], "x y"), (RIVERS[1], "p q r s t"))
    ]
    data = save(tmp_path / "a.json", json.dumps(chats))
    path = ("--field", "messages.0.content")
    assert cli("dedup", data, "--out", tmp_path / "one", *path).returncode == 0
    assert json.loads((tmp_path / "one" / "kept.json").read_text()) == chats[:1]
    assert cli("dedup", data, "--out", tmp_path / "two", *path, "--field", "messages.1.content").returncode == 0
    assert json.loads((tmp_path / "two" / "kept.json").read_text()) == chats
    dedup([data], tmp_path / "string", fields="messages.0.content")
    assert json.loads((tmp_path / "string" / "kept.json").read_text()) == chats[:1]


def test_inputs_that_one_file_cannot_hold_are_refused_and_can_become_jsonl(tmp_path: Path) -> None:
    plain = lines(tmp_path / "a.jsonl", RIVERS[0])
    cells = save(tmp_path / "b.csv", f"instruction,n\n{RIVERS[2]},1\n")
    other = save(tmp_path / "c.csv", f"instruction,m\n{RIVERS[1]},1\n")
    fewer = save(tmp_path / "d.csv", f"instruction\n{RIVERS[1]}\n")
    for kind, name in ((pa.int32(), "e"), (pa.int64(), "f")):
        parquet.write_table(pa.table({"instruction": [RIVERS[1]], "n": pa.array([1], kind)}), tmp_path / f"{name}.parquet")
    for inputs, says in (
        ((plain, cells), f"{cells}: is csv, but {plain} is jsonl, and one file cannot be both. Fix: add format='jsonl'"),
        ((cells, other), f"{other}: has other columns than {cells} (column 2 is 'm' and not 'n')"),
        ((cells, fewer), "(1 columns and not 2)"),
        ((tmp_path / "e.parquet", tmp_path / "f.parquet"), "('n' is int64 and not int32)"),
    ):
        with pytest.raises(UserMistake) as raised:
            dedup(inputs, tmp_path / "out")
        assert says in str(raised.value)
        assert not (tmp_path / "out").exists()
    done = cli("dedup", cells, plain, other, tmp_path / "e.parquet", "--out", tmp_path / "out", "--format", "jsonl")
    assert done.returncode == 0, done.stderr
    assert rows(tmp_path / "out" / "kept.jsonl") == [{"instruction": RIVERS[2], "n": "1"}, {"instruction": RIVERS[0]}]
    dedup([cells, plain], tmp_path / "array", format="json")
    assert len(json.loads((tmp_path / "array" / "kept.json").read_text())) == 2


def damaged(folder: Path, kind: str) -> Path:
    """Write a file that is intact at both ends and damaged in the middle of its rows, and return the path."""
    path = folder / f"a.{kind}"
    table = pa.table({"instruction": [f"{number} {hashlib.sha256(str(number).encode()).hexdigest()}" for number in range(5000)]})
    if kind == "parquet":
        parquet.write_table(table, path, row_group_size=500, compression="zstd", use_dictionary=False, write_page_checksum=True)
    else:
        with pa.ipc.new_file(path, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")) as writer:
            writer.write_table(table, max_chunksize=500)
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 2000] = b"\xff" * 2000
    return save(path, bytes(content))


@pytest.mark.parametrize("kind", ["parquet", "arrow"])
def test_a_file_that_is_damaged_inside_is_refused(kind: str, tmp_path: Path) -> None:
    done = cli("dedup", damaged(tmp_path, kind), "--out", tmp_path / "out")
    assert done.returncode == 2, done.stderr
    assert f"a.{kind}: cannot be read as {kind.title()} (" in done.stderr
    assert "Fix: get or write the file again." in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_flags_and_paths_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = lines(tmp_path / "a.jsonl", *RIVERS)
    (tmp_path / "full").mkdir()
    inside = lines(tmp_path / "full" / "kept.jsonl", *RIVERS)
    os.mkfifo(tmp_path / "fifo.jsonl")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for words, says in (
        ((data, "--out", tmp_path / "full"), "full: holds other files ('kept.jsonl'). Fix: choose a new or empty directory."),
        ((inside, "--out", tmp_path / "full"), "kept.jsonl: is in"),
        ((data, "--out", data), "a.jsonl: is a file. Fix: choose a new or empty directory."),
        ((tmp_path / "full", "--out", tmp_path / "out"), f"Fix: set the input to a file in it, such as {inside}."),
        ((tmp_path / "fifo.jsonl", "--out", tmp_path / "out"), "is not a regular file"),
        ((data, "--out", tmp_path / "out", "--rouge", "1.5"), "--rouge: must be a number from 0 to 1 (got 1.5)"),
        ((data, "--out", tmp_path / "out", "--tokens", "words"), "must be one of unicode, ascii (got 'words')"),
        ((data, "--out", tmp_path / "out", "--against-field", "q"), "--against-field: needs references. Fix: set --against to"),
        ((data, data, "--out", tmp_path / "out"), "a.jsonl: is given twice"),
        ((data, "--out", tmp_path / "out", "--format", "xml"), "--format: must be jsonl or json (got 'xml')"),
        ((data, "--out", tmp_path / "out", "--against", tmp_path / "full" / ".." / "a.jsonl"), "is an input and a reference"),
        (("stranger/evil\x1b[31m", "--out", tmp_path / "out"), "stranger/evil\\x1b[31m: no such file, and `datasets` cannot"),
    ):  # fmt: skip
        done = cli("dedup", *words)
        assert done.returncode == 2, done.stderr
        assert says in done.stderr
        announced = "looking for a data set of that name" in done.stderr
        assert (done.stderr.count("\n") - announced, done.stdout) == (1, "")
        assert "\x1b" not in done.stderr
        assert not (tmp_path / "out").exists()
    assert kept(tmp_path / "full") == RIVERS


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_full_disk_is_reported_and_leaves_no_output(kind: str, tmp_path: Path) -> None:
    texts = [hashlib.sha512(str(number).encode()).hexdigest() for number in range(3000)]
    data = tmp_path / f"a.{kind}"
    if kind == "jsonl":
        lines(data, *texts)
    else:
        parquet.write_table(pa.table({"instruction": texts}), data, compression="none")
    (tmp_path / "there").mkdir()
    for out in (tmp_path / "new", tmp_path / "there"):
        full = subprocess.run(
            command("dedup", data, "--out", out),
            capture_output=True,
            text=True,
            check=False,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)),
        )
        assert full.returncode == 1, full.stderr
        assert f"{out}: cannot be written (File too large). Fix: free some space" in full.stderr
        assert "Traceback" not in full.stderr and "ignored" not in full.stderr
    assert not (tmp_path / "new").exists()
    assert list((tmp_path / "there").iterdir()) == []
    assert cli("dedup", data, "--out", tmp_path / "there").returncode == 0


WAITING = """
import sys
from selfinstruct.cli import dedup as dedup_command
def wait(display, state):
    print(state.rows, flush=True)
    sys.stdin.readline()
dedup_command.Display.__call__ = wait
from selfinstruct.cli.app import main
main()
"""


def begin(data: Path, out: Path, program: str = WAITING) -> subprocess.Popen[str]:
    """Start the command, and return it when it waits after its first batch."""
    words = [sys.executable, "-c", program, "dedup", str(data), "--out", str(out)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "4096\n"
    return process


@pytest.fixture
def many(tmp_path: Path) -> Path:
    return lines(tmp_path / "many.jsonl", *(f"{number} {'x' * 200} {number * number}" for number in range(6000)))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_and_sigterm_end_with_130_and_leave_no_output(number: int, many: Path, tmp_path: Path) -> None:
    process = begin(many, tmp_path / "new" / "out")
    assert (tmp_path / "new" / "out" / ".kept.jsonl.new").stat().st_size > 100_000
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    assert said == "stopped, nothing was written. To start again, run the same command\n"
    assert not (tmp_path / "new").exists()


def test_sigterm_ends_a_background_job_of_a_script_which_ignores_ctrl_c(many: Path, tmp_path: Path) -> None:
    ignoring = f"import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n{WAITING}"
    process = begin(many, tmp_path / "out", ignoring)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130 and not (tmp_path / "out").exists()


LATE = """
import os, signal
from selfinstruct import atomic_write
from selfinstruct.dedup import single_pass
from selfinstruct.cli.app import main

moment, replace, closing = sys_moment, atomic_write.Path.replace, single_pass.Summary.kept.fget

def while_files_get_their_names(path, target):
    if moment == "naming" and target.name == "kept.jsonl":
        os.kill(os.getpid(), signal.SIGINT)
    return replace(path, target)

def after_that(summary):
    if moment == "saying":
        os.kill(os.getpid(), signal.SIGINT)
    return closing(summary)

atomic_write.Path.replace = while_files_get_their_names
single_pass.Summary.kept = property(after_that)
main()
"""


@pytest.mark.parametrize("moment", ["naming", "saying"])
def test_ctrl_c_at_the_very_end_does_not_report_that_nothing_was_written(moment: str, tmp_path: Path) -> None:
    """The signal comes while the files get their names, or while the results are printed (once summary.json exists)."""
    data, out = lines(tmp_path / "a.jsonl", *RIVERS), tmp_path / "out"
    code = LATE.replace("sys_moment", repr(moment))
    if moment == "saying":  # the summary's text asks for the number too: only what comes after the files counts
        code = code.replace('if moment == "saying":', f'if __import__("os").path.exists({str(out / "summary.json")!r}):')
    words = [sys.executable, "-c", code, "dedup", str(data), "--out", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert ("stopped after all was done: the results are in" in done.stderr) == (moment == "saying")
    assert "nothing was written" not in done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["dropped.jsonl", "kept.jsonl", "summary.json"]


@pytest.mark.slow
def test_after_a_kill_the_same_command_starts_from_the_beginning(many: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = begin(many, out)
    second = cli("dedup", many, "--out", out)
    assert second.returncode == 2
    assert "another process is writing to it" in second.stderr
    process.kill()
    process.communicate()
    assert sorted(path.name for path in out.iterdir()) == [".dropped.jsonl.new", ".kept.jsonl.new"]
    # Killed between the first new name and the last, it would have left this:
    save(out / "kept.parquet", "old")
    save(out / ".summary.json.new", "old")
    (out / ".kept.csv.new").symlink_to(many)
    assert cli("dedup", many, "--out", out).returncode == 0
    assert sorted(path.name for path in out.iterdir()) == ["dropped.jsonl", "kept.jsonl", "summary.json"]
    assert (out / "kept.jsonl").read_bytes() == many.read_bytes()
    assert cli("dedup", many, "--out", out).returncode == 2  # a result is not overwritten


MEASURED = """
import resource, sys
from importlib.metadata import version
from pathlib import Path
from selfinstruct.cli.app import main
try:
    main()
finally:
    status = Path("/proc/self/status")  # where it is, for there the other figure may be that of the process which began this one
    fields = dict(line.split(":", 1) for line in status.read_text().splitlines()) if status.exists() else {}
    print(int(fields["VmHWM"].split()[0]) if fields else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def memory(data: Path, out: Path, count: int) -> float:
    """Return the peak memory (MB) of the command while it keeps all rows of a file."""
    words = [sys.executable, "-c", MEASURED, "dedup", str(data), "--out", str(out)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"kept {count:,} of {count:,} rows" in done.stderr
    return int(done.stdout) / 1024


def bodies(start: int, count: int) -> Iterator[tuple[str, str]]:
    """Yield instructions without common words, each with 100 kB of text."""
    for number in range(start, start + count):
        yield f"{hashlib.sha256(str(number).encode()).hexdigest()} {number}", f"{number:07}" * 14_286


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "start", "row", "between", "end"),
    [
        ("jsonl", "", '{{"instruction": "{}", "o": "{}"}}\n', "", ""),
        ("json", "[", '{{"instruction": "{}", "o": "{}"}}', ",", "]"),
        ("csv", "instruction,o\n", "{},{}\n", "", ""),
    ],
)
def test_memory_is_bounded_by_the_batch_and_not_by_the_file(
    kind: str, start: str, row: str, between: str, end: str, tmp_path: Path
) -> None:
    """Compare 150 MB of large rows with 10 MB of them."""
    needed = []
    for count in (100, 1500):
        path = tmp_path / f"{count}.{kind}"
        with path.open("w") as file:
            file.write(start)
            for number, pair in enumerate(bodies(0, count)):
                file.write((between if number else "") + row.format(*pair))
            file.write(end)
        needed.append(memory(path, tmp_path / str(count), count))
    assert needed[1] - needed[0] < 40, needed


@pytest.mark.slow
def test_memory_is_bounded_by_the_row_group_and_not_by_the_file(tmp_path: Path) -> None:
    """Compare 230 MB of Parquet with 75 MB, which is more than the row groups that are in memory at a time."""
    needed = []
    for groups in (8, 24):
        path = tmp_path / f"{groups}.parquet"
        with parquet.ParquetWriter(path, pa.schema([("instruction", "string"), ("o", "string")]), compression="none") as writer:
            for group in range(groups):
                texts, others = zip(*bodies(100 * group, 100), strict=True)
                writer.write_table(pa.table({"instruction": texts, "o": others}))
        needed.append(memory(path, tmp_path / str(groups), 100 * groups))
    assert needed[1] - needed[0] < 75, needed


@pytest.mark.slow
def test_arrow_files_with_other_categories_become_a_stream_that_holds_both(tmp_path: Path) -> None:
    paths = []
    for name, texts in (("one", ["Sing.", "Name a river."]), ("two", ["Count to ten.", "Draw a cat."])):
        table = pa.table({"instruction": pa.array(texts).dictionary_encode()})
        paths.append(tmp_path / f"{name}.arrow")
        with pa.OSFile(str(paths[-1]), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
    done = cli("dedup", *paths, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    again = cli("dedup", tmp_path / "out" / "kept.arrow", "--out", tmp_path / "again")
    assert "kept 4 of 4 rows" in again.stderr


def test_white_space_that_json_does_not_know_is_not_ignored(tmp_path: Path) -> None:
    data = save(tmp_path / "a.jsonl", '{"instruction": "Sing."}\n{"instruction": "Sing."}\u00a0\n')
    done = cli("dedup", data, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "a.jsonl:2: is not valid JSON (Extra data, column 25). Fix: correct the line or remove it." in done.stderr


def test_a_loop_of_symbolic_links_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop.jsonl").symlink_to(tmp_path / "loop.jsonl")
    done = cli("dedup", tmp_path / "loop.jsonl", "--out", tmp_path / "out")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "loop.jsonl: no such file. Fix: check the path." in done.stderr


def test_progress_is_a_bar_on_a_terminal_and_data_cannot_move_its_cursor(tmp_path: Path) -> None:
    evil = tmp_path / "evil\x1b[2J.jsonl"
    lines(evil, *(f"{number} \x1b]0;title\x07 {number * number} {number + 7}" for number in range(9000)), "1 title")
    text = on_a_terminal("dedup", evil, "--out", tmp_path / "out")
    assert "100% |" in text
    assert "9,001 rows, " in text
    assert "\x1b" not in text and "\x07" not in text


def test_a_log_gets_plain_lines_at_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    log = io.StringIO()
    display = Display(log)
    display(DedupProgress("compiled", 200, 50, 10, 4096, 7))
    assert log.getvalue() == ""
    monkeypatch.setattr("selfinstruct.cli.progress_bar._LOG_EVERY", 0)
    display(DedupProgress("compiled", 200, 101, 10, 8192, 9))
    assert log.getvalue() == "50% read, 10 references, 8,192 rows, 9 dropped\n"
    display.close()


def test_a_slow_engine_is_reported_once_and_only_for_many_rows() -> None:
    for engine, counts, times in (("portable", (20_000,), 0), ("portable", (20_001, 30_000), 1), ("compiled", (90_000,), 0)):
        log = io.StringIO()
        display = Display(log)
        for count in counts:
            display(DedupProgress(engine, 1_000_000, 1, 0, count, 0))
        assert log.getvalue().count("compiled ROUGE engine was not built") == times
