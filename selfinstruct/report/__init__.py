"""Read-only reports on a run.

status     progress as plain values, also of a running run
integrity  problems of a run directory
estimate   requests, tokens, US dollars and time that a run still needs
"""
