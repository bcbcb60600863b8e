"""The files of a run directory.

- `definition`: the recipe and the inputs of a run, and what may change when it is continued
- `manifest`: `run.json`, and the inputs as the run used them
- `derived_files`: the files that follow from the journal
- `dataset_card`: the derived `README.md`
- `exporting`: the rows, written through an export
"""
