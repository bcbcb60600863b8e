"""Filters: why a candidate is dropped. One file each; contract in `contracts.py`.

They run in the order of their names, those that need only the instruction first, and the first that drops is the rule
that is recorded.
"""
