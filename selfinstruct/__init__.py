"""Make an instruction-tuning dataset from seed tasks and a teacher model.

    import selfinstruct as si

    run = si.Run("runs/first", num=200)
    dataset = run.generate()
    run.to_hf(dataset)  # a datasets.Dataset

The names below are public. So are `selfinstruct.errors`, `selfinstruct.contracts` and `selfinstruct.dedup.deduplicate.dedup`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from selfinstruct.curate.dataset import Dataset as Dataset
    from selfinstruct.records import Example as Example
    from selfinstruct.records import Rejection as Rejection
    from selfinstruct.rouge import RougeIndex as RougeIndex
    from selfinstruct.run import Run as Run
    from selfinstruct.teachers.scripted import Scripted as Scripted

_MODULES = {
    "Run": "run",
    "Dataset": "curate.dataset",
    "Example": "records",
    "Rejection": "records",
    "RougeIndex": "rouge",
    "Scripted": "teachers.scripted",
}
__all__ = ["Dataset", "Rejection", "Example", "RougeIndex", "Run", "Scripted"]


def __getattr__(name: str) -> Any:
    """Load the module of a public name when the name is first used, so that importing the package is quick."""
    if name not in _MODULES:
        raise AttributeError(f"module 'selfinstruct' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"selfinstruct.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
