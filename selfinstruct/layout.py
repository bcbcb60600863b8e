"""File names of a run directory."""

from __future__ import annotations

SEEDS, PROMPT, SOURCE, PASSAGES, TOPICS = "seeds.jsonl", "prompt.txt", "source.jsonl", "passages.jsonl", "topics.jsonl"

RUN, JOURNAL, LOCK = "run.json", "journal.jsonl", ".lock"

DATASET, PROVENANCE, REJECTED, CARD = "dataset.jsonl", "provenance.jsonl", "rejected.jsonl", "README.md"
NAMES = (DATASET, PROVENANCE, REJECTED, CARD)
