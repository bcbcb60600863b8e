"""Every filter with texts that it drops and near-misses that it keeps, and how filters are chosen."""

from __future__ import annotations

import random
import string
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from selfinstruct import plugins
from selfinstruct.contracts import FilterContext, Stage
from selfinstruct.curate.curator import Curator
from selfinstruct.curate.rules import rules
from selfinstruct.errors import PluginError, RecipeError
from selfinstruct.filters.refusal import _REFUSAL, refusal
from selfinstruct.recipe import overrides
from selfinstruct.recipe.defaults import settled
from selfinstruct.recipe.schema import Curate
from selfinstruct.records import Candidate, Example, ParsedTask, Rejection, Seed

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
        asks("a b c d", " ".join(["w"] * 150), "\u8bf4\u660e\u539f\u56e0", "\u0e2d\u0e18\u0e34\u0e1a"),
    ),
}


def verdict(name: str, example: Example, context: FilterContext = CONTEXT, **options: Any) -> Rejection | None:
    return plugins.find("filter", name)(example, context, **options)  # type: ignore[no-any-return]


def test_every_filter_has_cases_here() -> None:
    assert tuple(sorted(CASES)) == FILTERS
    assert [name for name, (dropped, kept) in CASES.items() if not dropped or not kept] == []


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
    drop = verdict(name, example)
    assert isinstance(drop, Rejection) and drop.value is not None


@pytest.mark.parametrize(("name", "example"), cases(1))
def test_it_accepts(name: str, example: Example) -> None:
    assert verdict(name, example) is None


@pytest.mark.parametrize("word", ALPACAS_WORDS)
def test_each_of_alpacas_18_words_is_what_the_drop_names(word: str) -> None:
    assert len(ALPACAS_WORDS) == len(set(ALPACAS_WORDS)) == 18
    assert verdict("unfit_for_text", Example(f"Please {word} it now.", "", "x")) == Rejection(word)
    assert verdict("unfit_for_text", Example(f"Please x{word} it now.", word, word)) is None


def test_a_filter_that_says_so_reads_the_instruction_and_input_alone() -> None:
    early = [name for name in FILTERS if getattr(plugins.find("filter", name), "stage", None) is Stage.PROPOSED]
    assert "word_count" in early and "refusal" not in early
    for name in early:
        for example in [*CASES[name][0], *CASES[name][1]]:
            assert (
                verdict(name, example)
                == verdict(name, replace(example, output=""))
                == verdict(name, replace(example, output="N/A"))
            )


def test_every_filter_takes_an_example_of_nothing_and_one_of_much() -> None:
    for name in FILTERS:
        for text in ("", "\n" * 9, "word " * 20_000, "[" * 5000, "a" * 19 + " ", "\U0001f600" * 400):
            assert isinstance(verdict(name, Example(text, text, text)), Rejection | None)


def test_a_reply_cut_in_an_example_is_truncation_whatever_the_example_says() -> None:
    drop = verdict("truncated_output", Example("Name it.", "", "A whole sentence."), replace(CONTEXT, cut=True))
    assert drop is not None and "token limit" in str(drop.value)


def test_the_same_task_says_whether_the_answer_is_the_same_too() -> None:
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
def test_an_option_changes_what_is_dropped(name: str, options: dict[str, Any], example: Example) -> None:
    (rule,) = rules({name: options})
    assert verdict(name, example) is not None
    assert rule.function(example, CONTEXT, **rule.options) is None


def test_a_drop_names_the_limit_that_an_option_set() -> None:
    assert verdict("word_count", Example("a b c d e f", "", "x"), at_most=5) == Rejection(6, [4, 5])


def test_filters_that_know_english_are_off_for_other_languages() -> None:
    english = {"no_input_spelling", "non_ascii_start", "placeholder_input", "program_request", "refusal", "unfit_for_text"}
    assert settled(Curate(language="en")).filters == dict.fromkeys(FILTERS, True)
    assert settled(Curate(language="fr")).filters == {name: name not in english for name in FILTERS}


