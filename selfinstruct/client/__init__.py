"""Paid requests: rate limits, retries, budget, batches."""
