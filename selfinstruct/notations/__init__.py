"""Notations: ways to write tasks in a prompt and to read them from a reply. The contract is in `contracts/notations.py`.

- `numbered`: Alpaca's list of finished tasks
- `listed`: a numbered list of instructions
- `json`: one JSON object, for structured output
- `plain`: one instruction alone
"""
