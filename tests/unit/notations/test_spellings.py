"""Each way to spell the list comes out exactly, or the task is rejected: no text lands in another field."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from selfinstruct.languages.no_input import says_no_input
from selfinstruct.notations._marks import mark, separator
from selfinstruct.notations.numbered import numbered
from selfinstruct.records import Example

Spell = Callable[[int, str, str, str], str]
RULES = ("###", "---", "***", "___", "===", "* * *", "———")
WORDS = {
    "English": ("Instruction", "Input", "Output"),
    "other English": ("Task", "Context", "Response"),
    "Chinese": ("指令", "输入", "输出"),
    "Japanese": ("指示", "入力", "出力"),
    "Spanish": ("Instrucción", "Entrada", "Salida"),
    "Hindi": ("निर्देश", "इनपुट", "आउटपुट"),
    "Arabic": ("التعليمات", "المدخلات", "المخرجات"),
    "French": ("Consigne", "Entrée", "Réponse"),
    "Portuguese": ("Instrução", "Entrada", "Resposta"),
    "Russian": ("Инструкция", "Ввод", "Ответ"),
    "German": ("Anweisung", "Eingabe", "Ausgabe"),
    "Korean": ("지시", "입력", "출력"),
}


def spelled(
    each: str, *, between: str = "\n", words: str = "English", first: str = "", last: str = "", digits: str = "0123456789"
) -> Callable[[list[Example]], str]:
    """Return a writer of lists. `each` is a task with {n}, {i}, {x}, {o} for texts and {I}, {X}, {O} for headings."""
    I, X, O = WORDS[words]  # noqa: E741

    table = str.maketrans("0123456789", digits)

    def write(examples: list[Example]) -> str:
        tasks = []
        for n, example in enumerate(examples, 4):
            filled = each.replace("{I}", I).replace("{X}", X).replace("{O}", O).replace("{n}", str(n).translate(table))
            parts = {"{i}": example.instruction, "{x}": example.input or "<noinput>", "{o}": example.output}
            pieces = filled
            for key, text in parts.items():
                pieces = pieces.replace(key, text.replace("{", "\0"))
            tasks.append(pieces.replace("\0", "{"))
        return first + between.join(tasks) + last

    return write


def quoted(text: str) -> str:
    return "".join(f"> {line}\n" for line in text.split("\n"))


def indented(examples: list[Example]) -> list[Example]:
    """Return the examples as a Markdown list has them: each line of a text is indented."""
    return [
        Example(
            *(
                "\n".join("     " + line for line in text.split("\n"))
                for text in (one.instruction, one.input or "<noinput>", one.output)
            )
        )
        for one in examples
    ]


NUMBERED_THRICE = "{n}. {I}: {i}\n{n}. {X}:\n{x}\n{n}. {O}:\n{o}\n"
SPELLINGS: dict[str, Callable[[list[Example]], str]] = {
    "as asked": spelled("###\n" + NUMBERED_THRICE),
    "no separators": spelled(NUMBERED_THRICE),
    "prose first": spelled("###\n" + NUMBERED_THRICE, first="Sure! Here are the tasks:\n\n"),
    "bold": spelled("**{n}. {I}:** {i}\n**{n}. {X}:** {x}\n**{n}. {O}:** {o}\n", between="###\n"),
    "bold, colon outside": spelled("**{n}. {I}**: {i}\n**{n}. {X}**: {x}\n**{n}. {O}**: {o}\n", between="###\n"),
    "italic": spelled("*{n}. {I}:* {i}\n*{n}. {X}:* {x}\n*{n}. {O}:* {o}\n", between="\n"),
    "headings of level 2": spelled("## {n}. {I}: {i}\n## {n}. {X}:\n{x}\n## {n}. {O}:\n{o}\n"),
    "headings of level 4": spelled("#### {n}) {I}: {i}\n#### {n}) {X}:\n{x}\n#### {n}) {O}:\n{o}\n"),
    "bracket": spelled("{n}) {I}: {i}\n{n}) {X}:\n{x}\n{n}) {O}:\n{o}\n", between="###\n"),
    "full-width signs": spelled("{n}． {I}：{i}\n{n}． {X}：\n{x}\n{n}． {O}：\n{o}\n", between="###\n"),
    "number once": spelled("{n}. {I}: {i}\n{X}: {x}\n{O}: {o}\n", between="###\n"),
    "number once, bold": spelled("{n}. **{I}:** {i}\n   **{X}:** {x}\n   **{O}:** {o}\n"),
    "number after the word": spelled("{I} {n}: {i}\n{X} {n}: {x}\n{O} {n}: {o}\n", between="\n"),
    "heading with number": spelled("### {n}.\n**{I}:** {i}\n**{X}:** {x}\n**{O}:** {o}\n"),
    "heading Task": spelled("### Task {n}\n**{I}:** {i}\n**{X}:** {x}\n**{O}:** {o}\n"),
    "heading Task with a title": spelled("### Task {n}: On bees\n**{I}:** {i}\n\n**{X}:** {x}\n\n**{O}:**\n{o}\n"),
    "bold Task": spelled("**Task {n}**\n{I}: {i}\n{X}: {x}\n{O}: {o}\n", between="\n---\n\n"),
    "plain Task": spelled("Task {n}:\n{I}: {i}\n{X}: {x}\n{O}: {o}\n"),
    "bullets": spelled("{n}.\n- {I}: {i}\n- {X}: {x}\n- {O}: {o}\n"),
    "bold bullets": spelled("**{n}.**\n- **{I}:** {i}\n- **{X}:** {x}\n- **{O}:** {o}\n"),
    "no word for the instruction": spelled("{n}. {i}\n{X}: {x}\n{O}: {o}\n", between="###\n"),
    "no numbers, separators": spelled("{I}: {i}\n{X}: {x}\n{O}: {o}\n", between="###\n", first="###\n"),
    "no numbers, headings": spelled("### {I}:\n{i}\n\n### {X}:\n{x}\n\n### {O}:\n{o}\n"),
    "no numbers, headings without colon": spelled("## {I}\n{i}\n\n## {X}\n{x}\n\n## {O}\n{o}\n", between="\n---\n\n"),
    "no numbers, bold": spelled("**{I}:** {i}\n**{X}:** {x}\n**{O}:** {o}\n", between="\n---\n\n"),
    **{f"rule {rule}": spelled(NUMBERED_THRICE, between=f"\n{rule}\n\n") for rule in RULES},
    **{f"words: {name}": spelled(NUMBERED_THRICE, between="###\n", words=name) for name in WORDS},
    **{f"bold words: {name}": spelled("### {n}.\n**{I}**: {i}\n**{X}**: {x}\n**{O}**: {o}\n", words=name) for name in WORDS},
    "full-width words": spelled("{n}、{I}：{i}\n{X}：{x}\n{O}：{o}\n", between="\n", words="Chinese"),
    "block quote of headings": spelled("> **{I}:** {i}\n\n> **{X}:** {x}\n\n> **{O}:** {o}\n", between="\n---\n"),
    "block quote of all lines": lambda examples: quoted(spelled("**Task {n}**\n{I}: {i}\n{X}: {x}\n{O}: {o}\n")(examples)),
    "bold Task with a title": spelled("**Task {n}: On bees**\n\n**{I}:** {i}\n\n**{X}:** {x}\n\n**{O}:** {o}\n"),
    "number sign": spelled("#{n}\n{I}: {i}\n{X}: {x}\n{O}: {o}\n"),
    "Item": spelled("Item {n}\n{I}: {i}\n{X}: {x}\n{O}: {o}\n"),
    "Example": spelled("Example {n}:\n{I}: {i}\n{X}: {x}\n{O}: {o}\n", between="\n"),
    "number and dash": spelled("{n} - {I}: {i}\n{n} - {X}:\n{x}\n{n} - {O}:\n{o}\n", between="###\n"),
    "number and colon": spelled("{n}: {I}: {i}\n{n}: {X}: {x}\n{n}: {O}: {o}\n", between="\n"),
    "round brackets": spelled("({n}) {I}: {i}\n({n}) {X}: {x}\n({n}) {O}: {o}\n"),
    "square brackets": spelled("[{n}]\n{I}: {i}\n{X}: {x}\n{O}: {o}\n"),
    "words in brackets": spelled("[{I}]\n{i}\n[{X}]\n{x}\n[{O}]\n{o}\n", between="---\n"),
    "number sign after the word": spelled("{I} #{n}: {i}\n{X} #{n}: {x}\n{O} #{n}: {o}\n"),
    "Arabic digits": spelled(NUMBERED_THRICE, between="###\n", digits="٠١٢٣٤٥٦٧٨٩", words="Arabic"),
    "Devanagari digits": spelled(NUMBERED_THRICE, between="###\n", digits="०१२३४५६७८९", words="Hindi"),
    "full-width digits": spelled(
        "{n}、{I}：{i}\n{n}、{X}：{x}\n{n}、{O}：{o}\n", digits="０１２３４５６７８９", words="Japanese"
    ),
    **{
        f"level {level}": spelled(
            f"{'#' * level} {{n}}. {{I}}\n{{i}}\n{'#' * level} {{n}}. {{X}}\n{{x}}\n{'#' * level} {{n}}. {{O}}\n{{o}}\n"
        )
        for level in range(1, 7)
    },
    "upper case": spelled("{n}. INSTRUCTION: {i}\n{n}. INPUT: {x}\n{n}. OUTPUT: {o}\n"),
    "nested list": lambda examples: spelled("{n}. **{I}:**\n{i}\n   - **{X}:**\n{x}\n   - **{O}:**\n{o}\n")(indented(examples)),
    "line ends of Windows": lambda examples: SPELLINGS["bold"](examples).replace("\n", "\r\n"),
    "byte order mark": spelled(NUMBERED_THRICE, first="\ufeff###\n", between="###\n"),
    "closing line": spelled(NUMBERED_THRICE, between="###\n", last="\nLet me know if you would like more tasks!"),
    "closing line, bold": spelled(
        "**{I}:** {i}\n**{X}:** {x}\n**{O}:** {o}\n", last="\n---\n\nFeel free to ask for more examples."
    ),
    "both chat lines": spelled(
        "### Task {n}\n{I}: {i}\n{X}: {x}\n{O}: {o}\n", first="好的，以下是任务：\n\n", last="\n如果需要更多任务，请告诉我。"
    ),
    **{
        f"fence {fence}": spelled(
            "**{I}:** {i}\n**{X}:** {x}\n**{O}:** {o}\n", first=f"{fence}\n", last=fence[:4].rstrip("mt"), between="###\n"
        )
        for fence in ("```", "```markdown", "````", "~~~~text")
    },
    "Question and Solution": spelled("{n}. Question: {i}\n{n}. Context: {x}\n{n}. Solution: {o}\n"),
    "Prompt and Completion": spelled("**Prompt:** {i}\n**Context:** {x}\n**Completion:** {o}\n", between="\n***\n\n"),
    "input left out": lambda examples: SPELLINGS["number once"](examples).replace("Input: <noinput>\n", ""),
    "input left out, bold": lambda examples: SPELLINGS["no numbers, bold"](examples).replace("**Input:** <noinput>\n", ""),
    "zero-width": spelled("\u200b{n}. {I}: {i}\n\u200b{n}. {X}:\n{x}\n\u200b{n}. {O}:\n{o}\n", between="###\n"),
    "non-breaking spaces": spelled("{n}.\u00a0{I}:\u00a0{i}\n{n}.\u00a0{X}:\n{x}\n{n}.\u00a0{O}:\n{o}\n", between="###\n"),
}
LINES = [
    "1. Use a little smoke.", "2. Move slowly.", "4. Four", "5. Five", "- a bullet", "* another", "**bold**", "### A heading", "# Top",
    "###", "---", "***", "___", "```", "```python", "def f(x):", "    return x", "> quoted", "Input: 5", "Output: 9", "Answer: B",
    "Instruction: turn left", "9. Instruction: x", "9. Output: y", "**Output:** z", "Task 5:", "Task: do it", "### Task 9", "**Input**:",
    "输出：五", "Response:", "Let me know if you need more.", "None", "", "", "Plain words here.", "a: b", "Note:", "x = {1: 2}", "\\frac{a}{b}",
    "<noinput>", "| a | b |", "    deeply", "Entrada: 3", "Ответ: 4",
]  # fmt: skip
TEXTS = st.lists(
    st.sampled_from(LINES) | st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=8), min_size=1, max_size=5
).map("\n".join)
PLAIN = st.sampled_from(
    ["Name a river in Mali.", "Is this good?\nSay why.", "Write it in Python.", "描述这座城市。", "Erkläre es."]
)
EXAMPLES = st.builds(
    Example.of, st.one_of(PLAIN, TEXTS), st.one_of(st.just(""), TEXTS), st.one_of(TEXTS, TEXTS.map("Here it is.\n".__add__))
)
USABLE = EXAMPLES.filter(
    lambda one: all(
        text == trimmed(text) and not separator(text.rpartition("\n")[2]) for text in (one.instruction, one.input, one.output)
    )
).filter(lambda one: bool(one.instruction and one.output))


def is_undecidable(name: str, one: Example) -> bool:
    """Return True if a text of a task is written as the very heading that the spelling leaves out."""
    first = mark(one.instruction.split("\n")[0])
    if name == "no word for the instruction" and first and first.field != "item":
        return True
    if name.startswith("input left out") and one.input.startswith("<noinput>"):
        return True  # the writer above would leave out its beginning
    heads = [mark(line) for text in (one.instruction, one.output) for line in text.split("\n")]
    return name.startswith("input left out") and any(head.field == "input" for head in heads if head)


def trimmed(text: str) -> str:
    return text.strip("\u200b\ufeff\u2060 \t\n\u00a0\u3000")


def expected(examples: list[Example]) -> list[tuple[str, str, str]]:
    return [(one.instruction, "" if says_no_input(one.input) else one.input, one.output) for one in examples]


def accepted(text: str) -> list[tuple[str, str, str | None]]:
    """Return the tasks without a defect. A filter rejects a task without an instruction or an output."""
    tasks = [task for task in numbered().parse(text) if not task.defect]
    return [(task.instruction, task.input, task.output) for task in tasks if task.instruction and task.output]


@pytest.mark.slow
@pytest.mark.parametrize("name", SPELLINGS)
@settings(max_examples=120, derandomize=True, deadline=None)
@given(st.lists(USABLE, min_size=1, max_size=4))
def test_a_task_comes_out_exactly_or_is_rejected(name: str, examples: list[Example]) -> None:
    assume(not any(is_undecidable(name, one) for one in examples))
    text = SPELLINGS[name](examples)
    wrong = [task for task in accepted(text) if task not in expected(examples)]
    assert wrong == [], text


GOOD = [
    Example("Name three ways to keep bees calm.", "", "1. Use smoke.\n2. Move slowly.\n3. Choose a warm day."),
    Example("Rewrite it in the passive voice.", "The committee approved it.", "It was approved by the committee."),
    Example("Write a function that reverses a text.", "", "```python\ndef reverse(text):\n    return text[::-1]\n```"),
    Example(
        "Explain why the sky is blue.",
        "A child of five asks.",
        "Air scatters short waves more.\n\nSo blue light comes from all over.",
    ),
]


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("count", [1, 2, 4])
def test_usual_tasks_come_out_exactly(name: str, count: int) -> None:
    assert accepted(SPELLINGS[name](GOOD[-count:])) == expected(GOOD[-count:])
