"""Read and resolve the settings of a run.

- `schema`: every setting with its type, limits, default and meaning
- `loading`: a recipe from a TOML file, checked
- `resolve`: the layers of settings, in one stated precedence
- `defaults`: defaults that depend on other settings
- `arguments`: the arguments of `Run`, as settings
- `credentials`: API keys and addresses from the environment
- `reference`: the table of all settings
"""
