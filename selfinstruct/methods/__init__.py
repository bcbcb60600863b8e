"""Methods: ways to have a teacher invent tasks and solve them, one file each.

- `alpaca`: lists of finished tasks after a few seeds
- `alternating`: `few_shot` and `magpie` in turn
- `documents`: questions and tasks on passages of documents
- `evol`: tasks made harder or varied, round by round
- `few_shot`: one instruction after seeds shown as chat turns, then its answer
- `magpie`: one user turn that the model writes itself, then its answer
- `self_instruct`: instructions, then classification or not, then instances
- `_answer`: the step "solve" that methods with one task at a time share
"""
