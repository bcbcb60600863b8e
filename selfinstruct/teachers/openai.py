"""Any endpoint that speaks OpenAI's API (chat or legacy completions), through the official client.

One call is one attempt: the client's own retries are off, and every fault is sorted into "try again", "this request
never" or "no request until the user acts". The reply is read from the provider's raw JSON, which is kept.
"""

from __future__ import annotations

import email.utils
import json
import os
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from selfinstruct.contracts import Teacher
from selfinstruct.errors import RecipeError, RequestRefused, TeacherError, TeacherStop, TransientError
from selfinstruct.records import Reply, Request, Usage

if TYPE_CHECKING:
    from openai import APIStatusError

    from selfinstruct.config import Generate

KEY_VARIABLES = ("SELFINSTRUCT_API_KEY", "OPENAI_API_KEY")
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_URL = "https://api.openai.com/v1"
_TRANSIENT = {408, 409, 425, 429, 498}
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def key_from_environment() -> str | None:
    """The API key, which is only ever read from the environment."""
    return next((key for name in KEY_VARIABLES if (key := os.environ.get(name, "").strip())), None)


def openai(generate: Generate, timeout: float = 120.0) -> Teacher:
    """Any OpenAI-compatible endpoint: OpenAI, Azure, Together, Mistral, vLLM, llama.cpp, Ollama, ..."""
    url = generate.base_url or DEFAULT_URL
    host = urlsplit(url).hostname or url
    if not generate.model:
        raise RecipeError(f"no model named for the teacher at {host}; name one, for example --model gpt-4o-mini")
    key = key_from_environment()
    if key is None and host not in _LOOPBACK:
        raise TeacherStop(f"no API key for {host}: put it into the environment, for example export {KEY_VARIABLES[1]}=...")
    if key and not key.isascii():
        raise TeacherStop(f"the API key in {' or '.join(KEY_VARIABLES)} has characters that no key has; copy it again")
    try:
        return OpenAI(url, generate.model, key or "none", timeout)
    except Exception as error:  # proxies and certificates that the environment names, and that are not there
        raise TeacherStop(f"no connection to {host} can be set up ({error}); check proxy and certificate variables") from None


class OpenAI:
    """A teacher behind an OpenAI-compatible endpoint; `timeout` is seconds for one attempt."""

    name = "openai"

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        from openai import AsyncOpenAI, DefaultAsyncHttpxClient

        self.model = model
        self.host = urlsplit(url).hostname or url
        self._key = key
        # The window of the run bounds what is in flight; the pool must never be a second, hidden bound.
        self._client = AsyncOpenAI(
            base_url=url,
            api_key=key,
            max_retries=0,
            timeout=timeout,
            http_client=DefaultAsyncHttpxClient(timeout=timeout),
        )

    async def reply(self, key: str, request: Request) -> Reply:
        """One attempt at one request; raises TransientError, RequestRefused or TeacherStop."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError, OpenAIError

        try:
            if request.prompt is not None:
                body = {**self._body(request), "prompt": request.prompt}
                raw = await self._client.completions.with_raw_response.create(**body)
            else:
                body = {**self._body(request), "messages": list(request.messages)}
                raw = await self._client.chat.completions.with_raw_response.create(**body)
            return self._read(raw.content.decode(errors="replace"))
        except APITimeoutError:
            raise TransientError(f"{self.host} did not answer in time", cause="timeout") from None
        except APIConnectionError as error:
            reason = self._safe(str(error.__cause__ or error))
            raise TransientError(f"no connection to {self.host} ({reason})", cause="connection") from None
        except APIStatusError as error:
            raise self._sorted(error) from None
        except OpenAIError as error:
            raise TransientError(f"unreadable answer from {self.host}: {self._safe(str(error))}", cause="unreadable") from None

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def _body(self, request: Request) -> dict[str, Any]:
        sampling = dict(request.sampling)
        if "max_tokens" in sampling and request.prompt is None and self.host.endswith("openai.com"):
            # OpenAI's newer models refuse the older name, which is the only one that most other servers know.
            sampling["max_completion_tokens"] = sampling.pop("max_tokens")
        known = {"temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "response_format"}
        extra = {name: sampling.pop(name) for name in list(sampling) if name not in known}
        return {"model": self.model, **sampling} | ({"extra_body": extra} if extra else {})

    def _read(self, text: str) -> Reply:
        try:
            raw = json.loads(text)
            choice = raw["choices"][0]
            message = choice.get("message")
            content = choice.get("text") if message is None else message.get("content") or message.get("refusal")
            return Reply(
                text=content if isinstance(content, str) else "",
                finish_reason=str(choice.get("finish_reason") or "unknown"),
                model=str(raw.get("model") or self.model),
                usage=_usage(raw.get("usage")),
                host=self.host,
                created=_count(raw.get("created")),
                raw=raw,
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            start = self._safe(" ".join(text[:80].split()))
            raise TransientError(f"{self.host} sent a body that is no completion: {start!r}", cause="unreadable") from None

    def _sorted(self, error: APIStatusError) -> TeacherError:
        status, code = error.status_code, f"{error.code or ''} {error.type or ''}"
        body = error.body if isinstance(error.body, dict) else {}
        said = self._safe(str(body.get("message") or error.message))[:300]
        if status in (401, 403) or "invalid_api_key" in code or "api key not valid" in said.lower():
            return TeacherStop(f"{self.host} refuses the API key (HTTP {status}: {said}); check {' or '.join(KEY_VARIABLES)}")
        if status == 402 or "insufficient_quota" in code or "billing" in code:
            return TeacherStop(f"the credit at {self.host} is used up ({said}); top it up, then run the same command again")
        if status == 404 or "model_not_found" in code:
            return TeacherStop(
                f"{self.host} does not know the model {self.model!r} or the address ({said}); check --model and --base-url"
            )
        if status in _TRANSIENT or status >= 500:
            cause = "rate_limit" if status == 429 else f"http_{status}"
            return TransientError(f"{self.host} answered HTTP {status} ({said})", cause=cause, wait=_wait(error))
        filtered = "content_filter" in code or "content_policy" in code
        cause = "content_policy" if filtered else "refused"
        return RequestRefused(f"HTTP {status}: {said}", cause=cause, status=status)

    def _safe(self, text: str) -> str:
        """A provider's words with the key taken out, should it repeat it."""
        return text.replace(self._key, "[key]") if self._key != "none" else text


def _count(value: Any) -> int | None:
    """A whole number of reasonable size, or None: a side field must never cost the reply that it came with."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def _usage(value: Any) -> Usage | None:
    """The tokens as the server counted them, where it did."""
    counted = value if isinstance(value, dict) else {}
    prompt = _count(counted.get("prompt_tokens"))
    return None if prompt is None else Usage(prompt, _count(counted.get("completion_tokens")) or 0)


def _wait(error: APIStatusError) -> float | None:
    """Seconds to wait as the server asks: Retry-After in seconds or as a date, or OpenAI's retry-after-ms."""
    headers = error.response.headers
    try:
        if "retry-after-ms" in headers:
            return max(0.0, float(headers["retry-after-ms"]) / 1000)
        value = headers.get("retry-after")
        if value is None:
            return None
        try:
            return max(0.0, float(value))
        except ValueError:
            return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None
