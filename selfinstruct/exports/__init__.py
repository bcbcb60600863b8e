"""Exports: the rows of a run in another shape. One file each. The contract is `Export` in `contracts/exports.py`.

- `alpaca_json`: one JSON array, as Stanford's `alpaca_data.json`
- `messages`: one chat a line, for trainers that take chats
"""
