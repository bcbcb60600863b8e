"""The append-only file of paid replies."""
