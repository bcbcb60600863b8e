"""Generation: what each root request draws, and the method that makes tasks of it.

- `assembly`: the methods of a run, made from its definition
- `options`: the options that a method declares, and those that a recipe sets
- `mixture`: several methods by weight, and coroutine functions as methods
- `turns`: seeds, generated tasks, topic and language of each root request
- `task_pool`: the tasks that the run has admitted, and the horizon below which they count
- `diversity`: weights that prefer what few admitted instructions are near to
- `ordering`: decisions in index order
- `lookahead`: how many root requests to begin
"""
