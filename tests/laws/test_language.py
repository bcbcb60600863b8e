"""Plain English in docstrings, comments and messages: the rules of CONTRIBUTING, scanned."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

import selfinstruct

PACKAGE = Path(selfinstruct.__file__).parent
ROOT = PACKAGE.parent
SOURCES = sorted(
    path for folder in ("selfinstruct", "tests", "scripts") for path in (ROOT / folder).rglob("*.py") if path != Path(__file__)
)
BANNED = re.compile(
    r"\b(mend(s|ed|ing)?|anew|nobody|anybody|somebody|goes by|went by|is there twice|that is said|begun with|of which|likewise)\b"
    r"|(?<!there )\bis no (?!(longer|more|less|fewer|such)\b)[a-z]",
    re.IGNORECASE,
)
FIRST_WORDS = re.compile(r"(What|Whether|How|Where|Who|When|Which|The same|Likewise)\b")
WORDS_IN_A_SENTENCE = 30
SEMICOLON = re.compile(r"[a-z)\"'`];\s+[a-zA-Z`\"']")


def docstrings(tree: ast.AST) -> Iterator[tuple[ast.AST, ast.Constant]]:
    """Each docstring with what it documents."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(node):
            expression = node.body[0]
            assert isinstance(expression, ast.Expr) and isinstance(expression.value, ast.Constant)
            yield node, expression.value


def strings(tree: ast.AST) -> Iterator[ast.Constant]:
    """Each string of the code, the pieces of f-strings too."""
    return (node for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))


def sentences(text: str) -> Iterator[str]:
    """The sentences of a docstring's prose; code, lists' items and tables end one."""
    text = re.sub(r"^.*\S {3,}\S.*$", "", text, flags=re.M)  # rows of a table
    for block in re.split(r"\n\s*\n|\n\s*[-*] |\n(?= {4,})", text):
        yield from re.split(r"(?<=[.!?:])\s+", block)


def findings(path: Path) -> Iterator[str]:
    """Breaches of the rules in one file, each with its line."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    documented = [constant for _, constant in docstrings(tree)]
    for constant in documented:
        yield from (f"{constant.lineno}: {problem}" for problem in in_docstring(str(constant.value)))
    for constant in strings(tree):
        text = str(constant.value)
        if found := BANNED.search(text):
            yield f"{constant.lineno}: {found[0]!r} in {text[max(0, found.start() - 30) : found.end() + 20]!r}"
        # A message of the package, not a text that a teacher or a file may hold.
        if PACKAGE in path.parents and constant not in documented and SEMICOLON.search(text):
            yield f"{constant.lineno}: a semicolon in {text[:60]!r}"
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT and (found := BANNED.search(token.string)):
            yield f"{token.start[0]}: {found[0]!r} in a comment"


def in_docstring(text: str) -> Iterator[str]:
    """Breaches of the rules in one docstring."""
    if FIRST_WORDS.match(text.strip()):
        yield f"a docstring begins with {text.split(maxsplit=1)[0]!r}"
    if SEMICOLON.search(re.sub(r"`[^`]*`", "`", text)):
        yield "a docstring has a semicolon"
    for sentence in sentences(text):
        if (count := len(re.findall(r"[A-Za-z']+", re.sub(r"`[^`]*`", "x", sentence)))) > WORDS_IN_A_SENTENCE:
            yield f"a sentence of {count} words: {' '.join(sentence.split())[:60]}"


def messages(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each string and f-string with its line. A value that an f-string fills in is shown as {}."""
    pieces = {id(piece) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for piece in node.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(piece.value) if isinstance(piece, ast.Constant) else "{}" for piece in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in pieces:
            yield node.lineno, node.value


def test_a_message_ends_its_fix_with_a_full_stop() -> None:
    open_ends = (".", ":", "Fix: ", "\n  ", "{}")  # the last ones go on with a list or another text
    wrong = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in PACKAGE.rglob("*.py")
        for line, text in messages(ast.parse(path.read_text(encoding="utf-8")))
        if "Fix: " in text and (not text.endswith(open_ends) or text.endswith(".."))
    ]
    assert wrong == []


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_written_in_plain_english(path: Path) -> None:
    assert list(findings(path)) == []


def test_test_names_have_no_banned_word() -> None:
    names = [
        f"{path.relative_to(ROOT)}:{node.name}"
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and BANNED.search(node.name.replace("_", " "))
    ]
    assert names == []


def test_the_scan_finds_what_it_looks_for(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text('"""What it is; that is all."""\n# mend it\nx = "nobody comes"\n')
    found = "\n".join(findings(bad))
    assert "begins with 'What'" in found and "a docstring has a semicolon" in found
    assert "'mend' in a comment" in found and "'nobody'" in found


def test_public_definitions_are_documented() -> None:
    documented = total = 0
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                total += 1
                documented += bool(ast.get_docstring(node))
    assert documented >= 0.95 * total
