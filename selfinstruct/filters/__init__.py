"""Filters: reasons to reject a candidate. One file each. The contract is `Filter` in `contracts/filters.py`.

Filters that need only the instruction and input run first, each group in the order of names. The first filter that rejects
a candidate is the rule that is recorded.
"""
