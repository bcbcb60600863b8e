"""Load what requests are made from: seed tasks, prompts, documents and topics.

- `seeds`: seed tasks
- `seed_check`: the problems of a seed file
- `prompts`: prompt files
- `documents`: the passages of documents
- `chunking`: split a text into passages
- `topics`: topics and their quotas
- `language_check`: inputs in another language than the tasks will be in
- `json_lines`: read passages and topics back from a run directory
- `snapshot`: all inputs of a run, and their copies in its run directory
"""
