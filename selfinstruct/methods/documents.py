"""Tasks from the user's own documents: a passage is shown, and the answer gives the words of the passage that it rests on."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from selfinstruct.contracts import Ask, Method, MethodContext, Turn
from selfinstruct.errors import UserMistake
from selfinstruct.methods._answer import INSTRUCTION_TOKENS
from selfinstruct.records import Candidate, ParseDefect, Passage, Reply, clean
from selfinstruct.text import WITHOUT_SPACES

PROMPT = "documents"
KINDS = ("question", "task")
SECTIONS = {
    **dict.fromkeys(KINDS, frozenset({"passage", "title", "steering"})),
    **dict.fromkeys(("answer", "answer_plain"), frozenset({"passage", "title", "instruction"})),
}

_ENDS = ("\nPassage",)  # a model that completes texts goes on with a passage of its own
_LEAST_WORDS = 3  # of a quote: one word of a passage, such as "the", supports nothing
_QUOTE_LINE = re.compile(r"^[ \t>*_#-]*quote[ \t*_]*:[ \t*_]*", re.IGNORECASE | re.MULTILINE)
_ANSWER_LINE = re.compile(r"^[ \t>*_#-]*answer[ \t*_]*:[ \t*_]*", re.IGNORECASE | re.MULTILINE)
_QUOTATION_MARKS = (
    "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d\u300e\u300f\uff02\uff07"
)
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_UNSEEN = "*_\u00ad\u200b\u200c\u200d\u2060\ufeff"  # signs of Markdown's emphasis, and characters of no width
_AROUND = f"{_QUOTATION_MARKS}*_ \t\n"
# Words, or letters where a script puts no spaces between words.
_WORD = re.compile(rf"[{WITHOUT_SPACES}]|\w+")


def documents(setting: MethodContext) -> Method:
    """A question or task on a passage of your own documents; once admitted, it is answered with a quote that is verified."""
    return _Documents(setting)


class _Documents:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, setting: MethodContext) -> None:
        self.setting = setting
        if not setting.passages:
            raise UserMistake("the method `documents` has no documents; name a folder or a file of them (--documents)")
        kinds = setting.choice("kinds", "both", *KINDS)
        self.verified = setting.choice("quote", "verified", "none") == "verified"
        self.quote_in_output = setting.choice("quote_in", "provenance", "output") == "output"
        self.passage_in_input = setting.choice("passage_in", "input", "provenance") == "input"
        self.section = "answer" if self.verified else "answer_plain"
        self.kinds = KINDS if kinds == "both" else (kinds,)
        setting.prompt.require(*self.kinds, self.section)
        self.passages = {passage.id: passage for passage in setting.passages}
        self._orders: dict[int, list[int]] = {}
        self._first_kinds = {number: place % len(self.kinds) for place, number in enumerate(self._order(0))}

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """A question or a task on the passage whose turn it is, which becomes the input."""
        passage, kind = self._drawn(turn.index)
        prompt = await turn.fill(kind, passage=passage.text, title=passage.title)
        notation = self.setting.notation
        one: dict[str, Any] = {"max_tokens": INSTRUCTION_TOKENS} if self.setting.prompt.notation == "plain" else {}
        reply = await ask(turn.key, self.setting.request("propose", turn.key, prompt, ends=_ENDS, **one, **notation.sampling()))
        items = notation.parse(_without_label(prompt, reply.text), reply.finish_reason)
        input = passage.text if self.passage_in_input else ""
        # A notation may bring an output too: here the answer is always asked for, with the passage in sight.
        items = [replace(item, input=input, output=None) for item in items]
        return turn.candidates(turn.key, items, passage=self._trace(passage), kind=kind)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """The answer from the passage, with the quote that it ends in looked up there."""
        passage = self.passages[candidate.trace["passage"]["id"]]
        values = {"passage": passage.text, "title": passage.title, "instruction": candidate.item.instruction}
        prompt = self.setting.prompt.fill(self.section, **values)
        key = f"{candidate.key}.{candidate.position}/solve"
        reply = await ask(key, self.setting.request("solve", key, prompt, ends=_ENDS))
        text = clean(_without_label(prompt, reply.text))
        answer = self._checked(text, passage, reply) if self.verified else _Answer(text)
        if reply.filtered:
            answer = replace(answer, defect=ParseDefect("content_filter", "the provider cut the answer"))
        item = replace(candidate.item, output=answer.text, defect=answer.defect, cut=reply.cut)
        trace = {**candidate.trace, **({"quote": answer.quote} if answer.quote else {})}
        return [replace(candidate, item=item, solved_by=key, trace=trace)]

    def _drawn(self, index: int) -> tuple[Passage, str]:
        """The passage and the kind of a root request: all passages in a random order, then in another, kinds swapped."""
        times, place = divmod(index, len(self.setting.passages))
        number = self._order(times)[place]
        kind = self.kinds[(self._first_kinds[number] + times) % len(self.kinds)]
        return self.setting.passages[number], kind

    def _order(self, times: int) -> list[int]:
        if times not in self._orders:
            order = list(range(len(self.setting.passages)))
            random.Random(f"{self.setting.seed}/passages/{times}").shuffle(order)
            self._orders[times] = order
        return self._orders[times]

    def _trace(self, passage: Passage) -> dict[str, Any]:
        place: dict[str, Any] = {"id": passage.id, "document": passage.document, "title": passage.title}
        place |= {"start": passage.start, "length": len(passage.text)}
        return place if self.passage_in_input else {**place, "text": passage.text}

    def _checked(self, text: str, passage: Passage, reply: Reply) -> _Answer:
        """The answer without its quote, and the quote as it stands in the passage, or what is wrong with it."""
        before, quote = _quoted(text)
        if not quote:
            why = (
                ParseDefect("truncated", "the reply ended at the token limit, before its quote")
                if reply.cut
                else ParseDefect("no_quote")
            )
            return _Answer(text, defect=why)
        found = _found(quote, passage.text)
        answer = text if self.quote_in_output else before
        if not found:
            return _Answer(answer, defect=ParseDefect("unsupported_quote", quote))
        start, end = found
        return _Answer(answer, {"text": passage.text[start:end], "start": start})


@dataclass(frozen=True)
class _Answer:
    text: str
    quote: dict[str, Any] | None = None
    defect: ParseDefect | None = None


def _without_label(prompt: str, text: str) -> str:
    """A reply without the label, such as `Question:`, that the prompt ends with, where the reply says it again.

    A quote that the prompt has begun for the teacher is completed.
    """
    label = prompt.rstrip().rpartition("\n")[2]
    text = text.lstrip()
    if _QUOTE_LINE.match(label):
        return text if _QUOTE_LINE.match(text) else label + text
    repeats = label.endswith(":") and text[: len(label)].casefold() == label.casefold()
    return text[len(label) :] if repeats else text


def _quoted(text: str) -> tuple[str, str]:
    """An answer without its quote, and the quote: all that follows `Quote:`, but for an `Answer:` that follows it."""
    line = _QUOTE_LINE.search(text)
    if line is None:
        return text, ""
    if after := _ANSWER_LINE.search(text, line.end()):
        return text[after.end() :].strip(), text[line.end() : after.start()].strip(_AROUND)
    return text[: line.start()].rstrip(), text[line.end() :].strip(_AROUND)


def _found(quote: str, passage: str) -> tuple[int, int] | None:
    """Where a quote stands in a passage, whatever signs are used for spaces, quotation marks and dashes, in any case.

    A full stop or a comma that ends the quote may be the quoting sentence's own.
    """
    sought, _ = _plain(quote)
    text, places = _plain(passage)
    for form in (sought.strip(), sought.strip(' .,;:"')):
        start = text.find(form)
        if form and start >= 0 and len(_WORD.findall(form)) >= min(_LEAST_WORDS, len(_WORD.findall(text))):
            return places[start], places[start + len(form) - 1] + 1
    return None


def _plain(text: str) -> tuple[str, list[int]]:
    """A text as quotes are compared, and the place in the text of each of its characters."""
    plain: list[str] = []
    places: list[int] = []
    for place, sign in enumerate(text):
        if sign in _UNSEEN:
            continue
        if sign in _QUOTATION_MARKS:
            sign = '"'
        elif sign in _DASHES:
            sign = "-"
        elif sign.isspace():
            sign = " " if plain and plain[-1] != " " else ""
        else:
            sign = unicodedata.normalize("NFKD", sign).casefold()
        plain += sign
        places += [place] * len(sign)
    return "".join(plain), places
