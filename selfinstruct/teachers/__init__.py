"""Teachers: the models that answer, or what stands in for one. One file each, by the contract in `contracts/teachers.py`.

- `openai`: any endpoint that speaks OpenAI's API
- `_batches`: OpenAI's Batch API, used by `openai` alone
- `local`: a small model inside this process
- `scripted`: answers from a file or a function

A teacher's function takes the recipe's [generate] part and returns a Teacher. It imports heavy packages when it is called,
not before.
"""
