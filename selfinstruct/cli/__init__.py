"""The command line, one module per group of commands.

app           the commands `generate`, `build` and `cancel`, and the entry point `main`
inspection    the commands `status`, `fsck` and `show`
seeds         the command `seeds`
dedup         the command `dedup`
export        the command `export`
catalogue     the command `list`
output        messages of `generate`, `build` and `cancel`
costs         price, limits, estimates and spending in words
progress      progress line of `generate`
progress_bar  a progress line on a terminal or in a log file
terminal      formatting of counts, durations, US dollars and columns
"""
