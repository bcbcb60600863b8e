"""File names in a run directory: the inputs as used, the records of the run, and the derived files."""

from __future__ import annotations

# Inputs as used
SEEDS, PROMPT, SOURCE, PASSAGES, TOPICS = "seeds.jsonl", "prompt.txt", "source.jsonl", "passages.jsonl", "topics.jsonl"

# Definition and replies, and the lock of the process that writes
RUN, JOURNAL, LOCK = "run.json", "journal.jsonl", ".lock"

# Derived from the others: `selfinstruct build` writes the same bytes again
DATASET, PROVENANCE, REJECTED, CARD = "dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md"
DERIVED = (DATASET, PROVENANCE, REJECTED, CARD)
