"""Read tasks from text that is JSON, or nearly: strictly where possible, leniently object by object where not.

A text that strict JSON reads is never changed. Where an object is not strict JSON, its strings are found first, and `json_repair`
sees only the structure between them: it never touches a text. A string whose end is not certain makes its task a rejection.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations._words import field_of
from selfinstruct.records import CONTENT_FILTER, TOKEN_LIMIT, ParseDefect, ParsedTask, clean

CUT = {TOKEN_LIMIT: "truncated", CONTENT_FILTER: "content_filter"}  # the rule of what has no end, by finish reason
_NAMES = ("instruction", "input", "output")
_ENCODED = re.compile(r'"?(?:\s|\\n|\\t|\[)*\{(?:\s|\\n|\\t)*\\"')  # how JSON as a JSON string begins
_KEY = re.compile(r"[\"'“`]?\binstruction\b[\"'”`]?\s*:", re.IGNORECASE)
_OBJECT = re.compile(r"\{(?=[^{}]*?([\"'“`]?)\binstruction\b[\"'”`]?\s*:)", re.IGNORECASE)
_TOKEN = re.compile(
    r"""(?P<skip>\s+|//[^\n]*|/\*.*?\*/|\#[^\n]*)
    |(?P<string>\"{3}(?:[^\\]|\\.)*?\"{3}|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|“(?:[^”\\]|\\.)*”|`(?:[^`\\]|\\.)*`)
    |(?P<sign>[{}\[\],:])
    |(?P<key>[A-Za-z_]\w*(?=\s*:))
    |(?P<value>(?:true|false|null|none|-?\d+(?:\.\d+)?)\b)""",
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|U[0-9a-fA-F]{8}|.)", re.DOTALL)
_PYTHON = re.compile(r"\\[xU][0-9a-fA-F]+")  # escapes of Python that JSON lacks
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "'": "'", "\\": "\\", "/": "/", "`": "`", "”": "”"}
_LATEX = re.compile(  # commands that begin as an escape for a line end or a tab does
    r"(?:nu|neq|nabla|neg|notin|nleq|ngeq|theta|tau|times|text|textbf|textit|tan|tanh|tfrac|tilde|top|triangle|to|therefore"
    r"|rho|right|rangle|rightarrow|rceil|rfloor|rm)(?![A-Za-z])"
)
_BETWEEN = re.compile(r"\}[\s,]*(?:```\w*\s*)*(?:[\"'“]?[\w ]+[\"'”]?\s*:\s*)?$")  # what stands between two tasks
_STRICT = re.compile(r"\{\s*[\"}]")  # how an object of strict JSON begins
_MOST_FAILURES = 1_000  # objects that are not strict JSON. Each costs a count of the lines before it.
_MOST_TOKENS = 200  # of one task
_MOST_DEPTH = 5


@dataclass
class _Found:
    """The tasks of a text.

    Attributes:
        tasks: The tasks in order. One that cannot be read is a rejection with its text.
        whole: True if their list has an end.
        rest: The text after the last task.
    """

    tasks: list[ParsedTask]
    whole: bool = False
    rest: str = ""


def tasks_in(text: str, cut: str = "") -> list[ParsedTask]:
    """Return the tasks of a text in order, or no tasks if it announces none.

    Args:
        text: A reply.
        cut: The rule of the defect of a task that has no end, or "" if the reply is complete.
    """
    if inner := _decoded(text):
        return tasks_in(inner, cut)
    found = _Reader(text, cut).read()
    if cut and not found.whole and not (found.tasks and found.tasks[-1].defect and found.tasks[-1].defect.rule == cut):
        found.tasks.append(ParsedTask("", defect=ParseDefect(cut, clean(found.rest)[-200:])))
    return found.tasks


def _decoded(text: str) -> str:
    """Return the text that a JSON string holds, if a reply is such a string with tasks in it, or ""."""
    inner = clean(text)
    if inner.startswith("```"):
        inner = clean(inner.partition("\n")[2].rpartition("```")[0])
    if not _ENCODED.match(inner):
        return ""
    quoted = inner if inner.startswith('"') else f'"{inner}"'
    try:
        value = json.loads(quoted, strict=False)
    except (ValueError, RecursionError):
        return ""
    return value if isinstance(value, str) else ""


class _Reader:
    """A pass over a text that reads one object after another. Its work grows with the length of the text."""

    def __init__(self, text: str, cut: str) -> None:
        self.text, self.cut = text, cut
        self.decoder = json.JSONDecoder(strict=False)
        self.budget = 8 * len(text) + 10_000  # characters that failed tries may look at
        self.failures = 0
        self.quote: str | None = None  # the quotation mark of keys, once an object is not strict JSON
        self.found = _Found([])
        self.starts: list[int] | None = None  # of the objects that may be tasks, once one is not strict JSON
        self.end = 0  # of the last object with tasks

    def read(self) -> _Found:
        """Return what the text holds."""
        at = 0
        while (at := self.text.find("{", at)) >= 0 and self.budget > 0 and self.failures < _MOST_FAILURES:
            task = _OBJECT.match(self.text, at)
            if _STRICT.match(self.text, at) and not (task and self.quote not in (None, task[1])):
                try:
                    value, after = self.decoder.raw_decode(self.text, at)
                except (ValueError, RecursionError) as error:
                    self.budget -= max(1, getattr(error, "pos", at + 1_000) - at)
                    self.failures += 1
                else:
                    self._take(value, after)
                    at = after
                    continue
            at = self._lenient(at, task[1]) if task and self.quote in (None, task[1]) else at + 1
        rest = self.text[self.end :]
        for missing in _KEY.finditer(rest):  # a task that no object around it could be found for
            self._reject(rest[missing.start() :][:500], "no object around a task")
            break
        whole = self.text.strip()
        self.found.whole = self.found.whole or (whole.startswith("[") and whole.endswith("]"))
        self.found.rest = rest
        return self.found

    def _take(self, value: Any, after: int) -> None:
        inside = list(_tasks_of(value))
        if inside:
            self.found.tasks += map(_task, inside)
            self.found.whole = self.found.whole or inside != [value]
            self.end = after

    def _reject(self, text: str, why: str) -> None:
        self.found.tasks.append(ParsedTask("", defect=ParseDefect(self.cut or "malformed", f"{why}: {clean(text)[:500]}")))
        self.end = len(self.text)

    def _lenient(self, at: int, quote: str) -> int:
        """Read one object that is not strict JSON. Return where to go on."""
        self.quote = quote
        limit = self._next_object(at)
        try:
            pairs, after = _pairs(self.text, at, limit, closed=bool(self.cut))
        except _Unclear as error:
            last = limit == len(self.text)
            rule = (self.cut if last else "") or "malformed"
            self.found.tasks.append(ParsedTask("", defect=ParseDefect(rule, f"{error}: {clean(self.text[at:limit])[:500]}")))
            self.end = limit
            return limit
        self.found.tasks.append(_task(pairs))
        self.end = after
        return after

    def _next_object(self, at: int) -> int:
        """Return where the next task begins, or the end of the text."""
        if self.starts is None:
            starts = [found.start() for found in _OBJECT.finditer(self.text) if found[1] == self.quote]
            self.starts = [start for start in starts if _BETWEEN.search(self.text, max(0, start - 200), start)]
        place = bisect_right(self.starts, at)
        return self.starts[place] if place < len(self.starts) else len(self.text)


class _Unclear(ValueError):
    """Raised when an object can be read in more than one way."""


def _pairs(text: str, at: int, limit: int, closed: bool) -> tuple[dict[str, Any], int]:
    """Return the keys and values of one object that is not strict JSON, and its end.

    Args:
        text: The whole reply.
        at: Where the object begins.
        limit: Where the next one begins.
        closed: True if an object without its closing brace counts as cut.
    """
    from json_repair import repair_json

    strings: list[str] = []
    structure, depth, place = "", 0, at
    previous, line_end = "{", False
    for _ in range(_MOST_TOKENS):
        token = _TOKEN.match(text, place, limit)
        if token is None:
            break
        place = token.end()
        if token["skip"] is not None:
            line_end = line_end or "\n" in token[0]
            continue
        if token["string"] or token["key"]:
            if previous not in "{[,:" and not line_end:
                raise _Unclear("a quotation mark inside a text")
            structure += f'"{len(strings)}"'
            strings.append(_string(token["string"]) if token["string"] else token[0])
            previous = "a"
        elif token["value"]:
            structure, previous = structure + _LITERALS.get(token[0].lower(), token[0]), "a"
        else:
            depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
            structure, previous = structure + token[0], token[0]
            if depth == 0 or depth > _MOST_DEPTH:
                break
        line_end = False
    if depth and (closed or clean(text[place:limit]).strip("`]}, \n")):
        raise _Unclear("not JSON")
    value = repair_json(structure, return_objects=True)
    if (
        not isinstance(value, dict)
        or depth > _MOST_DEPTH
        or re.findall(r'"(\d+)"', json.dumps(value)) != [str(n) for n in range(len(strings))]
    ):
        raise _Unclear("not JSON")
    return _filled(value, strings), place


_LITERALS = {"true": "true", "false": "false", "null": "null", "none": "null"}


def _filled(value: Any, strings: list[str]) -> Any:
    """Return a value with its strings in place of their numbers. The depth is bounded."""
    if isinstance(value, dict):
        keys = [strings[int(key)] for key in value]
        if len(set(keys)) < len(keys):
            raise _Unclear("a key occurs twice")
        return {key: _filled(inside, strings) for key, inside in zip(keys, value.values(), strict=True)}
    if isinstance(value, list):
        return [_filled(inside, strings) for inside in value]
    if isinstance(value, str):
        if not value.isdigit():
            raise _Unclear("a key without a value")
        return strings[int(value)]
    return value


def _string(token: str) -> str:
    """Return the text of a string. A backslash that begins no escape is kept, as in LaTeX and regular expressions."""
    inner = token[3:-3] if token.startswith('"""') and len(token) >= 6 else token[1:-1]
    if any(found[1] in ("n", "t", "r") and _LATEX.match(inner, found.start() + 1) for found in _ESCAPE.finditer(inner)):
        raise _Unclear("a backslash that may be part of its text")
    if not token.startswith("'") and any(_PYTHON.fullmatch(found[0]) for found in _ESCAPE.finditer(inner)):
        raise _Unclear("a backslash that may be part of its text")
    text = _ESCAPE.sub(_unescaped, inner)
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if "\\u" in inner else text


def _unescaped(found: re.Match[str]) -> str:
    if len(found[1]) > 1:
        code = int(found[1][1:], 16)
        return chr(code) if code < 0x110000 else found[0]
    return _ESCAPED.get(found[1], found[0])


def _tasks_of(value: Any) -> Iterator[Any]:
    """Yield the tasks in a value, whatever objects are around them."""
    waiting = [value]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, dict):
            if _fields(one):
                yield one
            elif isinstance(one.get("tasks"), list):
                yield from one["tasks"]
            else:
                waiting[:0] = [inside for inside in one.values() if isinstance(inside, dict | list)]
        elif isinstance(one, list):
            if any(isinstance(inside, dict) and _fields(inside) for inside in one):
                yield from one
            else:
                waiting[:0] = [inside for inside in one if isinstance(inside, dict | list)]


def _fields(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a task by name, or an empty dict if an object is not a task. Case does not matter."""
    named: dict[str, Any] = {}
    for key, text in value.items():
        name = key.strip().casefold()
        if name in _NAMES and name not in named:
            named[name] = text
    if "instruction" in named or len(named) > 1:
        return named
    other = [(field_of(key), text) for key, text in value.items()]
    found = {name: text for name, text in other if name}
    return found if len(found) == len([name for name, _ in other if name]) and {"instruction", "output"} <= set(found) else {}


def _task(value: Any) -> ParsedTask:
    """Return a task, with a defect if it is not an object with three texts."""
    if not isinstance(value, dict):
        return ParsedTask("", defect=ParseDefect("malformed", f"a task is {type(value).__name__}, not an object"))
    fields = _fields(value)
    texts = {name: fields.get(name) for name in _NAMES}
    if texts["input"] is None:
        texts["input"] = ""
    wrong = [name for name, text in texts.items() if not isinstance(text, str)]
    if wrong:
        return ParsedTask(clean(str(texts["instruction"] or "")), defect=ParseDefect("malformed", f"{wrong[0]} is not a text"))
    instruction, input, output = (clean(str(texts[name])) for name in _NAMES)
    if says_no_input(input):
        input = ""
    elif says_no_input(input.lstrip("\\")):
        input = input[1:]
    return ParsedTask(instruction, input, output)
