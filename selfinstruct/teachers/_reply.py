"""Separate a reply into its parts: the thinking that a model wrote first, and its answer.

Providers send the thinking in a field of the message, in parts of its content, or as a tagged block in the text. Only a block
at the beginning of a text is thinking. A `<think>` that an answer quotes stays in the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from selfinstruct.records import BROKEN, CONTENT_FILTER, CUT, FILTERED, TOKEN_LIMIT, Reply, ending_of

_SURE = "think|thinking|thought|thoughts|antthinking|seed:think|longcat_think|inner_monologue|cot_thinking"
_OTHERS = "reasoning|reason|reflection|scratchpad|chain_of_thought|cot|rationale|analysis|deliberation|internal_thoughts"
# The opening and the closing of each kind of block. `name` is the tag's name where the closing has to repeat it.
_BLOCKS = (
    (rf"<(?P<name>(?:{_SURE}|{_OTHERS}))(?:\s[^<>]*)?>", r"</{name}\s*>"),
    (r"\[(?P<name>THINK|THINKING|REASONING|THOUGHT)\]", r"\[/{name}\]"),
    (r"◁(?P<name>think|thinking|thought|reasoning)▷", r"◁/{name}▷"),
    (
        r"<\|(?P<name>think|thinking|thought|reasoning|begin_of_thought)\|>",
        r"<\|(?:/|end_)?{name}(?:_end)?\|>|<\|end_of_thought\|>",
    ),
    (r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    (r"<\|channel\|>(?:analysis|commentary)[^<]*<\|message\|>", r"<\|end\|>|(?=<\|channel\|>final)|(?=<\|start\|>)"),
    (r"<\|channel>thought\b", r"<channel\|>"),
)
_OPENINGS = tuple((re.compile(opening, re.IGNORECASE), closing) for opening, closing in _BLOCKS)
_BEFORE = " \t\r\n\ufeff\u200b\u200c\u200d\u2060"
_FIRST = ("<", "[", "◁")  # the first character of each opening
# A closing whose opening is in the prompt, as some chat templates have it. In quotes it is a part of the answer.
_ORPHAN = re.compile(
    rf"(?<![`'\"“\u2018«])(?:</(?:{_SURE}|reasoning)\s*>|\[/(?:THINK|THINKING|REASONING)\]|◁/think(?:ing)?▷|<\|/think(?:ing)?\|>"
    r"|<\|END_THINKING\|>|<\|end_of_thought\|>)(?![`'\"”\u2019»])",
    re.IGNORECASE,
)
_ORPHAN_SIGNS = ("</", "[/", "◁/", "<|")
_AFTER = re.compile(  # what a template puts before the answer
    r"\s*(?:<\|start\|>assistant)?<\|channel\|>final[^<]*<\|message\|>|\s*<\|(?:START_RESPONSE|begin_of_solution)\|>",
    re.IGNORECASE,
)
_AT_THE_END = re.compile(r"\s*<\|(?:END_RESPONSE|end_of_solution|return|end)\|>\s*\Z", re.IGNORECASE)
_WRAPPER = re.compile(
    r"\s*<(?P<name>answer|output|response|final|final_answer)>(?P<text>.*)</(?P=name)>\s*\Z", re.IGNORECASE | re.DOTALL
)


def split_thinking(text: str, *, cut: bool = False) -> tuple[str, str]:
    """Return the thinking at the beginning of a text, and the answer after it. The thinking is "" where there is none.

    `cut` is True where the reply ended at the token limit. Then a block that does not end leaves no answer.
    """
    start = text.lstrip(_BEFORE)
    if start.startswith(_FIRST):
        found = _leading_block(start, cut)
        if found is not None:
            thinking, answer = found
            more, rest = split_thinking(answer, cut=cut)
            if more:
                thinking, answer = "\n\n".join(filter(None, (thinking, more))), rest
            if wrapped := _WRAPPER.match(answer):
                answer = wrapped["text"].strip()
            return thinking, answer
    if any(sign in text for sign in _ORPHAN_SIGNS) and (end := _ORPHAN.search(text)):
        name = end[0].strip("<>/[]◁▷|").strip().lower()
        before = text[: end.start()].lower()
        if not any(opening + name in before for opening in ("<", "[", "◁", "<|")):
            return text[: end.start()].strip(), _answer(text[end.end() :])
    return "", text


def _leading_block(text: str, cut: bool) -> tuple[str, str] | None:
    """Return the thinking and the rest of a text that begins with a block of thinking, or None if it begins otherwise."""
    for pattern, closing in _OPENINGS:
        if not (opening := pattern.match(text)):
            continue
        name = opening.groupdict().get("name") or ""
        sure = not name or not re.fullmatch(_OTHERS, name, re.IGNORECASE)
        ends = re.compile(closing.replace("{name}", re.escape(name)), re.IGNORECASE)
        place = _end_of_block(text, opening.end(), pattern, ends, name)
        if place is None:
            return (text[opening.end() :].strip(), "") if sure or cut else None
        answer = _answer(text[place[1] :])
        if not answer and not sure and not cut:
            return None  # the whole reply is in such a tag, so the tag marks the answer
        return text[opening.end() : place[0]].strip(), answer
    return None


def _end_of_block(text: str, start: int, opening: re.Pattern[str], closing: re.Pattern[str], name: str) -> tuple[int, int] | None:
    """Return where the closing of a block begins and ends. Blocks inside of it are skipped. None if it does not end."""
    last = None
    for end in closing.finditer(text, start):
        inside = [one for one in opening.finditer(text, start, end.start()) if (one.groupdict().get("name") or "") == name]
        closed = sum(1 for _ in closing.finditer(text, start, end.start()))
        last = last or (end.start(), end.end())
        if len(inside) <= closed:
            return end.start(), end.end()
    return last


def _answer(text: str) -> str:
    """Return an answer without the words that a chat template puts around it."""
    if "<|" in text:
        text = _AT_THE_END.sub("", _AFTER.sub("", text, count=1))
    return text.strip(_BEFORE)


def with_parts(reply: Reply) -> Reply:
    """Return a reply with its thinking apart from its text, and with the usual words for a cut or filtered ending."""
    text = reply.text
    thinking, answer = "", text
    if text.startswith((*_FIRST, *_BEFORE)) or any(sign in text for sign in _ORPHAN_SIGNS):
        thinking, answer = split_thinking(text, cut=reply.cut)
    finish_reason = usual_ending(reply.finish_reason)
    if not thinking and answer == text and finish_reason == reply.finish_reason:
        return reply
    whole = "\n\n".join(filter(None, (reply.reasoning, thinking)))
    return replace(reply, text=answer, reasoning=whole, finish_reason=finish_reason)


def usual_ending(finish_reason: str) -> str:
    """Return OpenAI's word for a cut or filtered ending, and any other word as it is."""
    ending = ending_of(finish_reason)
    return {CUT: TOKEN_LIMIT, FILTERED: CONTENT_FILTER}.get(ending, finish_reason)


