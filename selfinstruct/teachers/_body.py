"""Read what an endpoint sends: the JSON in a body, its token counts, and its rate-limit headers."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from typing import Any

from selfinstruct.records import Allowance, Usage

_DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_LONGEST_RESET = 86_400.0  # seconds; a larger number is a point in time, not a duration
_COMMENTS = re.compile(r"(?:\s+|[:#][^\n]*(?:\n|\Z)|//[^\n]*(?:\n|\Z)|/\*.*?\*/)*", re.DOTALL)
_EVENTS = re.compile(r"(?:data|event|id|retry):")
_FEWEST_WORDS = 0.75  # tokens that a text takes for each of its words, at the very least


def json_of(text: str) -> Any:
    """Return the JSON value in a body.

    A byte order mark, comments before it and an event after it are skipped. A stream of server-sent events is put together
    into the completion that it spells. Raises ValueError for anything else.
    """
    try:
        return json.loads(text)
    except ValueError:
        text = text.lstrip("\ufeff")
        start = _without_comments(text)
        if _EVENTS.match(start):
            return _streamed(start)
        value, end = json.JSONDecoder().raw_decode(start)
        rest = _without_comments(start[end:])
        if rest and not _EVENTS.match(rest):
            raise
        return value


def _without_comments(text: str) -> str:
    """Return a text without white space and comments at its beginning."""
    found = _COMMENTS.match(text)
    return text[found.end() :] if found else text


def _streamed(text: str) -> dict[str, Any]:
    """Return the completion that a stream of events spells. Raises ValueError if there is none in it."""
    whole: dict[str, Any] = {}
    choice: dict[str, Any] = {}
    for event in re.split(r"\r?\n", text):
        name, _, data = event.partition(":")
        chunk = json.loads(data) if name == "data" and data.strip() not in ("", "[DONE]") else None
        if isinstance(chunk, dict):
            whole |= {key: value for key, value in chunk.items() if key != "choices" and value is not None}
            for part in chunk.get("choices") or ():
                if not part.get("index", 0):
                    _add(part, choice)
    if not choice and "error" not in whole:
        raise ValueError("a stream without a completion")
    return {**whole, "choices": [choice]} if choice else whole


def _add(part: dict[str, Any], choice: dict[str, Any]) -> None:
    """Add a part of a stream to the choice so far."""
    if isinstance(part.get("text"), str):
        choice["text"] = choice.get("text", "") + part["text"]
    elif "text" not in choice:
        message = choice.setdefault("message", {"role": "assistant"})
        for key, value in (part.get("delta") or part.get("message") or {}).items():
            if isinstance(value, str) and key != "role":
                message[key] = message.get(key, "") + value
            elif isinstance(value, list):
                message[key] = [*message.get(key, []), *value]
    choice |= {key: value for key, value in part.items() if key in ("finish_reason", "error") and value is not None}


def usage_of(value: Any, text: str) -> Usage | None:
    """Return the tokens as the server counted them, or None where it did not count.

    Some servers count a model's thinking beside `completion_tokens`. `text` is the answer, which shows that: its words need
    tokens of their own.
    """
    counted = value if isinstance(value, dict) else {}
    prompt, completion, total = (_count(counted.get(f"{name}_tokens")) for name in ("prompt", "completion", "total"))
    if prompt is None and completion is None:
        prompt, completion = _count(counted.get("input_tokens")), _count(counted.get("output_tokens"))
    details = counted.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    if prompt is None or completion is None:
        return None
    if total is not None:  # some count a model's thinking in the total alone
        completion = max(completion, total - prompt)
    details = counted.get("completion_tokens_details")
    thinking = _count(details.get("reasoning_tokens")) if isinstance(details, dict) else None
    thinking = thinking or _count(counted.get("reasoning_tokens"))
    if thinking and completion - thinking < _FEWEST_WORDS * len(text.split()):
        completion += thinking
    if not completion and text:
        return None
    return Usage(prompt, completion, min(cached or 0, prompt))


def _count(value: Any) -> int | None:
    """Return a whole number of reasonable size, or None. A wrong side field must never cost the reply."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


created_of = _count


def allowances_of(headers: Mapping[str, str]) -> dict[str, Allowance]:
    """Return what OpenAI's headers say of the server's limits, by `requests` and `tokens`. Unreadable headers are ignored."""
    found = {}
    for name in ("requests", "tokens"):
        remaining, reset = headers.get(f"x-ratelimit-remaining-{name}"), headers.get(f"x-ratelimit-reset-{name}")
        if remaining and reset and remaining.isdecimal() and (seconds := _duration(reset)) is not None:
            found[name] = Allowance(int(remaining), seconds)
    return found


def _duration(text: str) -> float | None:
    """Return the seconds of a duration such as "120ms", "1.5s", "6m0s" or "2.5". None for anything else, such as a date."""
    if text.replace(".", "", 1).isdecimal():
        return float(text) if float(text) <= _LONGEST_RESET else None
    if not (match := _DURATION.fullmatch(text)):
        return None
    hours, minutes, seconds, milliseconds = (float(part or 0) for part in match.groups())
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


def decoded(text: str) -> Any:
    """Return an error's body as a JSON value, or None."""
    try:
        return json_of(text)
    except (ValueError, RecursionError, TypeError, AttributeError):
        return None


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, or None where it does not say so in a way that makes sense.

    Supported headers: Retry-After in seconds or as a date, and OpenAI's retry-after-ms.
    """
    try:
        if "retry-after-ms" in headers:
            wait = float(headers["retry-after-ms"]) / 1000
        elif (value := headers.get("retry-after")) is None:
            return None
        else:
            try:
                wait = float(value)
            except ValueError:
                wait = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    except (ValueError, TypeError):
        return None
    return max(0.0, wait) if math.isfinite(wait) else None
