"""Read data sets that the package `datasets` loads by name, from the hub or from its cache.

A name is NAME, NAME:CONFIG or NAME:CONFIG:SPLIT, such as `openai/gsm8k:main:test` or `tatsu-lab/alpaca::train`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from selfinstruct.errors import TableError
from selfinstruct.tables.arrow import ArrowRows, first_line, rows_per_batch


def load(name: str) -> list[HubTable]:
    """Return the splits of a data set in its own order, or only the one that is named.

    Raises: TableError if the data set cannot be loaded.
    """
    import datasets  # heavy, and only needed here

    path, _, rest = name.partition(":")
    config, _, split = rest.partition(":")
    datasets.disable_progress_bars()
    for library in ("huggingface_hub", "datasets"):  # their logs of each attempt would repeat the message below
        logging.getLogger(library).setLevel(logging.CRITICAL)
    try:
        dataset = datasets.load_dataset(path, config or None, split=split or None)
    except Exception as error:  # noqa: BLE001 (datasets raises dozens of types)
        raise TableError(
            f"{name}: no such file, and `datasets` cannot load it ({first_line(error.__cause__ or error)}). Fix: check the path, "
            "or give a data set as NAME, NAME:CONFIG or NAME:CONFIG:SPLIT."
        ) from None
    if split:
        return [HubTable(name, dataset)]
    return [HubTable(f"{path}:{config}:{part}", dataset[part]) for part in dataset]


class HubTable:
    """One split of a data set. It is written as Parquet, with the features of `datasets` in its schema."""

    kind = "parquet"
    compression = "SNAPPY"

    def __init__(self, name: str, split: Any) -> None:
        self.name = name
        self._split = split.with_format("arrow")
        self.schema = split.features.arrow_schema
        self.columns: tuple[str, ...] | None = tuple(self.schema.names)
        self.length: int | None = split.num_rows
        self.size = max(1, int(split.data.nbytes))
        self.done = 0

    def batches(self) -> Iterator[ArrowRows]:
        """Yield all rows."""
        length = self.length or 0
        step = rows_per_batch(length, self.size)
        for start in range(0, length, step):
            first = start + 1
            for batch in self._split[start : start + step].combine_chunks().to_batches():
                yield ArrowRows(self.name, self.kind, first, batch)
                first += batch.num_rows
            self.done = self.size * min(start + step, length) // max(1, length)

    def sha256(self) -> None:
        """Return None: a split is not one file."""
        return
