"""Decide which candidates become rows, without asking a teacher.

- `rules`: the filters that a recipe switches on, in their order
- `curator`: the verdict on each candidate
- `dataset`: the rows and the rejected candidates
"""
