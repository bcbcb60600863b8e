"""Replies in their parts, endings in all providers' words, and errors of all kinds, as the teacher `openai` reads them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from selfinstruct.errors import FieldRefused, RequestRefused, TeacherError, TeacherStop, TransientError
from selfinstruct.records import Reply, Usage, ending_of
from selfinstruct.teachers._body import json_of, usage_of, wait_of
from selfinstruct.teachers._reply import split_thinking, with_parts
from selfinstruct.teachers.openai import OpenAI


def endpoint(url: str = "http://host.example/v1", **more: Any) -> OpenAI:
    return OpenAI(url, "m", "sk-secret-123", 5.0, **more)


def beside(tokens: int, thinking: int) -> dict[str, Any]:
    """Return a count of tokens with a count of the thinking in it or beside it."""
    return {"prompt_tokens": 5, "completion_tokens": tokens, "completion_tokens_details": {"reasoning_tokens": thinking}}


def completion(content: Any, finish_reason: str | None = "stop", **fields: Any) -> str:
    message = {"role": "assistant", "content": content, **fields}
    return json.dumps({"choices": [{"message": message, "finish_reason": finish_reason}]})


@pytest.mark.parametrize(
    ("text", "thinking", "answer"),
    [
        ("<think>a</think>\n\nb", "a", "b"),
        ("<Thinking depth='2'>a</thinking> b", "a", "b"),
        ("\ufeff\n <THINK>\n</THINK>\nb", "", "b"),
        ("[THINK]a[/THINK]b", "a", "b"),
        ("◁think▷a◁/think▷b", "a", "b"),
        ("<seed:think>a</seed:think>b", "a", "b"),
        ("<thought>a</thought>b", "a", "b"),
        ("<reasoning>a</reasoning>\nb", "a", "b"),
        ("<|thinking|>a<|/thinking|>b", "a", "b"),
        ("<|START_THINKING|>a<|END_THINKING|><|START_RESPONSE|>b<|END_RESPONSE|>", "a", "b"),
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b<|return|>", "a", "b"),
        ("a\n</think>\n\nb", "a", "b"),
        ("a[/THINK]b", "a", "b"),
        ("<think>a <think> b </think> c </think> d", "a <think> b </think> c", "d"),
        ("<think>a</think><reflection>r</reflection><output>b</output>", "a\n\nr", "b"),
        ("<think>a that never ends", "a that never ends", ""),
        ("Write <think>x</think> before it.", "", "Write <think>x</think> before it."),
        ("The tag `</think>` ends it.", "", "The tag `</think>` ends it."),
        ("<reasoning>b</reasoning>", "", "<reasoning>b</reasoning>"),
        ("<html><p>b</p></html>", "", "<html><p>b</p></html>"),
        ("[1, 2]", "", "[1, 2]"),
        ("plain", "", "plain"),
    ],
)
def test_only_a_block_at_the_beginning_is_thinking(text: str, thinking: str, answer: str) -> None:
    assert split_thinking(text) == (thinking, answer)
    reply = with_parts(Reply(text, "stop", "m", None, "h"))
    assert (reply.reasoning, reply.text) == (thinking, answer)


@pytest.mark.parametrize(
    ("fields", "content", "thinking", "answer"),
    [
        ({"reasoning_content": "a"}, "b", "a", "b"),
        ({"reasoning": "a"}, "b", "a", "b"),
        ({"reasoning_content": "a"}, None, "a", ""),
        ({"reasoning": None, "reasoning_details": [{"type": "reasoning.text", "text": "a"}]}, "b", "a", "b"),
        ({}, [{"type": "thinking", "thinking": [{"type": "text", "text": "a"}]}, {"type": "text", "text": "b"}], "a", "b"),
        ({}, [{"type": "text", "text": "b"}, {"type": "output_text", "text": "c"}], "", "bc"),
        ({"refusal": "No."}, None, "", "No."),
    ],
)
def test_thinking_in_fields_and_parts(fields: dict[str, Any], content: Any, thinking: str, answer: str) -> None:
    reply = endpoint().read(completion(content, **fields))
    assert (reply.reasoning, reply.text) == (thinking, answer)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        ("whole", "stop end_turn stop_sequence eos STOP COMPLETE tool_calls function_call unknown natural"),
        ("cut", "length max_tokens MAX_TOKENS model_length max_output_tokens model_context_window_exceeded reached_token_limit"),
        ("filtered", "content_filter SAFETY RECITATION refusal PROHIBITED_CONTENT guardrail_intervened my_safety_net"),
        ("broken", "error insufficient_system_resource abort cancelled ERROR network_error upstream_failure"),
    ],
)
def test_every_ending_is_whole_cut_filtered_or_broken(ending: str, words: str) -> None:
    assert {word: ending_of(word) for word in words.split()} == dict.fromkeys(words.split(), ending)
    for word in words.split():
        if ending == "broken":
            with pytest.raises(TransientError, match="did not finish a reply"):
                endpoint().read(completion("half a", word))
        else:
            reply = endpoint().read(completion("text", word))
            assert (reply.cut, reply.filtered) == (ending == "cut", ending == "filtered")
            assert reply.finish_reason == {"cut": "length", "filtered": "content_filter"}.get(ending, word)


@pytest.mark.parametrize(
    ("body", "error", "says"),
    [
        ({"error": "Unexpected endpoint or method. (POST /chat/completions)"}, TeacherStop, "base_url"),
        ({"choices": None, "error": {"message": "upstream timed out", "code": 504}}, TransientError, "HTTP 504"),
        ({"error": {"message": "Rate limit", "code": 429}}, TransientError, "HTTP 429"),
        ({"error": {"message": "Your credit balance is too low"}}, TeacherStop, "credit"),
        (
            {"choices": [{"error": {"code": 502, "message": "bad"}, "message": {"content": "ha"}, "finish_reason": "error"}]},
            TransientError,
            "HTTP 502",
        ),
        ({"choices": []}, TransientError, "no completion"),
    ],
)
def test_an_error_in_a_body_is_an_error(body: Any, error: type[TeacherError], says: str) -> None:
    with pytest.raises(error, match=says):
        endpoint().read(json.dumps(body))


@pytest.mark.parametrize(
    ("status", "body", "error", "says"),
    [
        (
            403,
            {"error": {"code": 403, "message": "Your input was flagged", "metadata": {"reasons": ["x"]}}},
            RequestRefused,
            "flagged",
        ),
        (403, {"error": {"message": "Country, region, or territory not supported"}}, TeacherStop, "does not serve this country"),
        (403, {"error": {"message": "This API key has no permission"}}, TeacherStop, "refuses the API key"),
        (400, {"error": {"message": "Your credit balance is too low to access the API."}}, TeacherStop, "credit"),
        (400, {"error": {"message": "Insufficient Balance"}}, TeacherStop, "credit"),
        (429, {"error": {"message": "You exceeded your current quota, check your plan"}}, TransientError, "HTTP 429"),
        (400, {"error": {"message": "This prompt is empty"}}, RequestRefused, "This prompt is empty"),
    ],
)
def test_what_an_error_status_means(status: int, body: Any, error: type[TeacherError], says: str) -> None:
    found = endpoint().error_of_status(status, body, sent={"temperature": 0.2, "top_p": 0.9})
    assert type(found) is error and says in str(found)


SENT = {"temperature": 0.2, "top_p": 0.9, "max_tokens": 100, "response_format": {"type": "json_schema"}, "top_k": 4}


@pytest.mark.parametrize(
    ("message", "field", "instead", "value_only"),
    [
        (
            "Unsupported value: 'temperature' does not support 0.2 with this model. Only the default (1)",
            "temperature",
            "",
            True,
        ),
        ("Unsupported parameter: 'top_p' is not supported with this model.", "top_p", "", False),
        ("`temperature` and `top_p` cannot both be specified for this model.", "top_p", "", False),
        ("'max_tokens' is not supported. Use 'max_completion_tokens' instead.", "max_tokens", "max_completion_tokens", False),
        ("This response_format type is unavailable now", "response_format", "", False),
        ("This model does not support response format `json_schema`", "response_format", "", False),
        ("property 'top_k' is unsupported", "top_k", "", False),
        ("temperature: Extra inputs are not permitted", "temperature", "", False),
    ],
)
def test_a_refused_field_is_known_by_name(message: str, field: str, instead: str, value_only: bool) -> None:
    found = endpoint().error_of_status(400, {"error": {"message": message}}, sent=SENT)
    assert isinstance(found, FieldRefused)
    assert (found.field, found.instead, found.value_only) == (field, instead, value_only)
    detail = {"detail": [{"loc": ["body", "top_k"], "msg": "Extra inputs are not permitted"}]}
    assert isinstance(found := endpoint().error_of_status(422, detail, sent=SENT), FieldRefused) and found.field == "top_k"


@pytest.mark.parametrize(
    "body",
    [
        '\ufeff{"choices": [1]}',
        ': PROCESSING\n\n: PROCESSING\n\n{"choices": [1]}',
        '// a comment\n{"choices": [1]}\ndata: [DONE]\n\n',
        '\n\n  {"choices": [1]}  ',
    ],
)
def test_json_among_comments_is_read(body: str) -> None:
    assert json_of(body) == {"choices": [1]}
    for broken in ('{"choices": [1]} and more', '{"choices": [1', "", "<html>"):
        with pytest.raises(ValueError, match=r"."):
            json_of(broken)


@pytest.mark.parametrize(
    ("counted", "text", "usage"),
    [
        ({"prompt_tokens": 5, "completion_tokens": 0}, "some text", None),
        ({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}, "some text", None),
        ({"prompt_tokens": 5, "completion_tokens": 0}, "", Usage(5, 0)),
        (
            beside(40, 30),
            "a " * 10,
            Usage(5, 40),
        ),
        (
            beside(10, 30),
            "a " * 10,
            Usage(5, 40),
        ),
        (
            beside(35, 30),
            "a " * 30,
            Usage(5, 65),
        ),
        ({"input_tokens": 5, "output_tokens": 3}, "a", Usage(5, 3)),
    ],
)
def test_thinking_is_counted_and_zero_is_unknown(counted: Any, text: str, usage: Usage | None) -> None:
    assert usage_of(counted, text) == usage


@pytest.mark.parametrize(("value", "wait"), [("0", 0.0), ("-5", 0.0), ("nan", None), ("inf", None), ("soon", None), ("1.5", 1.5)])
def test_a_wait_that_makes_no_sense_is_none(value: str, wait: float | None) -> None:
    assert wait_of({"retry-after": value}) == wait


def test_a_query_stays_in_the_address_and_the_key_goes_into_the_header() -> None:
    from selfinstruct.records import Request

    azure = endpoint("https://x.example/openai/deployments/d?api-version=1", key_header="api-key", headers={"X-Title": "text"})
    request = Request({}, messages=({"role": "user", "content": "x"},))
    assert azure._url_of(request) == "https://x.example/openai/deployments/d/chat/completions?api-version=1"
    assert azure._headers == {"api-key": "sk-secret-123", "X-Title": "text"}
    assert endpoint("http://h/v1/chat/completions")._url_of(request) == "http://h/v1/chat/completions"
    assert endpoint()._headers == {"Authorization": "Bearer sk-secret-123"}
