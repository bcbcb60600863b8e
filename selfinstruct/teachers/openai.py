"""The teacher `openai`: any endpoint that speaks OpenAI's API (chat or legacy completions).

Single calls use aiohttp directly. The official client can use aiohttp too, but its typed calls limit a process to a few
hundred calls a second, and its import takes a second and a half. Batches go through the official client.

One call is one attempt. Each fault becomes a TransientError (retry), a RequestRefused (never answer this request) or a
TeacherStop (the user must act first). The reply is read from the provider's raw JSON, which is kept.
"""

from __future__ import annotations

import email.utils
import json
import os
import re
import time
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from selfinstruct.contracts import Teacher
from selfinstruct.errors import RATE_LIMIT, RecipeError, RequestRefused, TeacherError, TeacherStop, TransientError, setting
from selfinstruct.recipe.credentials import DEFAULT_URL, KEY_VARIABLES, LOOPBACK, NO_KEY, host_of, key_from_environment
from selfinstruct.records import Allowance, Reply, Request, Usage
from selfinstruct.teachers._batches import OpenAIBatches
from selfinstruct.text import shown

if TYPE_CHECKING:
    import aiohttp
    from openai import AsyncOpenAI

    from selfinstruct.recipe.schema import Generate

_ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}  # as the official client does
_AGENT = f"selfinstruct/{version('selfinstruct')}"
_TRANSIENT = {408, 409, 425, 429, 498}
_DURATION = re.compile(r"(?=\d)(?:(\d+)h)?(?:(\d+)m(?!s))?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_LONGEST_RESET = 86_400.0  # seconds; a larger number is a point in time, not a duration


def openai(generate: Generate, timeout: float = 120.0) -> Teacher:
    """Call any OpenAI-compatible endpoint: OpenAI, Azure, Together, Mistral, vLLM, llama.cpp, Ollama, ..."""
    url = generate.addresses[0] or DEFAULT_URL
    host = urlsplit(url).hostname or url
    if not generate.model:
        raise RecipeError(
            f"{setting('model')}: the teacher at {host} needs a model (got none). "
            f"Fix: set one, such as {setting('model', 'gpt-4o-mini')}."
        )
    wanted = generate.key_variable
    key = None if wanted == NO_KEY else key_from_environment(wanted)
    if key is None and wanted != NO_KEY and (wanted or host not in LOOPBACK):
        raise TeacherStop(
            f"no API key for {host}. Fix: set it in the environment, for example by `export {wanted or KEY_VARIABLES[1]}=KEY`."
        )
    if key and not key.isascii():
        raise TeacherStop(
            f"the API key in {wanted or ' or '.join(KEY_VARIABLES)} has characters outside ASCII. Fix: set it again."
        )
    try:
        return OpenAI(url, generate.model, key or "none", timeout)
    except Exception as error:  # noqa: BLE001 (errors of many types, from proxy and certificate variables of the environment)
        raise TeacherStop(
            f"{host}: no connection can be set up (got {error}). Fix: check the proxy and certificate variables."
        ) from None


class OpenAI:
    """A teacher behind an OpenAI-compatible endpoint. `timeout` is the seconds for one attempt."""

    name = "openai"

    def __init__(self, url: str, model: str, key: str, timeout: float) -> None:
        self.model = model
        self.host = host_of(url)
        self._key = key
        self._url = url.rstrip("/")
        self._timeout = timeout
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncOpenAI | None = None

    @property
    def batches(self) -> OpenAIBatches:
        """The endpoint's Batch API."""
        from openai import AsyncOpenAI

        if self._client is None:
            self._client = AsyncOpenAI(base_url=self._url, api_key=self._key, max_retries=0, timeout=self._timeout)
        return OpenAIBatches(self, self._client)

    async def reply(self, key: str, request: Request) -> Reply:
        """Make one attempt at a request and return the reply. Raises TransientError, RequestRefused or TeacherStop."""
        import aiohttp

        content = json.dumps(self.body(request)).encode()
        try:
            async with self._opened().post(self._url + self.path(request), data=content, allow_redirects=False) as response:
                text = (await response.read()).decode(errors="replace")
        except TimeoutError as error:
            raise self._unreached(error, "timeout") from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreached(error, "connection") from None
        if 300 <= response.status < 400 and (to := response.headers.get("location")):
            # Following it would send prompts to a host that the user did not name.
            raise TeacherStop(
                f"{self.host} redirects to another address (got {self._safe(to)}). "
                f"Fix: set {setting('base_url')} to that address."
            )
        if response.ok:
            return self.read(text, _allowances(response.headers))
        raise self.error_of_status(response.status, _decoded(text), _wait(response.headers), " ".join(text.split()))

    def _opened(self) -> aiohttp.ClientSession:
        """Return the connections, made at the first call because they need an event loop."""
        if self._session is None:
            import aiohttp
            import httpx2

            # The limiter bounds the calls in flight, so the pool of connections must not be a second, hidden bound (limit=0).
            # Certificates are checked, by the context that the official client uses.
            secure = httpx2.create_ssl_context() if self._url.startswith("https:") else True
            headers = {"Authorization": f"Bearer {self._key}", "Content-Type": "application/json", "User-Agent": _AGENT}
            headers |= {name: os.environ[variable] for name, variable in _ACCOUNT.items() if os.environ.get(variable)}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=secure),
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                trust_env=True,
            )
        return self._session

    async def close(self) -> None:
        """Close the connections."""
        if self._client is not None:
            await self._client.close()
        if self._session is not None:
            await self._session.close()

    def path(self, request: Request) -> str:
        """Return the path of a request at the endpoint."""
        return "/chat/completions" if request.prompt is None else "/completions"

    def body(self, request: Request) -> dict[str, Any]:
        """Return the body of a request as it is sent."""
        sampling = dict(request.sampling)
        if "max_tokens" in sampling and request.prompt is None and self.host.endswith("openai.com"):
            # Newer models of OpenAI refuse the older name. Most other servers know only that one.
            sampling.setdefault("max_completion_tokens", sampling.pop("max_tokens"))
        asked = {"messages": list(request.messages)} if request.prompt is None else {"prompt": request.prompt}
        return {"model": self.model, **asked, **sampling}

    def read(self, text: str, allowances: Mapping[str, Allowance] = {}) -> Reply:
        """Return the reply in a body.

        Raises TransientError for a body that cannot be read, or the TeacherError that an error in the body stands for.
        """
        try:
            raw = json.loads(text)
            if "choices" not in raw and isinstance(raw.get("error"), dict):  # an error sent with a status of success
                code = raw["error"].get("code")
                raise self.error_of_status(code if type(code) is int and 400 <= code < 600 else 500, raw)
            choice = raw["choices"][0]
            message = choice.get("message")
            content = choice.get("text") if message is None else message.get("content") or message.get("refusal")
            return Reply(
                text=content if isinstance(content, str) else "",
                finish_reason=str(choice.get("finish_reason") or "unknown"),
                model=str(raw.get("model") or self.model),
                usage=_usage(raw.get("usage")),
                host=urlsplit(self._url).hostname or self._url,
                created=_count(raw.get("created")),
                raw=raw,
                allowances=allowances,
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            start = shown(self._safe(text[:2000]))
            sent = "sent a web page instead of a completion" if text.lstrip().startswith("<") else "sent no completion"
            message = f"{self.host} {sent} (got {start})"
            raise TransientError(message, cause="unreadable", charged=True) from None

    def _unreached(self, error: Exception, cause: str) -> TransientError:
        """Return the error for a call without an answer. It is charged unless the connection was never made."""
        import aiohttp

        root: BaseException = error
        connected = True
        while True:
            connected = connected and not isinstance(root, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            if root.__cause__ is None:
                break
            root = root.__cause__
        if cause == "timeout" and isinstance(root, TimeoutError):
            return TransientError(f"{self.host} did not answer in time", cause=cause, charged=connected)
        number = getattr(root, "errno", None) or 0
        reason = os.strerror(number) if number > 0 else getattr(root, "strerror", "") or str(root) or type(root).__name__
        reason = self._safe(reason)
        return TransientError(f"no connection to {self.host} ({reason})", cause="connection", charged=connected)

    def error(self, error: Exception) -> TeacherError:
        """Return the TeacherError that an error of the official client stands for."""
        from openai import APIConnectionError, APIStatusError, APITimeoutError

        if isinstance(error, APITimeoutError):
            return self._unreached(error, "timeout")
        if isinstance(error, APIConnectionError):
            return self._unreached(error, "connection")
        if isinstance(error, APIStatusError):
            return self.error_of_status(error.status_code, error.body, _wait(error.response.headers), str(error.message))
        message = f"unreadable answer from {self.host}: {self._safe(str(error))}"
        return TransientError(message, cause="unreadable", charged=True)

    def error_of_status(self, status: int, body: Any, wait: float | None = None, message: str = "") -> TeacherError:
        """Return the TeacherError that an HTTP status and its body stand for, of a call or in a batch's file.

        `wait` is the seconds that the server asks to wait. `message` is used where the body has none.
        """
        body = body if isinstance(body, dict) else {}
        body = body["error"] if isinstance(body.get("error"), dict) else body
        code = f"{body.get('code') or ''} {body.get('type') or ''}"
        said = self._safe(str(body.get("message") or message))[:300]
        said = "a web page" if said.startswith("<") else said or "without a reason"
        foreign = status == 403 and not body  # from a proxy or a firewall, not from the provider
        if status == 401 or (status == 403 and body) or "invalid_api_key" in code or "api key not valid" in said.lower():
            return TeacherStop(
                f"{self.host} refuses the API key (HTTP {status}: {said}). Fix: set {' or '.join(KEY_VARIABLES)} to a valid key."
            )
        if status == 402 or "insufficient_quota" in code or "billing" in code:
            return TeacherStop(
                f"the credit at {self.host} is used up ({said}). Fix: add credit, then run the same command again."
            )
        if status == 404 or "model_not_found" in code:
            return TeacherStop(
                f"{self.host} does not know the model {self.model!r} or the address (HTTP {status}: {said}). "
                f"Fix: check {setting('model')} and {setting('base_url')}, which often ends in /v1."
            )
        if status in _TRANSIENT or status >= 500 or foreign:
            cause = RATE_LIMIT if status == 429 else f"http_{status}"
            return TransientError(f"{self.host} answered HTTP {status} ({said})", cause=cause, wait=wait)
        filtered = "content_filter" in code or "content_policy" in code
        cause = "content_policy" if filtered else "refused"
        return RequestRefused(f"HTTP {status}: {said}", cause=cause, status=status)

    def _safe(self, text: str) -> str:
        """Return a provider's words on one line, without the API key if they repeat it."""
        text = text.replace(self._key, "[key]") if self._key != "none" else text
        return " ".join(text.split())


def _count(value: Any) -> int | None:
    """Return a whole number of reasonable size, or None. A wrong side field must never cost the reply."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53 else None


def _usage(value: Any) -> Usage | None:
    """Return the tokens as the server counted them, or None."""
    counted = value if isinstance(value, dict) else {}
    prompt = _count(counted.get("prompt_tokens"))
    details = counted.get("prompt_tokens_details")
    cached = _count(details.get("cached_tokens")) if isinstance(details, dict) else 0
    completion, total = _count(counted.get("completion_tokens")), _count(counted.get("total_tokens"))
    if prompt is None or completion is None:
        return None
    if total is not None:  # some count a model's thinking in the total alone
        completion = max(completion, total - prompt)
    return Usage(prompt, completion, min(cached or 0, prompt))


def _allowances(headers: Mapping[str, str]) -> dict[str, Allowance]:
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


def _decoded(text: str) -> Any:
    """Return an error's body as a JSON value, or None."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a server asks to wait, or None.

    Supported headers: Retry-After in seconds or as a date, and OpenAI's retry-after-ms.
    """
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
