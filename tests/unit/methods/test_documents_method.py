"""The method `documents`: tasks on passages, answers with verified quotes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from selfinstruct.contracts import Draw, Method, MethodContext
from selfinstruct.errors import PromptError, RecipeError, RequestRefused, UserMistake
from selfinstruct.generate.options import checked
from selfinstruct.inputs import prompts
from selfinstruct.methods import documents as method
from selfinstruct.notations.plain import plain
from selfinstruct.records import Candidate, ParsedTask, Passage, Reply, Request

PLANTS = Passage(
    "plants.md#1", "plants.md", "House plants", 10,
    "Most house plants \u2014 as the gardener\u2019s \u201cfirst rule\u201d goes \u2014 die of **too much** water.\n"
    "Water them only when the\nsoil is dry. In winter, once in two weeks is enough.",
)  # fmt: skip
SHOP = Passage("shop.txt#1", "shop.txt", "The shop", 0, "The shop sells postcards and maps. It is open on Sunday.")
PROMPT = prompts.load("documents")


class Turn:
    """A turn that asks for Swahili."""

    def __init__(self, index: int, context: MethodContext) -> None:
        self.index, self.context, self.key = index, context, str(index)

    async def draw(self, seeds: int = 0, generated: int = 0, **_: Any) -> Draw:
        assert not seeds and not generated, "documents need no seeds"
        return Draw(self.context.prompt, self.context.rng(self.index), language="Swahili", trace={"language": "sw"})


class Asked:
    """A teacher with one reply for every proposal and another reply for every task to solve."""

    def __init__(self, proposal: str = "Why?", answer: str = "", finish: str = "stop") -> None:
        self.proposal, self.answer, self.finish = proposal, answer, finish
        self.requests: dict[str, Request] = {}

    async def __call__(self, key: str, request: Request) -> Reply:
        assert key not in self.requests, "a key stands for one request"
        self.requests[key] = request
        solving = key.endswith("/solve")
        finish = self.finish if solving else "stop"
        return Reply(self.answer if solving else self.proposal, finish, "m", None, "h")

    def said(self, key: str) -> str:
        return self.requests[key].messages[-1]["content"]


def made(*passages: Passage, **options: Any) -> tuple[MethodContext, Method]:
    context = MethodContext((), PROMPT, plain(), 3, values(**options), passages=passages or (PLANTS,))
    return context, method.documents(context)


def values(**options: Any) -> Mapping[str, Any]:
    return checked(method.documents, "documents", options, "options").values


def proposed(ask: Asked, index: int = 0, passages: tuple[Passage, ...] = (PLANTS,), **options: Any) -> Candidate:
    context, made_method = made(*passages, **options)
    [candidate] = asyncio.run(made_method.propose(Turn(index, context), ask))
    return candidate


def solved(answer: str, finish: str = "stop", proposal: str = "When do plants need water?", **options: Any) -> Candidate:
    """Return a task that one method object proposed and another solved, as when a run directory is built again."""
    ask = Asked(proposal, answer, finish)
    candidate = proposed(ask, **options)
    [done] = asyncio.run(made(**options)[1].solve(candidate, ask))
    assert done.solved_by == "0.0/solve" and done.trace["language"] == "sw"
    return done


def test_the_bundled_prompt_has_exactly_the_sections_of_the_method() -> None:
    PROMPT.check(method.SECTIONS)
    PROMPT.require(*method.SECTIONS, "domain", "topic", "language", "answer_language")
    assert PROMPT.notation == "plain" and PROMPT.can_steer


def test_a_proposed_task_has_its_passage_as_input() -> None:
    ask = Asked(" Question: When do plants need water? ")
    candidate = proposed(ask, kinds="question")
    assert candidate.task == ParsedTask("When do plants need water?", PLANTS.text)
    assert PLANTS.text in ask.said("0") and PLANTS.title in ask.said("0") and "Write in Swahili." in ask.said("0")
    assert "{{" not in ask.said("0") and ask.requests["0"].sampling == {"max_tokens": 96}
    where = {"id": "plants.md#1", "document": "plants.md", "title": "House plants", "start": 10, "length": len(PLANTS.text)}
    assert candidate.trace == {"language": "sw", "passage": where, "kind": "question"}


def test_the_passage_can_go_to_the_provenance_instead_of_the_input() -> None:
    candidate = proposed(Asked(), passage_in="provenance")
    assert candidate.task.input == "" and candidate.trace["passage"]["text"] == PLANTS.text
    done = solved('Dry. \nQuote: "once in two weeks"', passage_in="provenance")
    assert done.task.input == "" and done.task.defect is None and done.trace["quote"]["text"] == "once in two weeks"


def passages_and_kinds(count: int, passages: int = 5, **options: Any) -> list[tuple[str, str]]:
    texts = tuple(Passage(f"{number}", "d", "t", 0, f"Text {number}.") for number in range(passages))
    context, one = made(*texts, **options)
    found = []
    for index in reversed(range(count)):  # in any order: what is drawn depends on the index alone
        ask = Asked()
        [candidate] = asyncio.run(one.propose(Turn(index, context), ask))
        assert f"Text {candidate.trace['passage']['id']}." in ask.said(str(index))
        section = PROMPT.sections[candidate.trace["kind"]].split("\n")[0]
        assert ask.said(str(index)).startswith(section)
        found.append((candidate.trace["passage"]["id"], candidate.trace["kind"]))
    return found[::-1]


def test_every_passage_is_used_once_before_any_is_used_again_with_the_other_kind() -> None:
    rounds = passages_and_kinds(20)
    first, second, third = rounds[:5], rounds[5:10], rounds[10:15]
    assert [{id for id, _ in part} for part in (first, second, third)] == [set("01234")] * 3
    other = {"question": "task", "task": "question"}
    assert {id: other[kind] for id, kind in first} == dict(second)
    assert dict(first) == dict(third)
    assert len({tuple(id for id, _ in part) for part in (first, second, third, rounds[15:])}) > 1, "each time in another order"
    assert sorted(kind for _, kind in first).count("question") in (2, 3)
    assert rounds == passages_and_kinds(20)
    assert {kind for _, kind in passages_and_kinds(12, kinds="task")} == {"task"}


def test_a_verified_quote_moves_from_the_answer_to_the_provenance() -> None:
    done = solved('Answer: When the soil is dry.\n\nQuote: "Water them only when the soil is dry."')
    assert done.task == ParsedTask("When do plants need water?", PLANTS.text, "When the soil is dry.")
    quote = done.trace["quote"]
    assert quote["text"] == "Water them only when the\nsoil is dry." == PLANTS.text[quote["start"] :][: len(quote["text"])]
    first = solved('Quote: "Water them only when the soil is dry."\nAnswer: When the soil is dry.')
    assert (first.task, first.trace["quote"]) == (done.task, quote), "the quote may come first"
    kept = solved('It is so.\nQuote: "Soil is dry."', quote_in="output")
    assert kept.task.output == 'It is so.\nQuote: "Soil is dry."' and kept.trace["quote"]["text"] == "soil is dry."


def test_the_request_for_an_answer_shows_the_passage_and_the_instruction() -> None:
    given: list[tuple[dict[str, Any], str]] = [({}, "answer"), ({"quote": "none"}, "answer_plain")]
    for options, section in given:
        ask = Asked("When do plants need water?", "x")
        candidate = proposed(ask, **options)
        asyncio.run(made(**options)[1].solve(candidate, ask))
        values = {"passage": PLANTS.text, "title": PLANTS.title, "instruction": "When do plants need water?"}
        assert ask.said("0.0/solve") == PROMPT.fill(section, **values)


@pytest.mark.parametrize(
    "quote",
    [
        "\"Most house plants - as the gardener's 'first rule' goes - die\"",
        "\u201cWATER   them only\nwhen the soil\u201d",
        "in winter, once in two weeks is enough",
        '"die of too much water."',
        "**\u00abdie of **too much** water\u00bb**",
        '"Water them only when the soil,"',
    ],
)
def test_a_quote_may_differ_in_case_spaces_quotation_marks_and_dashes(quote: str) -> None:
    for label in ("Quote: ", "**Quote:** ", "- QUOTE : "):
        done = solved(f"Yes.\n{label}{quote}")
        assert (done.task.defect, done.task.output) == (None, "Yes.")
        found = done.trace["quote"]
        assert PLANTS.text[found["start"] :].startswith(found["text"]) and len(found["text"].split()) >= 3


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("When the soil is dry.", "no_quote"),
        ('When dry.\nQuote: ""', "no_quote"),
        ('The quote: "Water them only when the soil is dry."', "no_quote"),
        ('Yes.\nQuote: "Water them when the soil is dry."', "unsupported_quote"),
        ('Yes.\nQuote: "Most house plants ... too much water"', "unsupported_quote"),
        ('Yes.\nQuote: "soil"', "unsupported_quote"),
        ('Yes.\nQuote: "."', "unsupported_quote"),
        ('Yes.\nQuote: "once in two weeks is enough"\n\nPassage: The shop sells postcards.', "unsupported_quote"),
        ('Yes.\nQuote: "Water them only"\nPassage: x\nAnswer: y\nQuote: "once in two weeks"', "unsupported_quote"),
    ],
)
def test_an_answer_without_a_quote_from_the_passage_has_a_defect(answer: str, rule: str) -> None:
    done = solved(answer)
    assert done.task.defect is not None and done.task.defect.rule == rule and "quote" not in done.trace
    assert done.task.output, "rejected.jsonl shows the answer"
    assert rule == "no_quote" or done.task.defect.detail


def test_a_short_passage_can_be_quoted_whole() -> None:
    short = Passage("a#1", "a", "A", 0, "Closed Sundays")
    ask = Asked("When is it closed?", 'On Sundays.\nQuote: "closed sundays"')
    candidate = proposed(ask, passages=(short,))
    [done] = asyncio.run(made(short)[1].solve(candidate, ask))
    assert done.trace["quote"] == {"text": "Closed Sundays", "start": 0}


@given(st.text(alphabet='a\u00c9\u00df\u0130\ufb01 \n\u2014-"\u201d*_\u2026\uac00\u4f60.', min_size=1, max_size=60), st.data())
def test_any_words_copied_from_a_passage_are_found_in_it(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    quote = text[start : data.draw(st.integers(start + 1, len(text)))]
    found = method._place(quote, text)
    if len(method._WORD.findall(quote.replace("*", "").replace("_", ""))) >= 3 and re.search(r"\w\W*\w", quote):
        assert found is not None and 0 <= found[0] < found[1] <= len(text)
    if found:
        assert method._plain(text[slice(*found)])[0].strip(' .,;:"') in method._plain(quote)[0]


LABELS = (
    "Quote\uff1a|引用\uff1a|**引用\uff1a** |引用文\uff1a|Cita: |Zitat: |Citação: |Citation : |Цитата: "
    "|اقتباس: |उद्धरण: |ข้อความอ้างอิง: |인용: "
)


@pytest.mark.parametrize("label", LABELS.split("|"))
def test_a_label_may_be_in_the_language_of_the_answer(label: str) -> None:
    words = " ".join(PLANTS.text.split()[:5])
    done = solved(f"只有土干了才浇水。\n{label}“{words}”")
    assert done.task.defect is None and done.trace["quote"]["text"] == words
    assert done.task.output == "只有土干了才浇水。"


@pytest.mark.parametrize(
    "label", ["问题\uff1a", "Question\uff1a", "質問\uff1a", "Frage: ", "Вопрос: ", "السؤال: ", "प्रश्न: ", "คำถาม: "]
)
def test_a_repeated_label_of_the_question_is_taken_off(label: str) -> None:
    assert proposed(Asked(f"{label}多久浇一次水？"), kinds="question").task.instruction == "多久浇一次水？"  # noqa: RUF001


def test_replies_that_were_cut_or_filtered_are_marked() -> None:
    cut = solved("When the soil", "length")
    assert cut.task.cut and cut.task.defect is not None and cut.task.defect.rule == "truncated"
    with_quote = solved('Dry.\nQuote: "Water them only when', "length")
    assert with_quote.task.cut and with_quote.task.defect is None
    filtered = solved('Dry.\nQuote: "Water them only when the soil is dry."', "content_filter")
    assert filtered.task.defect is not None and filtered.task.defect.rule == "content_filter"
    free = solved('Dry.\nQuote: "x"', "length", quote="none")
    assert (free.task.output, free.task.cut, free.task.defect) == ('Dry.\nQuote: "x"', True, None)
    assert "quote" not in free.trace


def test_a_defect_of_a_proposed_task_stays() -> None:
    candidate = proposed(Asked("  "))
    assert candidate.task.defect is not None and candidate.task.defect.rule == "empty_reply"


def test_a_refused_answer_is_left_to_the_pipeline() -> None:
    async def refuse(key: str, request: Request) -> Reply:
        raise RequestRefused("no")

    with pytest.raises(RequestRefused):
        asyncio.run(made()[1].solve(proposed(Asked()), refuse))


def test_missing_documents_wrong_options_and_missing_sections_are_refused_before_anything_is_asked() -> None:
    with pytest.raises(UserMistake, match=r"^documents: the method .* Fix: set it to a folder or a file"):
        method.documents(MethodContext((), PROMPT, plain(), options=values()))
    for name, choices in {"kinds": "both, question, task", "quote": "verified, none", "quote_in": "provenance, output",
                          "passage_in": "input, provenance"}.items():  # fmt: skip
        with pytest.raises(RecipeError, match=f"^options.{name}: must be one of {choices} "):
            made(**{name: "x"})
    context, _ = made()
    assert set(context.options) == {"kinds", "quote", "quote_in", "passage_in"}
    without = replace(PROMPT, sections={name: text for name, text in PROMPT.sections.items() if name != "answer"})
    with pytest.raises(PromptError, match="no section 'answer'"):
        method.documents(MethodContext((), without, plain(), passages=(SHOP,), options=values()))
    method.documents(MethodContext((), without, plain(), passages=(SHOP,), options=values(quote="none")))
