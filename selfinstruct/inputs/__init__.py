"""Load what requests are made from: seed tasks, prompts, documents, topics and languages.

- `seeds`: seed tasks
- `seed_check`: the problems of a seed file
- `prompts`: prompt files
- `documents`: the passages of documents
- `chunking`: split a text into passages
- `topics`: topics and their quotas
- `languages`: the names of languages
- `json_lines`: read passages and topics back from a run directory
- `snapshot`: all inputs of a run, and their copies in its run directory
"""
