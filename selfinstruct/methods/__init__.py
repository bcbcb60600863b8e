"""Methods: how tasks come to be. One file each; contract in `contracts.py`."""
