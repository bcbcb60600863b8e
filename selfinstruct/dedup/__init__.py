"""Deduplicate any table by exact ROUGE-L."""
