"""Notations: how tasks are written in a prompt and read from a reply. One file each; contract in `contracts/notations.py`."""
