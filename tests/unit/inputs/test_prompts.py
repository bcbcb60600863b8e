"""Prompt files: what may stand in them, what is refused, and the ones that come with the package."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest

from selfinstruct import plugins
from selfinstruct.contracts import MethodContext, TeacherProfile, Turn
from selfinstruct.errors import PromptError
from selfinstruct.generate.options import checked
from selfinstruct.generate.turns import Turns
from selfinstruct.inputs import prompts
from selfinstruct.methods.alpaca import alpaca
from selfinstruct.packaged import folder
from selfinstruct.recipe.schema import Generate
from selfinstruct.records import Example, Reply, Request, Seed

HEADER = "name: mine\nnotation: numbered\nabout: for a test\n\n"
BUNDLED = sorted(prompts.available())
SEEDS = tuple(Seed(f"s{n}", f"s{n}", f"Instruction {n} {{{{count}}}}.", ((f"in {n}", f"out {n}"),)) for n in range(5))
REPLY = " Name a river.\n4. Input:\n<noinput>\n4. Output:\nThe Niger.\n###"


def write(folder: Path, text: str, name: str = "mine.txt") -> Path:
    path = folder / name
    path.write_bytes(text.encode())
    return path


def load(folder: Path, text: str) -> prompts.PromptFile:
    return prompts.load(write(folder, text))


def first_request(
    prompt: prompts.PromptFile, api: str = "chat", sampling: dict[str, Any] | None = None, **options: Any
) -> Request:
    """Return the request of the alpaca method for root request 0."""
    asked: list[Request] = []

    async def ask(key: str, request: Request) -> Reply:
        asked.append(request)
        return Reply(REPLY, "stop", "m", None, "h")

    notation = plugins.find("notation", prompt.notation)()
    profile = TeacherProfile(api=api, sampling=sampling or {"temperature": 1.0})
    chosen = checked(alpaca, "alpaca", options, "options")
    context = MethodContext(SEEDS, prompt, notation, 0, chosen.values, (profile,), step_options=chosen.by_step)
    asyncio.run(alpaca(context).propose(turn(0, context), ask))
    (request,) = asked
    return request


def turn(index: int, context: MethodContext) -> Turn:
    return Turns(Generate(), context.seeds).turn(index, context)


def text_of(request: Request) -> str:
    return request.prompt or request.messages[-1]["content"]


def test_header_and_sections_are_read(tmp_path: Path) -> None:
    prompt = load(tmp_path, HEADER + "=== system\nBe brief.\n\n===user\n\nLine 1\n\n  Line 2 \n\n")
    assert (prompt.name, prompt.notation, prompt.about) == ("mine", "numbered", "for a test")
    assert prompt.has("system") and prompt.has("user") and not prompt.has("solve")
    assert prompt.fill("system") == "Be brief."
    assert prompt.fill("user") == "Line 1\n\n  Line 2 "


def test_a_header_value_may_hold_a_colon_and_the_name_is_the_files_if_none_is_given(tmp_path: Path) -> None:
    prompt = load(tmp_path, "notation: plain\nabout: see https://example.org: it\n=== user\nx\n")
    assert (prompt.name, prompt.about) == ("mine", "see https://example.org: it")


def test_a_section_line_holds_nothing_else(tmp_path: Path) -> None:
    prompt = load(tmp_path, HEADER + "=== user\na === user\n=== not a section ===\n====\n")
    assert prompt.fill("user") == "a === user\n=== not a section ===\n===="


@pytest.mark.parametrize(
    "text",
    [
        '{"a": {"b": [1]}}',
        "{single}",
        "{ }",
        "{}",
        "100 % sure, %s %(count)s",
        "$count ${count} $$",
        "{{{}}}",
        "\\n \\1",
    ],
)
def test_braces_percent_signs_and_dollars_need_no_escape(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, f"{HEADER}=== user\n{text} {{{{count}}}} {text}\n").fill("user", count=20) == f"{text} 20 {text}"


def test_a_placeholder_may_have_spaces_and_stand_more_than_once(tmp_path: Path) -> None:
    prompt = load(tmp_path, HEADER + "=== user\n{{count}}{{ count }}-{{lead}}\n")
    assert prompt.fill("user", count=3, lead="4.") == "33-4."


@pytest.mark.parametrize("value", ["{{lead}}", "{{ count }}", "{{unknown}}", "\\1 \\g<1>", "%s {0} $x", "=== user"])
def test_values_are_not_searched_for_placeholders(tmp_path: Path, value: str) -> None:
    prompt = load(tmp_path, HEADER + "=== user\n{{examples}}|{{lead}}\n")
    assert prompt.fill("user", examples=value, lead="4.", count=20) == f"{value}|4."


@pytest.mark.parametrize(
    ("body", "line", "word"),
    [
        ("=== user\nok\n{{seeds}}\n", 7, "seeds"),
        ("=== user\n{{count}} {{instruction}}\n", 6, "instruction"),
        ("=== ask\n{{count}}\n", 6, "count"),
        ("=== stranger\nx\n", 5, "stranger"),
        ("=== user\nx\n=== user\ny\n", 7, "repeated"),
        ("author: me\n=== user\nx\n", 5, "author"),
        ("no colon here\n=== user\nx\n", 5, "no colon here"),
    ],
)
def test_unknown_names_are_refused_with_file_and_line(tmp_path: Path, body: str, line: int, word: str) -> None:
    path = write(tmp_path, HEADER + body)
    with pytest.raises(PromptError) as caught:
        prompts.load(path).check({"user": frozenset({"count"}), "ask": frozenset()})
    assert str(caught.value).startswith(f"{path}:{line}: ") and word in str(caught.value)


@pytest.mark.parametrize(
    ("text", "word"), [("=== user\nx\n", "notation"), ("notation: plain\n", "section"), ("", "notation"), ("\n\n", "notation")]
)
def test_a_prompt_without_notation_or_sections_is_refused(tmp_path: Path, text: str, word: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(PromptError, match=word) as caught:
        prompts.load(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_a_folder_and_an_unknown_name_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.txt", tmp_path):
        with pytest.raises(PromptError, match="cannot be read") as caught:
            prompts.load(path)
        assert str(path) in str(caught.value)
    with pytest.raises(PromptError, match="see `selfinstruct list`, or give a file") as caught:
        prompts.load("no-such-prompt")
    assert "'no-such-prompt'" in str(caught.value)


def test_bytes_that_are_not_utf_8_are_refused_with_their_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"about: caf\xe9\n")
    with pytest.raises(PromptError, match=r"not UTF-8 text \(byte 11\)"):
        prompts.load(path)


def test_windows_line_ends_are_accepted(tmp_path: Path) -> None:
    text = HEADER + "=== user\nLine 1\nLine {{count}}\n"
    assert load(tmp_path, text.replace("\n", "\r\n")).fill("user", count=2) == "Line 1\nLine 2"


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    assert load(tmp_path, "\ufeff" + HEADER + "=== user\nx\n").name == "mine"


def test_a_changed_copy_of_a_bundled_prompt_is_named_after_its_file(tmp_path: Path) -> None:
    text = prompts.load("alpaca").text
    (tmp_path / "mine.txt").write_text(text)
    assert prompts.load(tmp_path / "mine.txt").name == "alpaca"
    (tmp_path / "mine.txt").write_text(text.replace("varied", "dull"))
    assert prompts.load(tmp_path / "mine.txt").name == "mine.txt"


def test_a_missing_section_is_reported_with_the_sections_that_there_are(tmp_path: Path) -> None:
    with pytest.raises(PromptError, match=r"'mine': has no section 'solve'.* \(it has: user\)"):
        load(tmp_path, HEADER + "=== user\nx\n").fill("solve")


def test_the_digest_is_of_the_text_whatever_its_line_ends(tmp_path: Path) -> None:
    text = HEADER + "=== user\nx\n"
    prompt = load(tmp_path, text)
    assert prompt.digest == hashlib.sha256(text.encode()).hexdigest() == load(tmp_path, text.replace("\n", "\r\n")).digest
    assert prompt.digest != load(tmp_path, text + "y").digest


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_prompt_loads_by_its_name_and_by_its_path(name: str) -> None:
    prompt = prompts.load(name)
    assert prompt == prompts.load(folder("prompts") / f"{name}.txt")
    assert prompt.name == name and prompt.about and prompt.notation in plugins.names("notation")


def test_every_method_has_its_prompt_among_the_bundled_ones() -> None:
    used = {plugins.find("method", name).__globals__["PROMPT"] for name in plugins.names("method")}
    assert "alpaca" in used and used <= set(BUNDLED)


@pytest.mark.parametrize("api", ["chat", "completions"])
def test_the_alpaca_prompt_asks_for_20_tasks_after_3_seeds(api: str) -> None:
    request = first_request(prompts.load("alpaca"), api)
    text = text_of(request)
    shown = plugins.find("notation", "numbered")().parse(text[text.index("\n###\n") :])
    assert [bool(item.defect) for item in shown] == [False, False, False, True]
    assert len({item.instruction for item in shown[:3]} & {seed.instruction for seed in SEEDS}) == 3
    assert "List of 20 tasks:" in text and "collection of 20 tasks" in text
    assert text.endswith("\n###\n4. Instruction:")
    assert (request.prompt is None, len(request.messages)) == ((True, 1) if api == "chat" else (False, 0))


def test_the_json_prompt_shows_the_seeds_as_json_and_asks_for_20_more() -> None:
    request = first_request(prompts.load("alpaca-json"))
    text = text_of(request)
    shown = plugins.find("notation", "json")().parse(text)
    assert len({item.instruction for item in shown} & {seed.instruction for seed in SEEDS}) == 3
    assert "Write 20 more" in text
    assert request.sampling["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize("name", ["alpaca", "alpaca-json"])
@pytest.mark.parametrize("api", ["chat", "completions"])
def test_no_stop_sequence_is_sent(name: str, api: str) -> None:
    assert "stop" not in first_request(prompts.load(name), api).sampling


def test_the_counts_are_options_of_the_method() -> None:
    text = text_of(first_request(prompts.load("alpaca"), tasks_per_request=8, seeds_per_request=2))
    assert "List of 8 tasks:" in text and text.endswith("\n3. Instruction:")


def test_a_system_section_becomes_the_system_message(tmp_path: Path) -> None:
    request = first_request(load(tmp_path, HEADER + "=== system\nWrite {{count}}.\n=== user\n{{examples}}\n{{lead}}\n"))
    assert [dict(message)["role"] for message in request.messages] == ["system", "user"]
    assert request.messages[0]["content"] == "Write 20."


def test_a_seed_that_looks_like_a_placeholder_is_shown_as_it_is() -> None:
    text = text_of(first_request(prompts.load("alpaca")))
    assert text.count("{{count}}") == 3


def test_the_alpaca_method_proposes_what_the_reply_holds_with_the_seeds_it_showed() -> None:
    async def ask(key: str, request: Request) -> Reply:
        return Reply(REPLY, "stop", "m", None, "h")

    prompt = prompts.load("alpaca")
    options = checked(alpaca, "alpaca", {}, "options").values
    context = MethodContext(SEEDS, prompt, plugins.find("notation", "numbered")(), options=options)
    method = alpaca(context)
    (candidate,) = asyncio.run(method.propose(turn(7, context), ask))
    assert candidate.id == "7#0" and candidate.example == Example("Name a river.", "", "The Niger.")
    assert len(set(candidate.seed_ids)) == 3 and set(candidate.seed_ids) <= {seed.id for seed in SEEDS}
    assert method.rows_at_most == 17