def is_broken(finish_reason: str) -> bool:
    """Return True if the provider did not finish the reply, so that it is worth asking again."""
    return ending_of(finish_reason) == BROKEN


def content_of(message: Mapping[str, Any]) -> tuple[str, str]:
    """Return the text of a message and the thinking beside it, from the fields and parts that providers use."""
    text, thinking = _joined(message.get("content"))
    if not text:
        text = _joined(message.get("refusal"))[0]
    for name in ("reasoning_content", "reasoning", "reasoning_text", "thinking", "thinking_blocks", "reasoning_details"):
        if name in message and not thinking:
            thinking = "".join(_joined(message[name])).strip()
    return text, thinking


def _joined(value: Any) -> tuple[str, str]:
    """Return the text and the thinking in a text, a part, or a list of parts."""
    if isinstance(value, str):
        return value, ""
    if isinstance(value, Mapping):
        kind = str(value.get("type", "")).lower()
        names = ("text", "content", "thinking", "reasoning", "summary", "refusal", "reasoning_content")
        inside = "".join("".join(_joined(value[name])) for name in names if name in value)
        return ("", inside) if "think" in kind or "reason" in kind or "thought" in value else (inside, "")
    if isinstance(value, list):
        parts = [_joined(part) for part in value]
        return "".join(text for text, _ in parts), "".join(thinking for _, thinking in parts)
    return "", ""
