"""Each export over rows of many scripts, and the rules that hold for the files of all exports."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import datasets
import pytest

from selfinstruct import plugins
from selfinstruct.contracts import ExportFiles, ExportRow
from selfinstruct.errors import PluginError, RecipeError, UserMistake
from selfinstruct.rundir.exporting import Exported, Target, export, writer


def row(id: str, instruction: str, input: str, output: str) -> ExportRow:
    """A row with the provenance that a run records."""
    called = {
        "request_key": "3",
        "model": "m",
        "endpoint": "api.openai.com",
        "time": "2026-01-02T03:04:05Z",
        "sampling": {"temperature": 1.0, "max_tokens": 4096},
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 900, "completion_tokens": 800},
    }
    origin = {"method": "alpaca", "prompt": {"name": "alpaca", "digest": "0" * 64}, "teacher": "openai"}
    place = {"id": id, "candidate": "3#1", "position": 1, "seeds": ["seed_task_7"]}
    rest = {"proposed_by": None, "nearest": [{"id": "seed:seed_task_7", "score": 0.25}]}
    return ExportRow(id, instruction, input, output, {**place, **origin, **called, **rest})


ROWS = [
    row("00000000000000a1", "Name a river.", "", "The Niger."),
    row("00000000000000b2", "Translate.", 'He said "hi".\nTwice.', "Er sagte: \u201eHallo\u201c\u2028zweimal."),
    row("00000000000000c3", "\u8bf4\u660e\u539f\u56e0", "\U0001f600\ud800", "\\n is not a line end"),
]


def exported(to: Any, out: Path | str, rows: Iterable[ExportRow] = ROWS, **options: Any) -> Exported:
    return export(writer(to, options), rows, Target.of(out))


def with_system(text: str) -> list[ExportRow]:
    return [replace(row, system=text) for row in ROWS]


def loaded(path: Path, cache: Path) -> list[dict[str, Any]]:
    """The rows as `datasets` loads them."""
    data = datasets.load_dataset("json", data_files=str(path), split="train", cache_dir=str(cache))
    return [dict(row) for row in data]


def test_every_export_writes_the_rows_that_it_gets(tmp_path: Path) -> None:
    for name in plugins.shown_names("export"):
        done = exported(name, tmp_path / name)
        assert done.rows == len(ROWS)
        assert [path.parent for path in done.files] == [tmp_path / name]
        assert sorted(path.name for path in (tmp_path / name).iterdir()) == sorted(path.name for path in done.files)


def test_alpaca_json_is_one_array_of_objects_with_three_keys(tmp_path: Path) -> None:
    assert exported("alpaca-json", tmp_path / "a.json").files == (tmp_path / "a.json",)
    array = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert array == [{"instruction": row.instruction, "input": row.input, "output": row.output} for row in ROWS]
    assert [list(row) for row in array] == [["instruction", "input", "output"]] * 3


def test_alpaca_json_refuses_a_system_text_and_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="alpaca-json: cannot hold a system text"):
        exported("alpaca-json", tmp_path / "new" / "a.json", with_system("Be brief."))
    assert list(tmp_path.iterdir()) == []


def test_messages_has_the_input_after_a_blank_line_of_the_question(tmp_path: Path) -> None:
    exported("messages", tmp_path / "chat.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "chat.jsonl").read_text(encoding="utf-8").split("\n") if line]
    questions = ["Name a river.", 'Translate.\n\nHe said "hi".\nTwice.', "\u8bf4\u660e\u539f\u56e0\n\n\U0001f600\ud800"]
    assert lines == [
        {"messages": [{"role": "user", "content": question}, {"role": "assistant", "content": row.output}]}
        for question, row in zip(questions, ROWS, strict=True)
    ]


def test_messages_begins_with_the_system_text_when_there_is_one(tmp_path: Path) -> None:
    exported("messages", tmp_path / "chat.jsonl", with_system("Be brief."))
    for line in (tmp_path / "chat.jsonl").read_text(encoding="utf-8").split("\n")[:-1]:
        chat = json.loads(line)["messages"]
        assert [message["role"] for message in chat] == ["system", "user", "assistant"]
        assert chat[0]["content"] == "Be brief."


def test_datasets_loads_both(tmp_path: Path) -> None:
    exported("alpaca-json", tmp_path / "a.json", ROWS[:2])
    exported("messages", tmp_path / "chat.jsonl", with_system("Be brief.")[:2])
    assert loaded(tmp_path / "a.json", tmp_path / "cache") == [
        {"instruction": row.instruction, "input": row.input, "output": row.output} for row in ROWS[:2]
    ]
    chats = loaded(tmp_path / "chat.jsonl", tmp_path / "cache")
    assert [[message["role"] for message in chat["messages"]] for chat in chats] == [["system", "user", "assistant"]] * 2
    assert [chat["messages"][-1]["content"] for chat in chats] == [row.output for row in ROWS[:2]]


def test_hyphens_and_underscores_are_the_same_in_a_name(tmp_path: Path) -> None:
    exported("alpaca_json", tmp_path / "one.json")
    exported("alpaca-json", tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    assert {"alpaca-json", "messages"} <= set(plugins.shown_names("export"))


@pytest.mark.parametrize(
    ("out", "file"),
    [
        ("chat.jsonl", "chat.jsonl"),
        ("chats", "chats/messages.jsonl"),
        ("v1.2/", "v1.2/messages.jsonl"),
        ("there.d", "there.d/messages.jsonl"),
    ],
)
def test_a_path_with_an_ending_is_a_file_unless_a_directory_is_there(tmp_path: Path, out: str, file: str) -> None:
    (tmp_path / "there.d").mkdir()
    assert exported("messages", f"{tmp_path}/{out}").files == (tmp_path / file,)
    assert (tmp_path / file).is_file()


def test_an_existing_file_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "chat.jsonl").write_text("mine")
    (tmp_path / "messages.jsonl").symlink_to(tmp_path / "nowhere")
    for out in (tmp_path / "chat.jsonl", tmp_path):
        with pytest.raises(UserMistake, match="exists already"):
            exported("messages", out)
    assert (tmp_path / "chat.jsonl").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chat.jsonl", "messages.jsonl"]


def test_a_file_that_appears_while_an_export_writes_is_not_overwritten(tmp_path: Path) -> None:
    def rows() -> Iterator[ExportRow]:
        yield from ROWS
        (tmp_path / "chat.jsonl").write_text("mine")

    with pytest.raises(UserMistake, match="exists already"):
        exported("messages", tmp_path / "chat.jsonl", rows())
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("chat.jsonl", "mine")]


def test_other_files_of_the_directory_stay(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    exported("messages", tmp_path)
    exported("alpaca-json", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alpaca_data.json", "messages.jsonl", "notes.txt"]


def test_an_export_that_fails_half_way_leaves_neither_file_nor_directory(tmp_path: Path) -> None:
    def rows() -> Iterator[ExportRow]:
        yield ROWS[0]
        raise RuntimeError("half way")

    for out in (tmp_path / "deep" / "er" / "chat.jsonl", tmp_path / "deep" / "er"):
        with pytest.raises(RuntimeError, match="half way"):
            exported("messages", out, rows())
        assert list(tmp_path.iterdir()) == []


def test_an_export_that_opens_no_file_is_refused(tmp_path: Path) -> None:
    def nothing(rows: Iterable[ExportRow], files: ExportFiles) -> None:
        assert list(rows)

    with pytest.raises(PluginError, match="opened no file"):
        export(writer(nothing, {}), ROWS, Target.of(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(UserMistake, match=r"^out: is empty"):
        Target.of("")


@pytest.mark.parametrize("name", plugins.names("export"))
def test_rows_are_written_one_after_the_other(name: str, tmp_path: Path) -> None:
    taken: list[int] = []

    class Watched:
        def __init__(self, files: ExportFiles) -> None:
            self.files = files

        def open(self, name: str) -> Any:
            file = self.files.open(name)
            write = file.write

            class Sink:
                def write(self, content: bytes) -> int:
                    taken.append(len(seen))
                    return write(content)

            return Sink()

    seen: list[ExportRow] = []

    def rows() -> Iterator[ExportRow]:
        for row in ROWS:
            seen.append(row)
            yield row

    function = plugins.find("export", name)
    exported(lambda rows, files: function(rows, Watched(files)), tmp_path, rows())
    assert taken[:3] == [1, 2, 3]


def split(rows: Iterable[ExportRow], files: ExportFiles, *, every: int = 3) -> None:
    """Write every third row into another file."""
    train, validation = files.open("train.jsonl"), files.open("validation.jsonl")
    for number, row in enumerate(rows, 1):
        file = train if number % every else validation
        file.write(json.dumps({"id": row.provenance["id"], "text": row.output}).encode() + b"\n")


def test_an_export_of_ones_own_may_have_options_and_write_several_files(tmp_path: Path) -> None:
    done = exported(split, tmp_path / "parts", every=2)
    assert done == Exported(3, (tmp_path / "parts" / "train.jsonl", tmp_path / "parts" / "validation.jsonl"))
    assert [len(path.read_text().splitlines()) for path in done.files] == [2, 1]


def test_an_export_may_close_its_files(tmp_path: Path) -> None:
    def closing(rows: Iterable[ExportRow], files: ExportFiles) -> None:
        with files.open("ids.txt") as file:
            file.writelines(f"{row.id}\n".encode() for row in rows)

    assert exported(closing, tmp_path / "out").files == (tmp_path / "out" / "ids.txt",)
    assert (tmp_path / "out" / "ids.txt").read_text().split() == [row.id for row in ROWS]


def test_an_export_of_several_files_refuses_a_path_for_one_file(tmp_path: Path) -> None:
    with pytest.raises(UserMistake, match="is one file, and this export writes several"):
        exported(split, tmp_path / "parts.jsonl")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["../up.jsonl", "sub/file.jsonl", "/tmp/up.jsonl", "..", ""])
def test_an_export_cannot_write_outside_of_its_directory(tmp_path: Path, name: str) -> None:
    with pytest.raises(PluginError, match="cannot open a file"):
        exported(lambda rows, files: files.open(name), tmp_path / "inside")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "options", "error", "message"),
    [
        ("mesages", {}, PluginError, "no export is named 'mesages'. Fix: choose messages, or see `selfinstruct list`"),
        ("", {}, PluginError, "no export is named ''"),
        ("no_such_module:f", {}, PluginError, "'no_such_module'"),
        (
            "messages",
            {"colour": 5},
            RecipeError,
            "export 'messages': has no option 'colour'. Fix: remove it, or choose from reasoning.",
        ),
        (split, {"every": "two"}, RecipeError, "export 'split': every must be a whole number (got 'two')"),
        (lambda: None, {}, PluginError, "must accept (rows, files). Fix: change its signature."),
    ],
)
def test_an_export_that_cannot_be_used_is_refused_in_a_sentence(
    to: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        writer(to, options)
    assert message in str(caught.value) and "\n" not in str(caught.value)
