"""Tasks on passages of your own documents. Each answer quotes the words of the passage that support it."""

from __future__ import annotations

import random
import re
import unicodedata
from dataclasses import dataclass, replace
from typing import Any

from selfinstruct.contracts import Ask, Method, MethodContext, Option, Turn
from selfinstruct.errors import UserMistake, setting
from selfinstruct.methods._answer import INSTRUCTION_TOKENS
from selfinstruct.records import Candidate, ParseDefect, Passage, Reply, clean
from selfinstruct.text import COLONS, WITHOUT_SPACES

PROMPT = "documents"
KINDS = ("question", "task")
SECTIONS = {
    **dict.fromkeys(KINDS, frozenset({"passage", "title", "steering"})),
    **dict.fromkeys(("answer", "answer_plain"), frozenset({"passage", "title", "instruction", "answer_language"})),
}
OPTIONS = {
    "kinds": Option("both", "tasks to ask for on each passage", choices=("both", *KINDS)),
    "quote": Option("verified", "reject answers without a quote that stands in the passage", choices=("verified", "none")),
    "quote_in": Option("provenance", "where the quote goes", choices=("provenance", "output")),
    "passage_in": Option("input", "where the passage goes", choices=("input", "provenance")),
}

_ENDS = ("\nPassage",)  # a model that completes texts goes on with another passage
_LEAST_WORDS = 3  # of a quote: a single word such as "the" supports nothing
# The labels of the prompts in the languages that most replies are in.
_QUOTE = (
    "quotation|引用|引用文|引文|引述|인용|인용문|cita|citation|zitat|citação|цитата|الاقتباس|اقتباس|उद्धरण"
    "|ข้อความอ้างอิง|อ้างอิง|คำพูด|nukuu"
)
_ANSWER = "回答|答案|答え|解答|답변|답|respuesta|réponse|antwort|resposta|ответ|الإجابة|إجابة|الجواب|उत्तर|คำตอบ|jibu"
_ASKED = (
    "问题|問題|質問|任务|任務|課題|질문|과제|pregunta|tarea|tâche|frage|aufgabe|pergunta|tarefa|вопрос|задание|السؤال|المهمة"
    "|प्रश्न|कार्य|คำถาม|งาน|swali|kazi"
)
_QUOTE_LINE = re.compile(rf"^[ \t>*_#-]*(?:quote|{_QUOTE})[ \t*_]*[{COLONS}][ \t*_]*", re.IGNORECASE | re.MULTILINE)
_ANSWER_LINE = re.compile(rf"^[ \t>*_#-]*(?:answer|{_ANSWER})[ \t*_]*[{COLONS}][ \t*_]*", re.IGNORECASE | re.MULTILINE)
_LABEL = re.compile(rf"[*_#]*(?:{_ASKED}|{_ANSWER})[ \t*_]*[{COLONS}][ \t*_]*", re.IGNORECASE)
_QUOTATION_MARKS = (
    "\"'`\u00b4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d\u300e\u300f\uff02\uff07"
)
_DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d"
_UNSEEN = "*_\u00ad\u200b\u200c\u200d\u2060\ufeff"  # signs of Markdown's emphasis, and characters of no width
_AROUND = f"{_QUOTATION_MARKS}*_ \t\n"
# Words, or letters where a script puts no spaces between words.
_WORD = re.compile(rf"[{WITHOUT_SPACES}]|\w+")


def documents(context: MethodContext) -> Method:
    """Ask for a question or task on a passage of your own documents, then for its answer with a quote that is verified."""
    return _Documents(context)


