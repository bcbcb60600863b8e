"""Anybody's rows: read a batch at a time, whatever they are in, and written so that nothing of a row is lost.

opening   which kind a name is
rows      what all kinds have in common
fields    a text of a row, by the name of its column or by a path into it
values    values that JSON has no type for
files     reading a file from its start, and knowing how far one is
jsonl     an object a line
json      one array of objects, never whole in memory
csv       cells with commas or tabs between them
arrow     Parquet and Arrow files
hub       what `datasets` loads by a name
kept      files of the rows that are kept
"""
