"""Teachers: who answers. One file each; contract in `contracts/teachers.py`.

A teacher's function takes the recipe's [generate] part and returns a Teacher; heavy packages are imported when it is
called, not before.
"""
