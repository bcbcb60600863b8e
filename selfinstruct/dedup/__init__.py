"""Remove near-duplicates from any table, by exact ROUGE-L.

- `deduplicate`: the function `dedup`
- `single_pass`: decide on each row in one pass, and count
"""
