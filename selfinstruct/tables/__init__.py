"""Read and write tables of any supported kind, a batch of rows at a time and without loss.

- `detect`: find out the kind of a file, and open it
- `rows`: the types that tables of all kinds have in common
- `columns`: the texts of rows, by the names of columns or by paths
- `paths`: a value inside a row, by its path
- `json_values`: values for which JSON has no type
- `file_table`: read a file from its start, and know how much has been read
- `jsonl`: JSON Lines, with one object on each line
- `json`: one JSON array of objects, read element by element
- `csv`: CSV and TSV
- `arrow`: Parquet and Arrow files
- `hub`: data sets that the package `datasets` loads by name
- `writers`: files of chosen rows
"""
