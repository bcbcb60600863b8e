"""Decide which candidates become rows, without asking a teacher."""
