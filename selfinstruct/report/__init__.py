"""Read-only views of a run: status, integrity, estimate."""
