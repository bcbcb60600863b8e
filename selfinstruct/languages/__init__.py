"""Languages: their codes and names, the language of a text, and words that mean the same in many of them.

- `codes`: read language codes, and name languages
- `detection`: tell which language a text is written in, without a network
- `no_input`: the spellings of "no input"
"""
