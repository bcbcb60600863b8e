"""Behaviours of the models and servers of today, chosen by the parts of the model's name that a plus sign joins.

thinks-tags   the thinking stands in tags before the answer (vLLM and Ollama without a parser)
thinks-field  it is in `reasoning_content` (DeepSeek, vLLM with a parser)
thinks-parts  the content is a list of parts (Mistral)
thinks-tail   only the closing tag is in the text, because the template opens it
thinks-long   thinking takes 200 tokens before the answer begins (with a bound below that, there is no answer)
thinks-only   thinking uses up every bound
fixed-temperature, no-sampling, one-of-two, new-bound-name, no-schema     refuse fields with status 400
flags-some    answers 403 for one prompt in ten that a moderation has flagged (OpenRouter)
spent         answers 400 that the credit is used up, after 20 requests (Anthropic)
wrong-path    answers 200 with an error as a text (LM Studio without /v1)
overloaded    answers 200 with an error that passes, each time
relay         streams unless the body says `"stream": false`
streams       always streams
"""

from __future__ import annotations

import copy
import json
from typing import Any

from fake_openai.answers import Completion, fingerprint
from fake_openai.faults import CUT_SHORT, FINE, Outcome, error

THOUGHT = "Let me think. 1. Instruction: Draft that must not become a row\n1. Input:\nx\n1. Output:\ny\n###"
_THINKING_TOKENS = 200


def answered(
    body: dict[str, Any], headers: dict[str, str], path: str, outcome: Outcome, made: Completion | None, number: int
) -> tuple[Outcome, Completion | None]:
    """Return the outcome and the completion of a request as the model answers it."""
    parts = body["model"].split("+")
    streaming = body.pop("stream", None)
    for part in parts:
        if (fault := _FAULTS.get(part)) and (failed := fault(body, number)):
            return failed, None
        if (refuse := _REFUSALS.get(part)) and (refused := refuse(body)):
            return refused, None
        if (change := _ANSWERS.get(part)) and made is not None and outcome in (FINE, CUT_SHORT):
            outcome, made = change(body, outcome, Completion(copy.deepcopy(made.data), made.usage))
    if made is not None and outcome.payload is None and ("streams" in parts or ("relay" in parts and streaming is not False)):
        return Outcome(payload=_stream(made.data), kind="text/event-stream"), made
    return outcome, made


def _unsupported(name: str, why: str) -> Outcome:
    payload = {"error": {"message": why, "type": "invalid_request_error", "param": name, "code": "unsupported_parameter"}}
    return Outcome(400, "unsupported", json.dumps(payload), charged=False)


def _fixed_temperature(body: dict[str, Any]) -> Outcome | None:
    if body.get("temperature", 1) == 1:
        return None
    why = f"Unsupported value: 'temperature' does not support {body['temperature']} with this model. Only the default (1) value"
    payload = {"error": {"message": why, "type": "invalid_request_error", "param": "temperature", "code": "unsupported_value"}}
    return Outcome(400, "unsupported", json.dumps(payload), charged=False)


def _no_sampling(body: dict[str, Any]) -> Outcome | None:
    for name in ("temperature", "top_p"):
        if name in body:
            return _unsupported(name, f"Unsupported parameter: '{name}' is not supported with this model.")
    return None


def _one_of_two(body: dict[str, Any]) -> Outcome | None:
    if {"temperature", "top_p"} <= body.keys():
        return error(400, "`temperature` and `top_p` cannot both be specified for this model. Please use only one.", "invalid")
    return None


def _new_bound_name(body: dict[str, Any]) -> Outcome | None:
    why = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
    return _unsupported("max_tokens", why) if "max_tokens" in body else None


def _no_schema(body: dict[str, Any]) -> Outcome | None:
    if body.get("response_format", {}).get("type") == "json_schema":
        return error(400, "This response_format type is unavailable now", "invalid_request_error")
    return None


def _flags_some(body: dict[str, Any], number: int) -> Outcome | None:
    if int(fingerprint(body)[:4], 16) % 10:
        return None
    payload = {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["x"], "flagged_input": "y"}}}
    return Outcome(403, "flagged", json.dumps(payload), charged=False)


def _spent(body: dict[str, Any], number: int) -> Outcome | None:
    return error(400, "Your credit balance is too low to access the API.", "invalid_request_error") if number > 20 else None


