"""Every filter with texts that it rejects and near-misses that it accepts."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from typing import Any

import pytest

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext, Stage
from selfinstruct.curate.rules import rules
from selfinstruct.filters.refusal import _REFUSAL, refusal
from selfinstruct.records import Example, Rejection

FILTERS = plugins.names("filter")
CONTEXT = FilterContext(
    frozenset({"name a river.", "name a river", "why is that?", "why is that"}),
    {("translate this into french.", "hello"): "Bonjour"},
)
ALPACAS_WORDS = [
    "image", "images", "graph", "graphs", "picture", "pictures", "file", "files", "map", "maps", "draw", "plot", "go to",
    "video", "audio", "music", "flowchart", "diagram",
]  # fmt: skip
PHRASE = "the quick brown fox jumps over "
DISTINCT = " ".join(f"word{n}" for n in range(100))


def asks(*instructions: str) -> list[Example]:
    return [Example(instruction, "", "An answer.") for instruction in instructions]


def takes(*inputs: str) -> list[Example]:
    return [Example("Translate this into French.", input, "An answer.") for input in inputs]


def gives(*outputs: str) -> list[Example]:
    return [Example("Tell me something about that.", "Salt", output) for output in outputs]


CASES: dict[str, tuple[list[Example], list[Example]]] = {
    "control_characters": (
        [
            *asks("Name\x00 a river"),
            *takes("a\x07b", "\ud800"),
            *gives("\x1b[31m", "\x7f", "\x85", "\u202eabc", "caf\ufffd", "\uffff"),
        ],
        [
            *asks("Name a\triver\nor two"),
            *takes("\u00a0"),
            *gives("\U0001f468\u200d\U0001f469", "\u0645\u200c\u0646", "caf\u00e9"),
        ],
    ),
    "echoed_output": (
        [*gives("Salt", "salt", " SALT\n", "Tell me something about that.", "tell me  something about that.")],
        [*gives("Salt.", "Salty", ""), Example("Name it.", "", "")],
    ),
    "empty_instruction": (asks(""), asks("a", "?")),
    "empty_output": (
        gives("", "...", " - ", ".", "\n", "\u2026", "\u2014"),
        gives("0", "a", "5 - 3", "\u221a", "+", "\u304b", "\U0001f600"),
    ),
    "hallucinated_link": (
        [
            *gives("See https://www.nps.gov/yell/index.htm.", "Go to www.nps.gov", "HTTP://NPS.GOV/", "[here](https://bit.ly/x)"),
            *gives("https://example.com and https://nps.gov", "https://example.com.evil.org/a", "https://myexample.com/"),
            Example("What is at https://a.org/x?", "", "See https://b.org/x."),
        ],
        [
            *gives(
                "https://example.com/a?b=c", "http://www.example.org.", "http://localhost:8000/v1", "https://shop.example/cart"
            ),
            *gives("Use the https:// scheme", "www is short for World Wide Web", "Mail me@nps.gov"),
            Example("What is at https://a.org/x?", "", "At https://a.org/x, nothing."),
            Example("What is this?", "www.a.org", "www.a.org is a site."),
        ],
    ),
    "other_language": (
        asks("Erkläre bitte ausführlich, warum der Himmel am Abend rot wird.", "请解释为什么天空在傍晚会变成红色。")
        + gives("Je suis désolée, mais la boulangerie du village ferme toujours à midi le dimanche et les jours de fête."),
        asks(
            "Tell me why the sky is red.",
            "Erkläre das.",
            'Translate "Où sont les toilettes, je ne les trouve pas" to English.',
            "Translate into English: Où sont les toilettes, je ne les trouve pas",
        )
        + gives("def add(first, second):\n    return first + second", "Paris, Lyon, Marseille, Toulouse, Nice, Nantes, Lille")
        + [
            Example("Say it in French.", "", "Je suis désolée, mais la boulangerie du village ferme toujours à midi."),
            Example(
                "Sum this up.", "La boulangerie du village ferme à midi.", "La boulangerie du village ferme toujours à midi."
            ),
        ],
    ),
    "leaked_grammar": (
        [
            *asks("Name it. <noinput>"),
            *takes("a\n5. Input: b"),
            *gives("False\n\n4. Output: \nTrue", "**7. Instruction:** Sing", "1) output: 2"),
        ],
        [
            *asks("Explain what 4. Output means in this form."),
            *takes("Input: 5"),
            *gives("1. Outputs differ: yes", "In 4. Output: it is"),
        ],
    ),
    "no_input_spelling": (
        takes(
            "N/A", "n/a.", "None", "<no input>", "no_input", "(no input)", "No input required.", "No additional context", "Empty"
        ),
        takes(
            "", "None of them came.", "No input device found.", "NA is sodium", "Nowhere", "nil by mouth", "not", "blank verse"
        ),
    ),
    "non_ascii_start": (
        asks("\u00c9crivez un po\u00e8me.", "\u4f60\u597d", "\u201cName\u201d"),
        asks("", "Explain \u00e9tude.", "A\u00e9"),
    ),
    "placeholder_input": (
        takes(
            "[text]",
            "<paragraph>",
            "{{article}}",
            "[Insert text here]",
            "Your text here",
            "Sample text",
            "Lorem ipsum dolor",
            "...",
        )
        + takes("Dear [your name], thanks.", "Text: <insert a paragraph>", "xxx", "the sentence", "Article."),
        takes("", "Text messages cost 5 cents.", "[1, 2, 3]", "<b>bold</b> text", "The list is long.", "Dear Ana, thanks.")
        + takes("2 cups of flour (add more if it sticks)", "The fee is back (your bank may take a day).", "xx", ".."),
    ),
    "program_request": (
        asks("Write a program that sorts.", "Write a program"),
        asks("Write a poem about programs.", "Write the program notes.", "How do I write a program?", "Rewrite a program."),
    ),
    "punctuation_start": (
        asks(*(mark + "Name a river." for mark in string.punctuation)),
        asks("", "Name!", "7 rivers", "\u00bfQu\u00e9?"),
    ),
    "refusal": (
        gives("I'm sorry, but I can't help with that.", "I\u2019m sorry, but I cannot assist.", "Sorry, I am unable to do that.")
        + gives(
            "As an AI language model, I do not eat.",
            "I am an AI.",
            "Well, as a large language model, no.",
            "I cannot provide that.",
        )
        + gives(
            "Unfortunately, I can't open links.",
            "I'm just a chatbot.",
            "I don't have personal opinions.",
            "My knowledge cutoff is 2021",
        ),
        gives(
            "I'm sorry to hear that you are ill.", "As an aid to memory, sing.", "I cannot but agree.", "He said he cannot help."
        )
        + gives(
            "She works as an AI engineer in Accra.",
            "I'm sorry, but I can't come to your party on Saturday.",
            "Sorry about the noise.",
        ),
    ),
    "repetition": (
        [*gives(PHRASE * 20, "a" * 20, "ha" * 10, "\u304b" * 30, "so" + "!" * 25), *asks(PHRASE * 20, "z" * 40)],
        asks("")
        + gives(PHRASE * 15, DISTINCT, f"{DISTINCT} {DISTINCT.replace('word', 'term')}", "a" * 19, "ha" * 9)
        + gives(
            "Title\n" + "=" * 30, "a\n" + "-" * 40 + "\nb", "Name: " + "_" * 30, "Index " + "." * 30 + " 5", "|" + "---|" * 12
        ),
    ),
    "same_task": (
        [Example("Translate this into French.", "Hello", "Bonjour"), Example("translate THIS into french.", "hello", "Salut")],
        [Example("Translate this into French.", "Hi", "Bonjour"), Example("Translate this into German.", "Hello", "Bonjour")],
    ),
    "seed_echo": (
        asks("Name a river.", "name a river", "Name a river!", "NAME A RIVER ?", "Why is that", "Why is that."),
        asks("Name a river in Mali.", "Name rivers.", "A river", "Why"),
    ),
    "trailing_colon": (
        [*takes("Items:", "\u4f8b\uff1a"), *gives("Here is the list:", "1:")],
        [*takes("", "a: b"), *gives("It is 10:30", "Done: all of it.", ": a")],
    ),
    "truncated_output": (
        gives("one, two,", "The list:", "```\nx = 1", "a\n```py\nb\n```\n```"),
        gives("one, two", "The list: a", "```\nx = 1\n```", "Use ``` for code.", "a;", ""),
    ),
    "unfit_for_text": (
        asks(*(f"Please {word} this." for word in ALPACAS_WORDS), "Go to Paris.", "Make a DIAGRAM.", "Edit the image's caption."),
        asks("Write a paragraph.", "Imagine a profile.", "Describe a photograph.", "Tidy a drawer.", "Explain mapping.", "")
        + asks("Where do I go today?", "Sum up this plotline.", "Which musical is it?", "Discuss videography."),
    ),
    "word_count": (
        asks("", "a b c", " ".join(["w"] * 151), "Explain\u00a0photosynthesis now", "\u8bf4\u660e\u5427"),
        asks(
            "a b c d",
            " ".join(["w"] * 150),
            "\u8bf4\u660e\u539f\u56e0",
            "\u0e2d\u0e18\u0e34\u0e1a",
            "\u0f56\u0f7c\u0f51\u0f0b\u0f66\u0f90\u0f51",
        ),
    ),
}


def verdict(name: str, example: Example, context: FilterContext = CONTEXT, **options: Any) -> Rejection | None:
    return plugins.find("filter", name)(example, context, **options)  # type: ignore[no-any-return]


def test_every_filter_has_cases_here() -> None:
    assert tuple(sorted(CASES)) == FILTERS
    assert [name for name, (rejected, accepted) in CASES.items() if not rejected or not accepted] == []


def cases(side: int) -> list[Any]:
    return [
        pytest.param(
            name, example, id=f"{name}-{number}-" + ascii(f"{example.instruction}|{example.input}|{example.output}")[:60]
        )
        for name in CASES
        for number, example in enumerate(CASES[name][side])
    ]


@pytest.mark.parametrize(("name", "example"), cases(0))
def test_it_rejects(name: str, example: Example) -> None:
    rejection = verdict(name, example)
    assert isinstance(rejection, Rejection) and rejection.value is not None


@pytest.mark.parametrize(("name", "example"), cases(1))
def test_it_accepts(name: str, example: Example) -> None:
    assert verdict(name, example) is None


@pytest.mark.parametrize("word", ALPACAS_WORDS)
def test_each_of_alpacas_18_words_is_named_by_its_rejection(word: str) -> None:
    assert len(ALPACAS_WORDS) == len(set(ALPACAS_WORDS)) == 18
    assert verdict("unfit_for_text", Example(f"Please {word} it now.", "", "x")) == Rejection(word)
    assert verdict("unfit_for_text", Example(f"Please x{word} it now.", word, word)) is None


def test_filters_for_proposed_tasks_ignore_the_output() -> None:
    on_proposals = [name for name in FILTERS if getattr(plugins.find("filter", name), "stage", None) is Stage.PROPOSED]
    assert "word_count" in on_proposals and "refusal" not in on_proposals
    for name in on_proposals:
        for example in [*CASES[name][0], *CASES[name][1]]:
            assert (
                verdict(name, example)
                == verdict(name, replace(example, output=""))
                == verdict(name, replace(example, output="N/A"))
            )


def test_every_filter_accepts_empty_and_very_long_texts_as_arguments() -> None:
    for name in FILTERS:
        for text in ("", "\n" * 9, "word " * 20_000, "[" * 5000, "a" * 19 + " ", "\U0001f600" * 400):
            assert isinstance(verdict(name, Example(text, text, text)), Rejection | None)


def test_an_example_cut_at_the_token_limit_is_truncated_whatever_its_text() -> None:
    rejection = verdict("truncated_output", Example("Name it.", "", "A whole sentence."), replace(CONTEXT, cut=True))
    assert rejection is not None and "token limit" in str(rejection.value)


def test_same_task_tells_equal_outputs_from_other_outputs() -> None:
    same, other = (verdict("same_task", example) for example in CASES["same_task"][0])
    assert (same, other) == (Rejection("the same output"), Rejection("another output"))


@pytest.mark.parametrize(
    ("name", "options", "example"),
    [
        ("word_count", {"more_than": 0}, Example("Why?", "", "x")),
        ("word_count", {"at_most": 200}, Example("w " * 151, "", "x")),
        ("unfit_for_text", {"words": ["photo"]}, Example("Draw a map.", "", "x")),
        ("unfit_for_text", {"words": []}, Example("Draw a map.", "", "x")),
        ("repetition", {"at_most": 0.99}, Example("a", "", PHRASE * 20)),
        ("repetition", {"from_words": 500}, Example("a", "", PHRASE * 20)),
    ],
)
def test_an_option_changes_what_is_rejected(name: str, options: dict[str, Any], example: Example) -> None:
    (rule,) = rules({name: options})
    assert verdict(name, example) is not None
    assert rule.function(example, CONTEXT, **rule.options) is None


def test_a_rejection_names_the_limit_that_an_option_sets() -> None:
    assert verdict("word_count", Example("a b c d e f", "", "x"), at_most=5) == Rejection(6, [4, 5])


def test_the_quick_search_before_the_refusal_pattern_misses_no_refusal() -> None:
    pieces = "as an|As a|AI|a.i.|large|Language Model|chatbot|i|I|\u0131|'m|am|not|sorry|\u017forry|unfortunately|I apologise|so"
    pieces += "|can't|cannot|help|assist|my|training data|knowledge cutoff|don't have|access|personal opinions|just|a|,|.|\n"
    rng, rejected = random.Random(4), 0
    for _ in range(20_000):
        output = "".join(rng.choice(pieces.split("|")) + rng.choice([" ", " ", ""]) for _ in range(rng.randint(1, 7)))
        match = _REFUSAL.search(output)
        assert refusal(Example("a", "", output), CONTEXT) == (Rejection(match[0]) if match else None)
        rejected += match is not None
    assert rejected > 200
