"""Documents of your own: how they are read and split into passages."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from time import process_time

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from selfinstruct.errors import DocumentError
from selfinstruct.inputs import chunking, documents
from selfinstruct.records import Passage, json_line
from selfinstruct.text import with_line_feeds

# --- splitting ---


def split(text: str, words: int = 200, markdown: bool = True) -> list[tuple[str, str]]:
    """Return the title and the text of each passage."""
    return [(title, text[start:end]) for start, end, title in chunking.split(text, words, markdown=markdown, name="name")]


def titles(text: str, words: int = 200) -> list[str]:
    return [title for title, _ in split(text, words)]


def sentence(number: int, words: int) -> str:
    return " ".join([f"S{number}", *["word"] * (words - 1)]) + "."


LINES = st.sampled_from(
    ["", " ", "# One", "## Two ##", "#no", "#", "Title\n=====", "Sub\n---", "---", "***", "```", "```py", "~~~", "    code",
     "- a\n- b",
     "A sentence. Another one! A third?", "x" * 200, "\u3042" * 90, "\u4f60\u597d\u3002" * 30, "a\u2028b",
     "| a | b |", "key: value", "...",
     " ".join(["long"] * 70), "\u200b", "`` ` ``"]
)  # fmt: skip
TEXTS = st.lists(st.one_of(LINES, st.text(max_size=30)), max_size=25).map(lambda lines: with_line_feeds("\n".join(lines)))


@pytest.mark.slow
@settings(deadline=None, max_examples=300)
@given(TEXTS, st.integers(1, 60), st.booleans())
@example("# Only a heading", 10, True)
@example("---\n\n***", 1, True)
@example("text\n\n# A heading at the end", 10, True)
@example("```\ncode that nothing closes. It goes on.\n\n# here", 3, True)
def test_no_text_is_lost_or_repeated_and_places_are_exact(text: str, words: int, markdown: bool) -> None:
    front = chunking._front_matter(text) if markdown else 0
    at = front
    for start, end, title in chunking.split(text, words, markdown=markdown, name="name"):
        assert start >= at and not text[at:start].strip()  # between two passages is white space, and they do not overlap
        assert text[start:end].strip() == text[start:end] != ""
        assert title and "\n" not in title
        at = end
    assert not text[at:].strip()


@settings(deadline=None)
@given(TEXTS, st.integers(4, 60))
def test_passages_of_plain_text_are_at_most_a_little_longer_than_wanted(text: str, words: int) -> None:
    for start, end, _ in chunking.split(text, words):
        # A row of hyphens has no words. It is never a passage alone, but joins a neighbour of any size.
        assert len(text[start:end].split()) <= 1.25 * words + text.count("---") + text.count("***") + text.count("...") + 10


def test_paragraphs_are_joined_up_to_the_wanted_words_and_smaller_ones_are_not_split() -> None:
    text = "\n\n".join(sentence(number, 30) + " " + sentence(number, 10) for number in range(7))
    found = [part for _, part in split(text, 100, markdown=False)]
    assert [part.count("S") for part in found] == [4, 4, 4, 2]
    assert "\n\n".join(found) == text
    with_a_rest = f"{sentence(1, 40)}\n\n{sentence(2, 40)}\n\n{sentence(3, 15)}"
    assert len(split(with_a_rest, 80)) == 1, "a small rest does not become a passage"
    assert len(split(with_a_rest, 75)) == 2, "unless it would make its neighbour too large"


def test_a_huge_paragraph_is_split_at_sentence_ends_into_parts_of_similar_size() -> None:
    text = "Before.\n\n" + " ".join(sentence(number, 10) for number in range(12)) + "\n\n" + sentence(99, 40)
    found = [part for _, part in split(text, 50, markdown=False)]
    assert [part.startswith(("Before", "S")) and part.endswith(".") for part in found] == [True] * 4
    assert [part.count("S") for part in found] == [4, 4, 4, 1]


def test_text_without_sentences_is_split_at_line_ends_and_text_without_lines_between_words() -> None:
    rows = "\n".join(f"| row {number} | of | a | table |" for number in range(40))
    for _, part in split(rows, 47):
        assert part.startswith("| row") and part.endswith("table |")
    assert len(split(rows, 47)) >= 8
    assert [len(part.split()) for _, part in split("word " * 100, 30)] == [30, 30, 30, 10]
    blob = "QUJD" * 3000
    parts = [part for _, part in split(blob, 100)]
    assert "".join(parts) == blob and max(map(len, parts)) <= 125 * 24
    chinese = "\u4f60\u597d\u4e16\u754c\u3002" * 100
    parts = [part for _, part in split(chinese, 50)]
    assert "".join(parts) == chinese and all(part.endswith("\u3002") and len(part) <= 70 for part in parts)


def test_a_letter_of_a_script_without_spaces_counts_as_a_word() -> None:
    for letters in ("\u4e2d\u6587", "\u0e01\u0e02", "\u0f40\u0f41", "\ua98f\ua9a0"):  # Chinese, Thai, Tibetan, Javanese
        assert [len(part) for _, part in split(letters * 100, 50)] == [50] * 4


def test_headings_give_the_title_and_stay_in_the_text() -> None:
    text = "Opening.\n\n# Bees\n\n## The hive ##\nWarm.\n\n### Roof\nFlat.\n## Food\nSugar.\n\n"
    text += "Drinks\n------\nWater.\n\n# Wasps\n\nNone.\n"
    assert split(text) == [
        ("Bees", "Opening."),
        ("Bees > The hive", "# Bees\n\n## The hive ##\nWarm."),
        ("Bees > The hive > Roof", "### Roof\nFlat."),
        ("Bees > Food", "## Food\nSugar."),
        ("Bees > Drinks", "Drinks\n------\nWater."),
        ("Wasps", "# Wasps\n\nNone."),
    ]
    assert titles("No heading.") == ["name"] and titles("# C#\n\nA language.") == ["C#"]
    assert titles("Text\n#tag and no heading\n\n    # indented code\n") == ["name"]
    assert titles("Two lines\nof text\n---\n\nMore.") == ["name"], "a rule under two lines makes no heading here"
    long = titles("# " + "very " * 100 + "\n\nText.")[0]
    assert long.endswith("...") and len(long) < 130
    assert [part for _, part in split("# A\n\n# B\n\nText.\n\n# C\n\n# D")] == ["# A\n\n# B\n\nText.\n\n# C\n\n# D"]


def test_short_neighbours_are_joined_under_the_same_heading_only() -> None:
    assert [part for _, part in split("# A\n\none\n\ntwo\n\n# B\n\nthree\n\nfour")] == [
        "# A\n\none\n\ntwo",
        "# B\n\nthree\n\nfour",
    ]


def test_code_between_fences_stays_whole_and_its_comments_are_not_headings() -> None:
    code = "```sh\n" + "\n\n".join(f"# step {number}. Done.\nrun {number}" for number in range(30)) + "\n```"
    text = f"# Steps\n\nIntro.\n\n{code}\n\nThe end of it.\n"
    assert [(title, code in part) for title, part in split(text, 50)] == [("Steps", False), ("Steps", True), ("Steps", False)]
    assert "# step 3" not in " ".join(titles(text, 50))
    assert [part for _, part in split(f"## Go\n{code}", 50)] == [f"## Go\n{code}"], "with its heading"
    assert len(split(code, 5)) > 3, "but no reader wants code of any length"
    inner = "````\n```\n# no\n```\n````"
    assert split(f"{inner}\n\n# Yes\n\nText.") == [("Yes", inner), ("Yes", "# Yes\n\nText.")]
    assert titles("```\nnever closed\n\n# Yes\n\nText.") == ["Yes", "Yes"]
    assert titles("1. Run:\n\n    ```\n    # no\n\n    more\n    ```\n\n# Yes\n\nText.")[-1] == "Yes"


def test_front_matter_is_skipped_but_not_text_that_only_resembles_it() -> None:
    assert split("---\ntitle: X\ntags:\n  - a\n- b\n# c\n\n---\n\nText.") == [("name", "Text.")]
    for text in (
        "---\n\nA rule: then text\n\nwith a paragraph\n\n---\n\nMore.",
        "---\nkey: never closed\n\nText.",
        "---\nkey\n---\nText.",
        "---\nNote: a rule\n\nA paragraph, not YAML\n\n---\n\nMore.",
    ):
        assert "".join(part for _, part in split(text)).replace("\n", "").startswith("---")
    text = "---\na: b\n---\nText.\n"
    assert split(text, markdown=False)[0][1].startswith("---")
    assert chunking.split(text, 9, markdown=True) == [(13, 18, "")]


@pytest.mark.parametrize(
    "text",
    ["# " + " " * 60_000 + "x", "```x\n" * 60_000, "`" * 60_000, "```\na\n```\n" * 20_000, "." * 60_000 + "\n---\n",
     "---\na: b\n" * 20_000,
     "# a\n" * 40_000, "a\n\n" * 40_000, "a. " * 40_000, "\n".join("`" * (3 + n % 300) + "x" for n in range(600))],
    ids=range(10),
)  # fmt: skip
def test_twice_an_adversarial_text_costs_about_twice_the_work(text: str) -> None:
    """The ratio holds on any machine: 2 for linear work, 4 for quadratic work. Tiny costs are noise."""
    half, whole = cpu_seconds(text[: len(text) // 2]), cpu_seconds(text)
    assert whole < 3 * half + 0.1


def cpu_seconds(text: str) -> float:
    """Return the least CPU time of three splits of a text."""
    costs = []
    for _ in range(3):
        begun = process_time()
        chunking.split(text, 50, markdown=True)
        costs.append(process_time() - begun)
    return min(costs)


# --- reading ---


def write(folder: Path, **files: str | bytes) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_DOT_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def test_a_folder_is_read_recursively_in_the_order_of_names(tmp_path: Path) -> None:
    write(
        tmp_path, b_DOT_txt="Text b.", a__z_DOT_md="# Zed\n\nText z.", a__b__c_DOT_MARKDOWN="Text c.", other_DOT_py="code",
        _DOT_hidden__x_DOT_txt="no", a___DOT_y_DOT_txt="no", empty_DOT_txt=" \n",
    )  # fmt: skip
    (tmp_path / "folder.txt").mkdir()
    assert documents.load(str(tmp_path)) == (
        Passage("a/b/c.MARKDOWN#1", "a/b/c.MARKDOWN", "c", 0, "Text c."),
        Passage("a/z.md#1", "a/z.md", "Zed", 0, "# Zed\n\nText z."),
        Passage("b.txt#1", "b.txt", "b", 0, "Text b."),
    )


def test_offsets_count_characters_after_newlines_are_normalised(tmp_path: Path) -> None:
    raw = "\ufeff\r\n Z\u00fcrich \U0001f600.\r\n\r\nB\rC\r\n" + "\r\n\r\n".join(sentence(n, 40) for n in range(9))
    write(tmp_path, a_DOT_txt=raw)
    text = raw.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = documents.load(str(tmp_path / "a.txt"), words=50)
    assert [one.id for one in found] == [f"a.txt#{number}" for number in range(1, len(found) + 1)] and len(found) > 5
    assert all(text[one.start : one.start + len(one.text)] == one.text for one in found)
    assert found[0].text.startswith("Z\u00fcrich \U0001f600.\n\nB\nC") and found[0].start == 2


def test_symbolic_links_are_not_followed(tmp_path: Path) -> None:
    outside = write(tmp_path / "outside", secret_DOT_txt="Secret.")
    folder = write(tmp_path / "docs", a_DOT_txt="Text.")
    (folder / "link.txt").symlink_to(outside / "secret.txt")
    (folder / "linked").symlink_to(outside)
    (folder / "loop").symlink_to(folder)
    (folder / "nowhere.txt").symlink_to(tmp_path / "nothing")
    assert [one.text for one in documents.load(str(folder))] == ["Text."]
    (folder / "a.txt").unlink()
    with pytest.raises(DocumentError, match=r"symbolic links are not followed"):
        documents.load(str(folder))
    (tmp_path / "named").symlink_to(outside)  # a link that the user names is what the user wants
    assert [one.text for one in documents.load(str(tmp_path / "named"))] == ["Secret."]


def test_file_names_that_are_not_utf8_stay_distinct_and_can_be_written(tmp_path: Path) -> None:
    for name in (b"\xff.txt", b"\xfe.txt"):
        (tmp_path / os.fsdecode(name)).write_text("Text.")
    found = documents.load(str(tmp_path))
    assert {one.document for one in found} == {"\\xfe.txt", "\\xff.txt"}
    assert json.dumps([documents.to_row(one) for one in found], ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"", r"a\.txt: holds no text\. Fix: add some"),
        ("a.md", b"---\na: b\n---\n", r"a\.md: holds no text"),
        ("a.txt", b"good\nb\xe4d", r"a\.txt: is not UTF-8 text \(byte 7\)\. Fix: save the file as UTF-8"),
        ("a.txt", b"\xef\xbb\xbfb\xe4d", r"not UTF-8 text \(byte 5\)"),
        ("a.md", b"PNG\0\0", r"a\.md: is binary, not text \(byte 4 is zero\)"),
        ("a.rst", b"Text.", r"a\.rst: cannot be read as a document.* Fix: rename it to end in \.txt, \.md"),
        ("a.csv", b"", r"a\.csv: is empty"),
        ("missing.txt", None, r"missing\.txt: no such file\. Fix: check the path"),
        ("missing.csv", None, r"missing\.csv: no such file"),
    ],
)
def test_errors_in_documents_are_reported_with_place_cause_and_fix(
    tmp_path: Path, name: str, content: bytes | None, message: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DocumentError, match=message) as error:
        documents.load(str(tmp_path / name))
    assert str(tmp_path) in str(error.value)


def test_a_folder_without_documents_or_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        DocumentError, match=r"has no files that end in \.txt, \.md, \.markdown\. Fix: set documents to another folder"
    ):
        documents.load(str(write(tmp_path / "a", x_DOT_py="x")))
    with pytest.raises(DocumentError, match="its documents hold no text"):
        documents.load(str(write(tmp_path / "b", x_DOT_txt="\n")))
    with pytest.raises(DocumentError, match=r"b/y\.md: is not UTF-8"):
        documents.load(str(write(tmp_path / "b", x_DOT_txt="Text.", y_DOT_md=b"\xff")))
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DocumentError, match="is not a regular file"):
        documents.load(str(tmp_path / "pipe.txt"))
    with pytest.raises(DocumentError, match=r"have no columns \(got column 'body'\)\. Fix: remove column"):
        documents.load(str(write(tmp_path / "c", x_DOT_txt="Text.")), "body")
    with pytest.raises(DocumentError, match="documents: the name is empty"):
        documents.load("")


def test_each_row_of_a_table_is_a_document(tmp_path: Path) -> None:
    long = "\n\n".join(sentence(number, 40) for number in range(3))
    path = tmp_path / "a.csv"
    path.write_text(f'body,title\n"# One\r\n\r\nfirst",  The  title\n"",x\n"{long}",\n')
    found = documents.load(str(path), "body", words=50)
    assert [(one.id, one.document, one.title, one.start) for one in found] == [
        ("row 1#1", "row 1", "The title", 0), ("row 3#1", "row 3", "row 3", 0), ("row 3#2", "row 3", "row 3", 200),
        ("row 3#3", "row 3", "row 3", 400),
    ]  # fmt: skip
    assert [one.text for one in found] == ["# One\n\nfirst", *long.split("\n\n")]
    rows = [{"text": "\ud800 one"}, {"text": None}, {"text": "two", "more": 1}]
    for name, content in {"a.jsonl": "\n".join(map(json.dumps, rows)), "a.json": json.dumps(rows)}.items():
        (tmp_path / name).write_text(content)
        assert [(one.id, one.text) for one in documents.load(str(tmp_path / name))] == [
            ("row 1#1", "\ufffd one"),
            ("row 3#1", "two"),
        ]
    parquet.write_table(pa.table({"text": ["one", None], "n": [1, 2]}), tmp_path / "a.parquet")
    assert documents.load(str(tmp_path / "a.parquet")) == (Passage("row 1#1", "row 1", "row 1", 0, "one"),)
    with pytest.raises(DocumentError, match=r"a\.parquet: row 1: 'n' must be text \(got a number\)\. Fix: set column to another"):
        documents.load(str(tmp_path / "a.parquet"), "n")


def test_a_missing_column_is_reported_with_the_columns_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("body,kind\nText.,x\n")
    with pytest.raises(DocumentError, match=r"a\.csv:2: has no column 'text', and column is not set .*'body', 'kind'\)"):
        documents.load(str(tmp_path / "a.csv"))
    with pytest.raises(DocumentError, match=r"has no column 'boddy' \(there are: 'body', 'kind'\)\. Fix: set column"):
        documents.load(str(tmp_path / "a.csv"), "boddy")
    (tmp_path / "a.jsonl").write_text('{"body": "Text."}\n{"other": 1}\n')
    with pytest.raises(DocumentError, match=r"a\.jsonl:2: has no column 'body' .*'other'"):
        documents.load(str(tmp_path / "a.jsonl"), "body")
    (tmp_path / "b.csv").write_text('body,kind\n"",x\n')
    with pytest.raises(DocumentError, match="the column 'body' holds no text"):
        documents.load(str(tmp_path / "b.csv"), "body")


PASSAGE = Passage("a.md#1", "a.md", "Title", 3, "Text\u2028with \U0001f600\nand more.")


def test_written_passages_are_read_back_unchanged(tmp_path: Path) -> None:
    several = (PASSAGE, replace(PASSAGE, id="a.md#2", title=""))
    (tmp_path / "p").write_bytes(b"".join(json_line(documents.to_row(one)) for one in several))
    assert documents.read_copy(tmp_path / "p") == several


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", ":2: is not valid JSON"),
        ("[1]", ":2: is not a passage"),
        (json.dumps(documents.to_row(PASSAGE)), ":2: the id 'a.md#1' is used twice"),
        (json.dumps({**documents.to_row(PASSAGE), "start": "3"}), ":2: is not a passage"),
        (json.dumps({**documents.to_row(PASSAGE), "start": True}), ":2: is not a passage"),
        (json.dumps({**documents.to_row(PASSAGE), "more": 3}), ":2: is not a passage"),
        (json.dumps({"id": "x"}), r":2: is not a passage, an object with id \(a text\)"),
    ],
)
def test_a_changed_copy_of_passages_is_refused(tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "p").write_bytes(json_line(documents.to_row(PASSAGE)) + line.encode() + b"\n")
    with pytest.raises(DocumentError, match=message):
        documents.read_copy(tmp_path / "p")
    with pytest.raises(DocumentError, match="cannot be read"):
        documents.read_copy(tmp_path / "nothing")
