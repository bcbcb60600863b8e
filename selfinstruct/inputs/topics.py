"""Load the topics that tasks are about, each with its quota.

Supported are a text file with one topic on each line, and any table (see `tables`) with a column `topic` and, if wanted,
the columns `quota` and `about`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from selfinstruct.errors import TopicError, setting
from selfinstruct.inputs.json_lines import read_objects
from selfinstruct.records import Topic
from selfinstruct.tables.detect import ENDINGS, exists, open_tables, table_errors_as
from selfinstruct.tables.rows import Rows, Table, type_name
from selfinstruct.text import read_text

_COLUMNS = ("topic", "quota", "about")
_TEXT = ".txt"
_WITHOUT_NUMBERS = ("csv", "tsv")  # kinds of tables in which every cell is text
_FIELDS = {"name": str, "quota": float, "about": str}


def load(path: str | Path) -> tuple[Topic, ...]:
    """Load the topics of a file, in its order.

    Raises: TopicError, with the line where there is one, when the file cannot be read or a topic is missing or repeated.
    """
    file = Path(path)
    if not exists(file):
        raise TopicError(f"{path}: no such file. Fix: check the path.")
    if not file.is_file():
        raise TopicError(f"{path}: is not a file. Fix: set {setting('topics')} to a file.")
    ending = file.suffix.lower()
    if ending not in (_TEXT, *ENDINGS):
        raise TopicError(
            f"{path}: kind of file not supported. "
            f"Fix: rename it to end in {_TEXT} (one topic on each line) or {', '.join(ENDINGS)} (tables)."
        )
    topics = _read_lines(file) if ending == _TEXT else _read_table(file)
    return _distinct(topics, str(path), "remove one of them")


def to_row(topic: Topic) -> dict[str, Any]:
    """Return a topic as a JSON object."""
    return asdict(topic)


def read_copy(path: str | Path) -> tuple[Topic, ...]:
    """Return the topics of a file of JSON lines, each as `to_row` gives it.

    Raises: TopicError with the line when one is not a topic, or is repeated.
    """
    rows = read_objects(Path(path), _FIELDS, "topic", TopicError)
    return _distinct(((place, _stored_topic(row, place)) for place, row in rows), str(path), "restore the original file")


def row_quotas(topics: Sequence[Topic], num: int) -> dict[str, int]:
    """Return the most rows that each topic may have in a dataset of `num` rows, by its name.

    The quotas divide `num`. The topics with the largest remainders are rounded up, of equal remainders the earlier ones.
    A topic with a small quota can have 0 rows.
    """
    quotas = [Fraction(topic.quota) for topic in topics]
    total = sum(quotas)
    shares = [num * quota / total for quota in quotas]
    counts = [math.floor(share) for share in shares]
    by_remainder = sorted(range(len(topics)), key=lambda place: counts[place] - shares[place])
    for place in by_remainder[: num - sum(counts)]:
        counts[place] += 1
    return {topic.name: count for topic, count in zip(topics, counts, strict=True)}


def _distinct(placed: Iterable[tuple[str, Topic]], path: str, fix: str) -> tuple[Topic, ...]:
    """Return the topics, which come with their places. Raises TopicError if one is repeated or there are none."""
    topics: list[Topic] = []
    places: dict[str, str] = {}
    for place, topic in placed:
        name = topic.name.casefold()
        if name in places:
            raise TopicError(f"{place}: the topic {topic.name!r} is repeated (first at {places[name]}). Fix: {fix}.")
        places[name] = place
        topics.append(topic)
    if not topics:
        raise TopicError(f"{path}: has no topics. Fix: add at least one.")
    return tuple(topics)


def _read_lines(path: Path) -> Iterator[tuple[str, Topic]]:
    for number, line in enumerate(read_text(path, TopicError).split("\n"), 1):
        name = " ".join(line.split())
        if name and not name.startswith("#"):
            yield f"{path}:{number}", Topic(name)


def _read_table(path: Path) -> Iterator[tuple[str, Topic]]:
    with table_errors_as(TopicError):
        for table in open_tables(str(path)):
            _check_columns(table.name, table.columns)
            for rows in table.batches():
                for place, row in enumerate(_rows(table, rows)):
                    where = rows.where(place)
                    yield where, _topic(row, where, numbers_are_text=table.kind in _WITHOUT_NUMBERS)


def _rows(table: Table, rows: Rows) -> Iterator[Mapping[str, Any]]:
    """Yield each row, with those of the three columns that it has."""
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
        known = ", ".join(_COLUMNS)
        raise TopicError(f"{where}: unknown column {unknown[0]!r} (known are {known}). Fix: rename or remove it.")
    if "topic" not in listed:
        raise TopicError(f"{where}: has no column 'topic' (there are: {', '.join(listed) or 'none'}). Fix: add one.")


def _topic(row: Mapping[str, Any], where: str, *, numbers_are_text: bool) -> Topic:
    texts = {}
    for name in ("topic", "about"):
        value = row.get(name)
        if value is not None and not isinstance(value, str):
            raise TopicError(f"{where}: {name} must be text (got {type_name(value)}). Fix: correct it.")
        texts[name] = " ".join((value or "").split())
    if not texts["topic"]:
        raise TopicError(f"{where}: the topic is empty. Fix: fill it in, or remove the row.")
    quota = row.get("quota")
    if numbers_are_text and isinstance(quota, str):
        quota = _number(quota.strip())
    return Topic(texts["topic"], _quota(quota, where), texts["about"])


def _stored_topic(row: Mapping[str, Any], where: str) -> Topic:
    if not row["name"]:
        raise TopicError(f"{where}: the name is empty. Fix: restore the original file.")
    return Topic(row["name"], _quota(row["quota"], where), row["about"])


def _number(text: str) -> float | str | None:
    """Return the number in a cell, None for an empty cell, or the text itself if it is not a number."""
    try:
        return float(text) if text else None
    except ValueError:
        return text


def _quota(value: Any, where: str) -> float:
    """Return a quota, which is 1 where none is given."""
    if value is None:
        return 1.0
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool):
        try:
            number = float(value)
        except (OverflowError, ValueError):
            number = math.inf
        if 0 < number < math.inf:
            return number
    raise TopicError(
        f"{where}: quota must be a positive number (got {str(value)[:60]!r}). Fix: correct it, or remove it for a quota of 1."
    )
