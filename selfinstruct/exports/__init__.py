"""Exports: the rows of a run in another shape. One file each. The contract is `Export` in `contracts/exports.py`."""
