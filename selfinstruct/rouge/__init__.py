"""ROUGE-L against everything that came before, deciding as `rouge_score` does, and quickly.

index      the door: texts in, neighbours out
tokens     what is compared
measure    the F-measure
words      a number for each token
encoding   texts as numbers, and what a pool of them answers
compiled   a pool in C (the folder `kernel`)
portable   the same without anything to compile
library    how the compiled code is found
"""

from __future__ import annotations

from selfinstruct.rouge.index import RougeIndex as RougeIndex