class _Documents:
    rows_at_most = 1
    asks_per_task = 1

    def __init__(self, context: MethodContext) -> None:
        self.context = context
        if not context.passages:
            raise UserMistake(f"{setting('documents')}: the method 'documents' needs some. Fix: set it to a folder or a file.")
        options = context.options
        self.verified = options["quote"] == "verified"
        self.quote_in_output = options["quote_in"] == "output"
        self.passage_in_input = options["passage_in"] == "input"
        self.section = "answer" if self.verified else "answer_plain"
        self.kinds = KINDS if options["kinds"] == "both" else (options["kinds"],)
        context.prompt.require(*self.kinds, self.section)
        self.passages = {passage.id: passage for passage in context.passages}
        self._orders: dict[int, list[int]] = {}
        self._first_kinds = {number: place % len(self.kinds) for place, number in enumerate(self._order(0))}

    async def propose(self, turn: Turn, ask: Ask) -> list[Candidate]:
        """Return a question or a task on this turn's passage. The passage becomes its input."""
        passage, kind = self._passage_and_kind(turn.index)
        draw = await turn.draw()
        text = draw.fill(kind, passage=passage.text, title=passage.title)
        notation = self.context.notation
        sampling = dict(notation.sampling())
        if self.context.prompt.notation == "plain":  # one task is expected
            sampling.setdefault("max_tokens", INSTRUCTION_TOKENS)
        reply = await ask(turn.key, self.context.request("propose", turn.key, text, completion_stop=_ENDS, **sampling))
        tasks = notation.parse(_without_label(text, reply.text), reply.finish_reason)
        input = passage.text if self.passage_in_input else ""
        # A notation may bring an output too. The answer is still asked for, because then the passage is in the prompt.
        tasks = [replace(task, input=input, output=None) for task in tasks]
        return draw.candidates(turn.key, tasks, passage=self._trace(passage), kind=kind)

    async def solve(self, candidate: Candidate, ask: Ask) -> list[Candidate]:
        """Return the task with its answer. The answer's quote is looked up in the passage."""
        passage = self.passages[candidate.trace["passage"]["id"]]
        values = {"passage": passage.text, "title": passage.title, "instruction": candidate.task.instruction}
        language = self.context.answer_language(candidate)
        prompt = self.context.prompt.fill(self.section, **values, answer_language=language)
        key = f"{candidate.key}.{candidate.position}/solve"
        reply = await ask(key, self.context.request("solve", key, prompt, completion_stop=_ENDS))
        text = clean(_without_label(prompt, reply.text))
        answer = self._checked(text, passage, reply) if self.verified else _Answer(text)
        if reply.filtered:
            answer = replace(answer, defect=ParseDefect("content_filter", "the provider cut the answer"))
        task = replace(candidate.task, output=answer.text, defect=answer.defect, cut=reply.cut)
        trace = {**candidate.trace, **({"quote": answer.quote} if answer.quote else {})}
        return [replace(candidate, task=task, solved_by=key, trace=trace)]

    def _passage_and_kind(self, index: int) -> tuple[Passage, str]:
        """Return the passage and the kind of a root request: all passages in a random order, then in another, kinds swapped."""
        times, place = divmod(index, len(self.context.passages))
        number = self._order(times)[place]
        kind = self.kinds[(self._first_kinds[number] + times) % len(self.kinds)]
        return self.context.passages[number], kind

    def _order(self, times: int) -> list[int]:
        if times not in self._orders:
            order = list(range(len(self.context.passages)))
            random.Random(f"{self.context.seed}/passages/{times}").shuffle(order)
            self._orders[times] = order
        return self._orders[times]

    def _trace(self, passage: Passage) -> dict[str, Any]:
        place: dict[str, Any] = {"id": passage.id, "document": passage.document, "title": passage.title}
        place |= {"start": passage.start, "length": len(passage.text)}
        return place if self.passage_in_input else {**place, "text": passage.text}

    def _checked(self, text: str, passage: Passage, reply: Reply) -> _Answer:
        """Return the answer without its quote, and the quote as the passage has it, or a defect."""
        before, quote = _quoted(text)
        if not quote:
            defect = ParseDefect("no_quote")
            if reply.cut:
                defect = ParseDefect("truncated", "the reply ended at the token limit, before its quote")
            return _Answer(text, defect=defect)
        place = _place(quote, passage.text)
        answer = text if self.quote_in_output else before
        if not place:
            return _Answer(answer, defect=ParseDefect("unsupported_quote", quote))
        start, end = place
        return _Answer(answer, {"text": passage.text[start:end], "start": start})


@dataclass(frozen=True)
class _Answer:
    text: str
    quote: dict[str, Any] | None = None
    defect: ParseDefect | None = None


def _without_label(prompt: str, text: str) -> str:
    """Return a reply without the label, such as `Question:`, that the prompt ends with and the reply may repeat.

    Where the prompt ends with a begun quote, put that beginning before the reply instead, if the reply lacks it.
    """
    label = prompt.rstrip().rpartition("\n")[2]
    text = text.lstrip()
    if _QUOTE_LINE.match(label):
        return text if _QUOTE_LINE.match(text) else label + text
    if not label.endswith(":"):
        return text
    repeats = text[: len(label)].replace("\uff1a", ":").casefold() == label.casefold()
    named = _LABEL.match(text)
    return text[len(label) :] if repeats else text[named.end() :] if named else text


def _quoted(text: str) -> tuple[str, str]:
    """Return an answer without its quote, and the quote: the text after `Quote:`, up to an `Answer:` if one follows."""
    line = _QUOTE_LINE.search(text)
    if line is None:
        return text, ""
    if after := _ANSWER_LINE.search(text, line.end()):
        return text[after.end() :].strip(), text[line.end() : after.start()].strip(_AROUND)
    return text[: line.start()].rstrip(), text[line.end() :].strip(_AROUND)


def _place(quote: str, passage: str) -> tuple[int, int] | None:
    """Return the start and the end of a quote in a passage, or None.

    Case and the characters for spaces, quotation marks and dashes do not matter. A full stop or a comma at the end of the quote
    may belong to the quoting sentence.
    """
    sought, _ = _plain(quote)
    text, places = _plain(passage)
    for form in (sought.strip(), sought.strip(' .,;:"')):
        start = text.find(form)
        if form and start >= 0 and len(_WORD.findall(form)) >= min(_LEAST_WORDS, len(_WORD.findall(text))):
            return places[start], places[start + len(form) - 1] + 1
    return None


def _plain(text: str) -> tuple[str, list[int]]:
    """Return a text as quotes are compared, and the position in the original of each of its characters."""
    plain: list[str] = []
    places: list[int] = []
    for place, sign in enumerate(text):
        if sign in _UNSEEN:
            continue
        if sign in _QUOTATION_MARKS:
            form = '"'
        elif sign in _DASHES:
            form = "-"
        elif sign.isspace():
            form = " " if plain and plain[-1] != " " else ""
        else:
            form = unicodedata.normalize("NFKD", sign).casefold()
        plain += form
        places += [place] * len(form)
    return "".join(plain), places
