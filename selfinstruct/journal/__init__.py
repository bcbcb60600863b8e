"""The journal of a run: every paid reply, the only thing that a run cannot recompute.

- `events`: the kinds of lines
- `file`: the file: append, read, lock, recover
- `totals`: the sums over all lines: calls, tokens, batches
"""
