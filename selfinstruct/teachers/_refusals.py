"""Find out what an error answer of an endpoint means: the key, the credit, the address, a field, or this request alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from selfinstruct.errors import FieldRefused

_NO_CREDIT = re.compile(
    r"credit balance|out of credits?\b|insufficient[_ ](?:credits?|balance|funds|quota)|not enough (?:credits?|balance|funds)|"
    r"(?:credits?|balance|funds|quota)\b[^.]{0,40}\b(?:used up|exhausted|depleted|too low|run out|ran out|exceeded|expired)|"
    r"(?:exceeded|exhausted|used up|depleted|ran out of|run out of)\b[^.]{0,40}\b(?:credits?|balance|quota|funds)|arrear|overdue|"
    r"payment required|billing (?:hard )?limit|add (?:more )?(?:credits?|funds)|top[ -]up|recharge|purchase (?:more )?credits",
    re.IGNORECASE,
)
_FLAGGED = re.compile(
    r"flagged|moderation|content (?:policy|filter|management)|violat|safety|inappropriate|sensitive|harmful", re.IGNORECASE
)
_COUNTRY = re.compile(r"country|region|territory|location is not supported|geograph", re.IGNORECASE)
_KEY = re.compile(
    r"api[ _-]?key|token|credential|permission|unauthori[sz]ed|forbidden|access denied|not allowed|scope|auth", re.IGNORECASE
)
_ADDRESS = re.compile(
    r"unexpected endpoint|no such (?:route|endpoint)|unknown (?:route|endpoint|url|path)|not found|invalid url", re.IGNORECASE
)
_BY_VALUE = re.compile(
    r"unsupported[_ ]value|does not support [\d.]+|only the default|only \(?1\)? |must be|should be|"
    r"too (?:large|high|big|small|low)|(?:less|greater) than|out of range|invalid value|exceeds?|maximum|at most|not one of",
    re.IGNORECASE,
)
_REFUSES = re.compile(
    r"support|allowed|permitted|unknown|unrecogni[sz]ed|unexpected|invalid|not (?:available|compatible|a valid|accepted|valid)|"
    r"unavailable|cannot|can't|can not|must|should|deprecated|removed|only|extra|forbidden|no longer|"
    r"too (?:large|high|big)|exceeds|not one of|less than|out of range|conflict|incompatible|remove|instead",
    re.IGNORECASE,
)
_CONTENT = re.compile(
    r"content[_ ]polic|content[_ ]filter|context[_ ]length|prompt is too long|input is too long|flagged", re.IGNORECASE
)
_OTHER_NAMES = {
    "response_format": r"response[ _]format|json[ _]schema|json[ _]object|structured[ _]outputs?|json mode",
    "max_tokens": r"max_tokens|maxOutputTokens|max_output_tokens|max tokens",
    "top_p": r"top_p|top p|topP",
    "temperature": r"temperature",
    "stop": r"'stop'|\"stop\"|`stop`|stop sequences?|\bstop\b(?= (?:is|parameter))|\[stop\]",
    "seed": r"'seed'|\"seed\"|`seed`|\bseed\b(?= (?:is|parameter))",
}
_RENAMED = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}


def credit_is_used_up(status: int, code: str, said: str) -> bool:
    """Return True if an error says that no more is answered until the user pays."""
    if status == 402 or "insufficient_quota" in code or "billing" in code or "insufficient_balance" in code:
        return True
    return status in (200, 400, 401, 403, 422) and bool(_NO_CREDIT.search(f"{said} {code}"))


def status_in(error: Mapping[str, Any]) -> int:
    """Return the HTTP status that an error inside an answer stands for: the one it has, or one that its words mean."""
    stated = next((error[name] for name in ("code", "status", "status_code") if str(error.get(name) or "").isdecimal()), 0)
    if 400 <= int(stated) < 600:
        return int(stated)
    said = str(error.get("message") or "")
    if credit_is_used_up(200, str(error.get("code") or error.get("type") or ""), said):
        return 402
    return 404 if is_wrong_address(said) else 500


def is_flagged(body: Mapping[str, Any], said: str) -> bool:
    """Return True if an error is about the words of one prompt, such as a moderation that flagged it."""
    details = body.get("metadata")
    return bool(_FLAGGED.search(said)) or (
        isinstance(details, dict) and bool(details.get("reasons") or details.get("flagged_input"))
    )


def is_about_country(code: str, said: str) -> bool:
    """Return True if an error says that the provider does not serve this country."""
    return bool(_COUNTRY.search(f"{code} {said}"))


def is_about_key(code: str, said: str) -> bool:
    """Return True if an error speaks of the API key or of its rights."""
    return bool(_KEY.search(f"{code} {said}"))


def is_wrong_address(said: str) -> bool:
    """Return True if an error says that there is nothing at the address."""
    return bool(_ADDRESS.search(said))


def refused_field(status: int, body: Mapping[str, Any], said: str, sent: Mapping[str, Any]) -> FieldRefused | None:
    """Return the refusal of one of the fields that were sent, or None if an error is about something else."""
    if status not in (400, 415, 422, 501) or not sent:
        return None
    whole = f"{said} {json.dumps(dict(body), default=str)}"
    if not _REFUSES.search(whole):
        return None
    named = [name for name in sent if _names(name, whole)]
    if not named or (_CONTENT.search(whole) and not any(name.startswith("max_") for name in named)):
        return None
    stated = str(body.get("param") or "").split(".")[0]
    field = stated if stated in named else named[-1] if "both" in whole or "together" in whole else _first(named, whole)
    instead = _RENAMED.get(field, "")
    other = instead if instead and re.search(rf"\b{instead}\b", whole) else ""
    value_only = not other and bool(_BY_VALUE.search(whole)) and not re.search(r"unsupported[_ ]parameter", whole, re.IGNORECASE)
    return FieldRefused(f"HTTP {status}: {said}", field, instead=other, value_only=value_only, status=status)


def _names(field: str, text: str) -> bool:
    """Return True if a text names a field of a request."""
    pattern = _OTHER_NAMES.get(field) or rf"(?<![\w-]){re.escape(field)}(?![\w-])"
    return bool(re.search(pattern, text, re.IGNORECASE))


def _first(names: list[str], text: str) -> str:
    """Return the field that a text names first."""

    def place(name: str) -> int:
        found = re.search(_OTHER_NAMES.get(name) or re.escape(name), text, re.IGNORECASE)
        return found.start() if found else len(text)

    return min(names, key=place)