def test_what_the_recipe_says_of_a_filter_wins_over_its_language() -> None:
    chosen = settled(Curate(language="fr", filters={"refusal": True, "word_count": {"at_most": 9}, "a.b:c": True})).filters
    assert chosen["refusal"] is True and chosen["word_count"] == {"at_most": 9} and chosen["a.b:c"] is True
    assert chosen["unfit_for_text"] is False and chosen["empty_output"] is True


def test_filters_switched_off_do_not_run_and_the_others_run_early_ones_first_by_name() -> None:
    found = rules(settled(Curate(filters={"refusal": False, "word_count": {"at_most": 9}})).filters)
    names = [rule.name for rule in found]
    early = [rule.name for rule in found if rule.stage is Stage.PROPOSED]
    assert sorted(names) == [name for name in FILTERS if name != "refusal"]
    assert names == sorted(early) + sorted(set(names) - set(early)) and early
    assert {rule.name: dict(rule.options) for rule in found if rule.options} == {"word_count": {"at_most": 9}}


@pytest.mark.parametrize("name", FILTERS)
def test_an_unknown_option_is_refused_with_those_that_there_are(name: str) -> None:
    with pytest.raises(RecipeError, match=f"filter '{name}': has no option 'colour'. Fix: remove it") as caught:
        rules({name: {"colour": 5}})
    if name == "word_count":
        assert str(caught.value).endswith("choose from more_than, at_most.")


def test_an_option_of_the_wrong_type_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(RecipeError, match="at_most"):
        rules({"word_count": {"at_most": "many"}})


PLUGIN = """
from selfinstruct.contracts import Stage, filter
from selfinstruct.records import Rejection

NUMBER = 5

def no_urls(example, context, *, scheme="http"):
    return Rejection(scheme) if scheme in example.output else None

@filter(stage=Stage.PROPOSED)
def shy(example, context):
    return Rejection("shouts") if example.instruction.isupper() else None

def anything(example, context, **options):
    return Rejection(options) if options else None

class House:
    @staticmethod
    def rule(example, context):
        return Rejection("in the house")
"""


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "plugin_of_filters.py").write_text(PLUGIN)
    monkeypatch.syspath_prepend(tmp_path)
    return "plugin_of_filters"


def test_a_filter_from_outside_is_found_by_module_and_function(plugin: str) -> None:
    shy, house, urls = rules({f"{plugin}:no_urls": {"scheme": "ftp"}, f"{plugin}:House.rule": True, f"{plugin}:shy": True})
    assert [shy.name, house.name, urls.name] == [f"{plugin}:shy", f"{plugin}:House.rule", f"{plugin}:no_urls"]
    assert [shy.stage, house.stage, urls.stage] == [Stage.PROPOSED, Stage.FINISHED, Stage.FINISHED]
    assert urls.function(Example("a", "", "ftp://x"), CONTEXT, **urls.options) == Rejection("ftp")


def test_a_filter_from_outside_runs_after_those_of_its_stage_and_is_recorded_by_its_name(plugin: str) -> None:
    names = [rule.name for rule in rules(settled(Curate(filters={f"{plugin}:shy": True, f"{plugin}:no_urls": True})).filters)]
    assert names[-1] == f"{plugin}:no_urls" and names.index(f"{plugin}:shy") == names.index("word_count") + 1
    decision = Curator([], Curate(filters={f"{plugin}:shy": True})).admit([Candidate("0", 0, ParsedTask("HEY YOU", "", "x"))])[0]
    assert (decision.rule, decision.value) == (f"{plugin}:shy", "shouts")


def test_a_filter_from_outside_with_an_unknown_option_is_refused(plugin: str) -> None:
    with pytest.raises(RecipeError, match=r"no option 'colour'\. Fix: remove it, or choose from scheme"):
        rules({f"{plugin}:no_urls": {"colour": 5}})


