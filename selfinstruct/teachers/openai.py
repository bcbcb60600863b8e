"""The teacher `openai`: any endpoint that speaks OpenAI's API (chat or legacy completions).

Single calls use aiohttp directly. The official client can use aiohttp too, but its typed calls limit a process to a few
hundred calls a second, and its import takes a second and a half. Batches go through the official client.

One call is one attempt. Each fault becomes a TransientError (retry), a RequestRefused (never answer this request) or a
TeacherStop (the user must act first). The reply is read from the provider's raw JSON, which is kept.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from selfinstruct.contracts import Teacher
from selfinstruct.errors import RATE_LIMIT, RecipeError, RequestRefused, TeacherError, TeacherStop, TransientError, setting
from selfinstruct.recipe.credentials import (
    DEFAULT_URL,
    KEY_VARIABLES,
    LOOPBACK,
    NO_KEY,
    headers_from,
    host_of,
    key_from_environment,
)
from selfinstruct.records import Allowance, Reply, Request
from selfinstruct.teachers import _connection, _refusals
from selfinstruct.teachers._batches import OpenAIBatches
from selfinstruct.teachers._body import allowances_of, created_of, decoded, json_of, usage_of, wait_of
from selfinstruct.teachers._reply import content_of, is_broken, with_parts
from selfinstruct.text import shown

if TYPE_CHECKING:
    import aiohttp
    from openai import AsyncOpenAI

    from selfinstruct.recipe.schema import Generate

_ACCOUNT = {"OpenAI-Organization": "OPENAI_ORG_ID", "OpenAI-Project": "OPENAI_PROJECT_ID"}  # as the official client does
_AGENT = f"selfinstruct/{version('selfinstruct')}"
_TRANSIENT = {408, 409, 425, 429, 498}
_LONGEST_HEADER = 1 << 16  # bytes of one header of an answer


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
    headers = headers_from(generate.headers)
    try:
        _connection.check(url)
        return OpenAI(url, generate.model, key or "none", timeout, generate.key_header, headers)
    except TeacherStop:
        raise
    except Exception as error:  # noqa: BLE001 (errors of many types, from proxy and certificate variables of the environment)
        raise TeacherStop(
            f"{host}: no connection can be set up (got {error}). Fix: check the proxy and certificate variables."
        ) from None


class OpenAI:
    """A teacher behind an OpenAI-compatible endpoint.

    `timeout` is the seconds for one attempt. The key is sent in the header `key_header`, and `headers` are sent beside it.
    """

    name = "openai"

    def __init__(
        self, url: str, model: str, key: str, timeout: float, key_header: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.model = model
        parts = urlsplit(url)
        self.host = host_of(url)
        self._key = key
        self._address = parts._replace(path=parts.path.rstrip("/").removesuffix("/chat/completions").rstrip("/"))
        self._timeout = timeout
        bearer = key_header.lower() in ("", "authorization")
        self._key_headers = {"Authorization": f"Bearer {key}"} if bearer else {key_header: key}
        self._headers = {**self._key_headers, **(headers or {})}
        self._secrets = [secret for secret in (key, *(headers or {}).values()) if len(secret) > 7 and secret != "none"]
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncOpenAI | None = None
        self._answered = False

    @property
    def batches(self) -> OpenAIBatches:
        """The endpoint's Batch API."""
        from openai import AsyncOpenAI

        if self._client is None:
            self._client = AsyncOpenAI(
                base_url=urlunsplit(self._address._replace(query="")),
                api_key=self._key,
                max_retries=0,
                timeout=self._timeout,
                default_headers=self._headers,
                default_query=dict(parse_qsl(self._address.query)),
            )
        return OpenAIBatches(self, self._client)

    async def reply(self, key: str, request: Request) -> Reply:
        """Make one attempt at a request and return the reply. Raises TransientError, RequestRefused or TeacherStop."""
        import aiohttp

        content = json.dumps({**self.body(request), "stream": False}).encode()
        try:
            async with self._opened().post(self._url_of(request), data=content, allow_redirects=False) as response:
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
            reply = self.read(text, allowances_of(response.headers))
            self._answered = True
            return reply
        wait = wait_of(response.headers)
        raise self.error_of_status(response.status, decoded(text), wait, " ".join(text.split()), request.sampling)

    def _opened(self) -> aiohttp.ClientSession:
        """Return the connections, made at the first call because they need an event loop."""
        if self._session is None:
            import aiohttp
            import httpx2

            # The limiter bounds the calls in flight, so the pool of connections must not be a second, hidden bound (limit=0).
            # Certificates are checked, by the context that the official client uses.
            secure = httpx2.create_ssl_context() if self._address.scheme == "https" else True
            headers = {"Content-Type": "application/json", "User-Agent": _AGENT}
            headers |= {name: os.environ[variable] for name, variable in _ACCOUNT.items() if os.environ.get(variable)}
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=secure),
                headers={**headers, **self._headers},
                timeout=aiohttp.ClientTimeout(total=self._timeout),
                trust_env=True,
                proxy=_connection.proxy_for_all(self._address.scheme, self.host),
                max_line_size=_LONGEST_HEADER,
                max_field_size=_LONGEST_HEADER,
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

    def _url_of(self, request: Request) -> str:
        """Return the whole address of a request, with the query of the endpoint's address."""
        return urlunsplit(self._address._replace(path=self._address.path + self.path(request)))

    def body(self, request: Request) -> dict[str, Any]:
        """Return the body of a request, without the field `stream`."""
        sampling = dict(request.sampling)
        if "max_tokens" in sampling and request.prompt is None and self.host.endswith("openai.com"):
            # Newer models of OpenAI refuse the older name. Most other servers know only that one.
            sampling.setdefault("max_completion_tokens", sampling.pop("max_tokens"))
        asked = {"messages": list(request.messages)} if request.prompt is None else {"prompt": request.prompt}
        return {"model": self.model, **asked, **sampling}

    def read(self, text: str, allowances: Mapping[str, Allowance] = {}) -> Reply:
        """Return the reply in a body.

        Raises TransientError for a body that cannot be read or is not finished, or the TeacherError that an error in the body
        stands for.
        """
        try:
            raw = json_of(text)
            if not raw.get("choices") and raw.get("error"):  # an error sent with a status of success
                raise self._error_inside(raw["error"])
            choice = raw["choices"][0]
            if choice.get("error"):
                raise self._error_inside(choice["error"], charged=True)
            message = choice.get("message")
            answer, reasoning = content_of(message) if message is not None else (choice.get("text"), "")
            finish_reason = str(choice.get("finish_reason") or "unknown")
            if is_broken(finish_reason):
                raise TransientError(
                    f"{self.host} did not finish a reply (it ended with {finish_reason!r})", cause="broken_reply", charged=True
                )
            answer = answer if isinstance(answer, str) else ""
            return with_parts(
                Reply(
                    text=answer,
                    finish_reason=finish_reason,
                    model=str(raw.get("model") or self.model),
                    usage=usage_of(raw.get("usage"), answer),
                    host=self._address.hostname or self.host,
                    created=created_of(raw.get("created")),
                    raw=raw,
                    allowances=allowances,
                    reasoning=reasoning,
                )
            )
        except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
            start = shown(self._safe(text[:2000]))
            sent = "sent a web page instead of a completion" if text.lstrip().startswith("<") else "sent no completion"
            message = f"{self.host} {sent} (got {start})"
            raise TransientError(message, cause="unreadable", charged=True) from None

    def _error_inside(self, error: Any, *, charged: bool = False) -> TeacherError:
        """Return the TeacherError that an error in an answer with a status of success stands for."""
        body = error if isinstance(error, dict) else {"message": error}
        code = _refusals.status_in(body)
        found = self.error_of_status(code, {"error": body})
        if isinstance(found, TransientError):
            found.charged = charged
        return found

    def _unreached(self, error: Exception, cause: str) -> TeacherError:
        """Return the error for a call without an answer. It is charged unless the connection was never made."""
        import aiohttp

        if stop := _connection.only_the_user_can_correct(error, self.host, self._safe):
            return stop
        root: BaseException = error
        connected = True
        while True:
            connected = connected and not isinstance(root, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
            if root.__cause__ is None:
                break
            root = root.__cause__
        if cause == "timeout":
            return TransientError(
                f"{self.host}: no answer within {self._timeout:g} s. Fix: set {setting('timeout')} to more seconds.",
                cause=cause,
                charged=connected,
            )
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
            return self.error_of_status(error.status_code, error.body, wait_of(error.response.headers), str(error.message))
        message = f"unreadable answer from {self.host}: {self._safe(str(error))}"
        return TransientError(message, cause="unreadable", charged=True)

    def error_of_status(
        self, status: int, body: Any, wait: float | None = None, message: str = "", sent: Mapping[str, Any] = {}
    ) -> TeacherError:
        """Return the TeacherError that an HTTP status and its body stand for, of a call or in a batch's file.

        `wait` is the seconds that the server asks to wait. `message` is used where the body has none. `sent` are the fields of
        the request that the server may refuse by name.
        """
        body = body[0] if isinstance(body, list) and len(body) == 1 else body
        body = body if isinstance(body, dict) else {}
        body = body["error"] if isinstance(body.get("error"), dict) else body
        code = f"{body.get('code') or ''} {body.get('type') or ''}"
        said = body.get("message") or body.get("error") or body.get("detail") or message
        said = self._safe(said if isinstance(said, str) else json.dumps(said, default=str))[:300]
        said = "a web page" if said.startswith("<") else said or "without a reason"
        foreign = status == 403 and not body  # from a proxy or a firewall, not from the provider
        if _refusals.credit_is_used_up(status, code, said):
            return TeacherStop(
                f"the credit at {self.host} is used up ({said}). Fix: add credit, then run the same command again."
            )
        bad_key = status == 401 or "invalid_api_key" in code or "api key not valid" in said.lower()
        if bad_key or (status == 403 and body):
            return self._bad_key(status, said) if bad_key else self._forbidden(body, code, said)
        if status == 404 or "model_not_found" in code:
            return TeacherStop(
                f"{self.host} does not know the model {self.model!r} or the address (HTTP {status}: {said}). "
                f"Fix: check {setting('model')} and {setting('base_url')}, which often ends in /v1."
            )
        refused = _refusals.refused_field(status, body, said, sent)
        if refused is None and (status in _TRANSIENT or status >= 500 or foreign):
            cause = RATE_LIMIT if status == 429 else f"http_{status}"
            return TransientError(f"{self.host} answered HTTP {status} ({said})", cause=cause, wait=wait)
        filtered = "content_filter" in code or "content_policy" in code
        cause = "content_policy" if filtered else "refused"
        return refused or RequestRefused(f"HTTP {status}: {said}", cause=cause, status=status)

    def _forbidden(self, body: Mapping[str, Any], code: str, said: str) -> TeacherError:
        """Return the error for a provider's answer with status 403: one flagged prompt, the country, or the key."""
        if _refusals.is_about_country(code, said):
            return TeacherStop(
                f"{self.host} does not serve this country (HTTP 403: {said}). Fix: choose another provider with "
                f"{setting('base_url')}."
            )
        if _refusals.is_flagged(body, said) or (self._answered and not _refusals.is_about_key(code, said)):
            return RequestRefused(f"HTTP 403: {said}", cause="content_policy", status=403)
        return self._bad_key(403, said)

    def _bad_key(self, status: int, said: str) -> TeacherStop:
        return TeacherStop(
            f"{self.host} refuses the API key (HTTP {status}: {said}). Fix: set {' or '.join(KEY_VARIABLES)} to a valid key."
        )

    def _safe(self, text: str) -> str:
        """Return a provider's words on one line, without the API key if they repeat it."""
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return " ".join(text.split())