def _wrong_path(body: dict[str, Any], number: int) -> Outcome | None:
    return Outcome(200, "path", '{"error": "Unexpected endpoint or method. (POST /chat/completions)"}', charged=False)


def _overloaded(body: dict[str, Any], number: int) -> Outcome | None:
    return Outcome(200, "inside", '{"choices": null, "error": {"message": "The engine is warm", "code": 502}}', charged=False)


def _thinks_tags(body: dict[str, Any], outcome: Outcome, made: Completion) -> tuple[Outcome, Completion]:
    return outcome, _with_text(made, lambda text: f"<think>\n{THOUGHT}\n</think>\n\n{text}")


def _thinks_tail(body: dict[str, Any], outcome: Outcome, made: Completion) -> tuple[Outcome, Completion]:
    return outcome, _with_text(made, lambda text: f"{THOUGHT}\n</think>\n\n{text}")


def _thinks_field(body: dict[str, Any], outcome: Outcome, made: Completion) -> tuple[Outcome, Completion]:
    choice = made.data["choices"][0]
    if "message" in choice:
        choice["message"]["reasoning_content"] = THOUGHT
    return outcome, made


def _thinks_parts(body: dict[str, Any], outcome: Outcome, made: Completion) -> tuple[Outcome, Completion]:
    choice = made.data["choices"][0]
    if "message" in choice:
        thinking = {"type": "thinking", "thinking": [{"type": "text", "text": THOUGHT}]}
        choice["message"]["content"] = [thinking, {"type": "text", "text": choice["message"]["content"]}]
    return outcome, made


def _thinks_long(body: dict[str, Any], outcome: Outcome, made: Completion) -> tuple[Outcome, Completion]:
    bound = min(body.get(name, 1 << 30) for name in ("max_tokens", "max_completion_tokens"))
    return _thinks_only(body, outcome, made) if bound < _THINKING_TOKENS else _thinks_field(body, outcome, made)


def _thinks_only(body: dict[str, Any], outcome: Outcome, made: Completion) -> tuple[Outcome, Completion]:
    made = _with_text(made, lambda text: "")
    choice = made.data["choices"][0]
    choice["finish_reason"] = "length"
    if "message" in choice:
        choice["message"]["reasoning_content"] = THOUGHT
    bound = body.get("max_completion_tokens", body.get("max_tokens", 4096))
    made.data["usage"] = {
        "prompt_tokens": made.usage[0],
        "completion_tokens": bound,
        "completion_tokens_details": {"reasoning_tokens": bound},
    }
    return outcome, Completion(made.data, (made.usage[0], bound))


def _with_text(made: Completion, change: Any) -> Completion:
    choice = made.data["choices"][0]
    if "message" in choice:
        choice["message"]["content"] = change(choice["message"]["content"])
    else:
        choice["text"] = change(choice["text"])
    return made


def _stream(data: dict[str, Any]) -> str:
    """Return a completion as a stream of events with a comment in it."""
    choice = data["choices"][0]
    text = choice["message"]["content"] if "message" in choice else choice["text"]
    head = {name: data[name] for name in ("id", "created", "model")}
    chunks: list[dict[str, Any]] = []
    for start in range(0, len(text), 40):
        piece = text[start : start + 40]
        delta = {"delta": {"role": "assistant", "content": piece}} if "message" in choice else {"text": piece}
        chunks.append({**head, "choices": [{"index": 0, **delta, "finish_reason": None}]})
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    chunks.append({**head, "choices": [], "usage": data.get("usage")})
    return ": PROCESSING\n\n" + "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"


_FAULTS = {"flags-some": _flags_some, "spent": _spent, "wrong-path": _wrong_path, "overloaded": _overloaded}
_REFUSALS = {
    "fixed-temperature": _fixed_temperature,
    "no-sampling": _no_sampling,
    "one-of-two": _one_of_two,
    "new-bound-name": _new_bound_name,
    "no-schema": _no_schema,
}
_ANSWERS = {
    "thinks-tags": _thinks_tags,
    "thinks-tail": _thinks_tail,
    "thinks-field": _thinks_field,
    "thinks-parts": _thinks_parts,
    "thinks-long": _thinks_long,
    "thinks-only": _thinks_only,
}