def test_a_filter_from_outside_may_take_any_option(plugin: str) -> None:
    (rule,) = rules({f"{plugin}:anything": {"colour": 5}})
    assert rule.function(Example("a", "", "b"), CONTEXT, **rule.options) == Rejection({"colour": 5})


def test_a_function_passed_by_itself_is_used_under_its_name() -> None:
    def never(example: Example, context: FilterContext) -> Rejection:
        return Rejection("never")

    name = overrides.name_of(never)
    decision = Curator([], Curate(filters={name: True}), {name: never}).admit([Candidate("0", 0, ParsedTask("a b", "", "x"))])[0]
    assert decision.rule == name and name.startswith(f"{__name__}:") and name.endswith("never")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such", ["no filter is named 'no_such'", "word_count", "package.module:function"]),
        ("", ["no filter is named ''"]),
        ("__init__", ["no filter is named"]),
        ("../methods/alpaca", ["no filter is named"]),
        ("no_such_module:f", ["'no_such_module' cannot be imported"]),
        ("os.no_such:f", ["cannot be imported"]),
        ("os:no_such", ["'os' has no 'no_such'"]),
        ("os:", ["'os' has no ''"]),
        ("os:sep", ["is str, not a function"]),
        (":f", ["':f'"]),
        (".x:f", ["'.x:f'"]),
    ],
)
@pytest.mark.parametrize("setting", [True, {"colour": 5}])
def test_a_bad_name_is_refused_in_a_sentence(name: str, words: list[str], setting: bool | dict[str, Any]) -> None:
    with pytest.raises(PluginError) as caught:
        rules({name: setting})
    message = str(caught.value)
    assert [word for word in words if word not in message] == [] and "\n" not in message


@pytest.mark.parametrize(
    ("text", "output", "rule"),
    [
        ("Draw a map of it.", "", "unfit_for_text"),
        ("?", "", "punctuation_start"),
        ("Draw", "", "unfit_for_text"),
        ("Name a river please.", "", "empty_output"),
        ("Name a river!", "The Niger.", "seed_echo"),
        ("Name a river please.", "As an AI model, no.", "refusal"),
    ],
)
def test_the_first_rule_that_drops_is_the_one_recorded(text: str, output: str, rule: str) -> None:
    curator = Curator([Seed("s", "", "Name a river.", (("", "x"),))], settled(Curate(rouge=1.0)))
    decision = curator.admit([Candidate("0", 0, ParsedTask(text, "", output))])[0]
    assert decision.rule == rule and not decision.accepted


def test_the_second_of_two_equal_tasks_is_dropped_and_a_third_input_is_not() -> None:
    curator = Curator([], settled(Curate(rouge=1.0)))
    items = [
        ParsedTask("Add up these numbers.", input, output) for input, output in [("2, 3", "5"), ("2, 3", "6"), ("4, 5", "9")]
    ]
    rules = []
    for number, item in enumerate(items):
        candidate = Candidate("0", number, item)
        assert curator.admit([candidate])[0].accepted
        decision = curator.check(candidate)
        rules.append(decision.rule)
        if decision.accepted:
            curator.keep(candidate)
    assert rules == [None, "same_task", None]


def test_what_is_not_looked_at_for_a_refusal_is_none() -> None:
    """The quick look before the pattern passes over nothing that the pattern would find."""
    pieces = "as an|As a|AI|a.i.|large|Language Model|chatbot|i|I|\u0131|'m|am|not|sorry|\u017forry|unfortunately|I apologise|so"
    pieces += "|can't|cannot|help|assist|my|training data|knowledge cutoff|don't have|access|personal opinions|just|a|,|.|\n"
    rng, dropped = random.Random(4), 0
    for _ in range(20_000):
        output = "".join(rng.choice(pieces.split("|")) + rng.choice([" ", " ", ""]) for _ in range(rng.randint(1, 7)))
        found = _REFUSAL.search(output)
        assert refusal(Example("a", "", output), CONTEXT) == (Rejection(found[0]) if found else None)
        dropped += found is not None
    assert dropped > 200
