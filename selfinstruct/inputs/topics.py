"""Topics that tasks are to be about, each with its quota.

Read are a text file with a topic a line, and any table file (see `tables`) with a column `topic`, and `quota` and `about` where
they are wanted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from selfinstruct.errors import TableError, TopicError
from selfinstruct.records import Topic
from selfinstruct.tables.detect import is_there, opened
from selfinstruct.tables.rows import Rows, Table, called

_COLUMNS = ("topic", "quota", "about")
_TABLES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".gz", ".parquet", ".pq", ".arrow", ".feather")
_OF_TEXT = ("csv", "tsv")  # kinds of tables in which a number is a text
_FIELDS = {"name": str, "quota": float, "about": str}


def load(path: str | Path) -> tuple[Topic, ...]:
    """The topics of a file, in its order; raises TopicError with file and line."""
    file = Path(path)
    if not is_there(file):
        raise TopicError(f"{path}: no such file; check the path")
    if not file.is_file():
        raise TopicError(f"{path}: is no file; name a file of topics")
    if file.suffix.lower() not in (".txt", *_TABLES):
        raise TopicError(
            f"{path}: is of no kind that is read: a topic a line ends in .txt, a table in {', '.join(_TABLES)}; rename it"
        )
    lines = _of_text(file) if file.suffix.lower() == ".txt" else _of_table(file)
    return _distinct(lines, str(path), "remove one")


def as_row(topic: Topic) -> dict[str, Any]:
    """A topic as an object of JSON."""
    return asdict(topic)


def read(path: str | Path) -> tuple[Topic, ...]:
    """The topics of a file that has one a line, as `as_row` gives them; raises TopicError with the line."""
    lines = enumerate(_bytes(Path(path)).split(b"\n"), 1)
    rows = ((where, _topic(line, where)) for where, line in ((f"{path}:{number}", line) for number, line in lines) if line)
    return _distinct(rows, str(path), "copy the file anew")


def caps(topics: Sequence[Topic], num: int) -> dict[str, int]:
    """The most rows of each topic in a dataset of `num` rows: shares by quota, rounded so that they are `num` together.

    Those with the largest remainders are rounded up, of equal ones those that come first; a small share can be 0.
    """
    quotas = [Fraction(topic.quota) for topic in topics]
    whole = sum(quotas)
    shares = [num * quota / whole for quota in quotas]
    counts = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(topics)), key=lambda place: counts[place] - shares[place])
    for place in by_remainder[: num - sum(counts)]:
        counts[place] += 1
    return {topic.name: count for topic, count in zip(topics, counts, strict=True)}


def _distinct(lines: Iterable[tuple[str, Topic]], path: str, remedy: str) -> tuple[Topic, ...]:
    topics: list[Topic] = []
    places: dict[str, str] = {}
    for where, topic in lines:
        name = topic.name.casefold()
        if name in places:
            raise TopicError(f"{where}: the topic {topic.name!r} is there already ({places[name]}); {remedy}")
        places[name] = where
        topics.append(topic)
    if not topics:
        raise TopicError(f"{path}: has no topics in it; give it at least one")
    return tuple(topics)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TopicError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from None


def _of_text(path: Path) -> Iterator[tuple[str, Topic]]:
    raw = _bytes(path)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        byte = error.start + 1 + len(raw) - len(error.object)
        raise TopicError(f"{path}: is not UTF-8 text (byte {byte:,}); save it as UTF-8") from None
    for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        name = " ".join(line.split())
        if name and not name.startswith("#"):
            yield f"{path}:{number}", Topic(name)


def _of_table(path: Path) -> Iterator[tuple[str, Topic]]:
    with _as_topic_errors():
        for table in opened(str(path)):
            _check_columns(table.name, table.columns)
            for rows in table.batches():
                for place, row in enumerate(_rows(table, rows)):
                    yield rows.where(place), _of_row(row, rows.where(place), quota_is_text=table.kind in _OF_TEXT)


@contextmanager
def _as_topic_errors() -> Iterator[None]:
    try:
        yield
    except TableError as error:
        raise TopicError(str(error)) from None


def _rows(table: Table, rows: Rows) -> Iterator[Mapping[str, Any]]:
    """Each row with what there is of the three columns."""
    if table.columns is not None:
        names = [name for name in _COLUMNS if name in table.columns]
        for values in zip(*(rows.column(name) for name in names), strict=True):
            yield dict(zip(names, values, strict=True))
        return
    for place in range(len(rows)):
        row = json.loads(rows.json(place))
        _check_columns(rows.where(place), row)
        yield row


def _check_columns(where: str, names: Iterable[str] | None) -> None:
    if names is None:
        return
    listed = list(names)
    if unknown := [name for name in listed if name not in _COLUMNS]:
        raise TopicError(f"{where}: {unknown[0]!r} is none of the columns {', '.join(_COLUMNS)}; rename or remove it")
    if "topic" not in listed:
        raise TopicError(f"{where}: has no column 'topic'; give one (there are: {', '.join(listed) or 'none'})")


def _of_row(row: Mapping[str, Any], where: str, *, quota_is_text: bool) -> Topic:
    texts = {}
    for name in ("topic", "about"):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise TopicError(f"{where}: the {name} is {called(value)} and not text; mend it")
        texts[name] = " ".join((value or "").split())
    if not texts["topic"]:
        raise TopicError(f"{where}: the topic is empty; fill it or remove the row")
    quota = row.get("quota")
    if quota_is_text and isinstance(quota, str):
        quota = _number(quota.strip())
    return Topic(texts["topic"], _quota(quota, where), texts["about"])


def _number(text: str) -> Any:
    """The number that a text is, None for an empty one, the text itself if it is no number."""
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _quota(value: Any, where: str) -> float:
    if value is None:
        return 1.0
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            number = float(value)
        except (OverflowError, ValueError):
            number = math.inf
        if 0 < number < math.inf:
            return number
    raise TopicError(f"{where}: the quota is a positive number (it is {str(value)[:60]!r}); mend it, or leave it out for 1")


def _topic(line: bytes, where: str) -> Topic:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        raise TopicError(f"{where}: is not valid JSON; copy the file anew") from None
    if not isinstance(row, dict) or {name: type(value) for name, value in row.items()} != _FIELDS or not row["name"]:
        fields = ", ".join(f"{name} ({called(kind())})" for name, kind in _FIELDS.items())
        raise TopicError(f"{where}: is no topic, which is an object with {fields}; copy the file anew")
    return Topic(row["name"], _quota(row["quota"], where), row["about"])
