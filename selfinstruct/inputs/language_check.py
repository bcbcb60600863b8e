"""Notice inputs in another language than the tasks will be asked for in, before anything is paid."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from selfinstruct.errors import UserMistake, setting
from selfinstruct.inputs.snapshot import Inputs
from selfinstruct.languages.codes import ENGLISH, name_of
from selfinstruct.languages.detection import Guess, detect
from selfinstruct.recipe.schema import Generate

_LOOKED_AT = 200  # texts of a kind, spread over all of them
_MOST = 0.8  # share of texts in one language, from which they count as being in it
_SURE = 0.6  # score of one text
_LETTERS = 12  # of one text, where a letter of a script without spaces counts as three
_ALL_LETTERS = 60  # of all texts together


def check(inputs: Inputs, generate: Generate) -> None:
    """Raise UserMistake if most seeds, tasks to evolve or passages are in another language than English.

    It is meant for a run whose recipe names no language. Bundled seeds are in English.
    """
    kinds: list[tuple[str, str, Iterable[str]]] = []
    if generate.seeds:
        kinds.append((generate.seeds, "seeds", [seed.instruction for seed in inputs.seeds]))
    if generate.source:
        kinds.append((generate.source, "tasks", [task.instruction for task in inputs.source]))
    if generate.documents:
        kinds.append((generate.documents, "passages", [passage.text for passage in inputs.passages]))
    for name, noun, texts in kinds:
        if code := other_language(list(texts)):
            raise UserMistake(
                f"{name}: most {noun} are in {name_of(code)}, and the tasks would be in English (got no language). "
                f"Fix: set {setting('language', code)}, or {setting('language', ENGLISH)} if they are to be in English."
            )


def other_language(texts: list[str]) -> str:
    """Return the code of the language that most texts are in, or "" if it is English or not sure."""
    step = max(1, len(texts) // _LOOKED_AT)
    guesses = [guess for guess in map(detect, texts[::step]) if guess.letters >= _LETTERS]
    sure: list[Guess] = [guess for guess in guesses if guess.score >= _SURE and guess.other_than(ENGLISH)]
    if sum(guess.letters for guess in sure) < _ALL_LETTERS:
        return ""
    code, count = Counter(guess.language for guess in sure).most_common(1)[0]
    return code if count >= _MOST * len(guesses) else ""
