"""Formats: how a row is written. One file each; contract in `contracts.py`."""
