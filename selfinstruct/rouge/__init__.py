"""Find near-duplicates by ROUGE-L, with the exact decisions of `rouge_score` but much faster.

- `index`: the index to use, which takes texts and returns neighbours
- `tokens`: the tokens that are compared
- `measure`: the F-measure
- `vocabulary`: a number for each token
- `pool`: texts as numbers, and the questions that a pool of them answers
- `pool_compiled`: a pool in C (the folder `kernel`)
- `pool_portable`: a pool on numpy and rapidfuzz, without compiled code of this package
- `kernel_ctypes`: load the compiled code
"""

from __future__ import annotations

from selfinstruct.rouge.index import RougeIndex as RougeIndex
