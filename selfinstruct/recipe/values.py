"""Types and limits of the values in a recipe."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field

from selfinstruct import plugins
from selfinstruct.languages import codes
from selfinstruct.recipe.credentials import FROM_ENVIRONMENT

FilterSetting = bool | dict[str, Any]


def _recorded_filters(filters: Any) -> Any:
    if not isinstance(filters, dict):
        return filters
    return {plugins.recorded("filter", name): setting for name, setting in filters.items()}


Variable = Annotated[str, Field(pattern="^([A-Za-z_][A-Za-z0-9_]*)?$")]
Weight = Annotated[float, Field(gt=0, le=1e9)]
Share = Annotated[float, Field(ge=0, le=1e9)]
TableName = Annotated[str, Field(pattern="^[a-z0-9][a-z0-9_-]{0,30}$")]  # becomes a part of file names and journal lines
LanguageCode = Annotated[str, BeforeValidator(codes.canonical)]
# Users may write hyphens or underscores in the name of a bundled plugin. A run records the name of its file.
Method = Annotated[str, BeforeValidator(partial(plugins.recorded, "method"))]
Teacher = Annotated[str, BeforeValidator(partial(plugins.recorded, "teacher"))]
Filters = Annotated[dict[str, FilterSetting], BeforeValidator(_recorded_filters)]
Api = Literal["chat", "completions"]
Temperature = Annotated[float, Field(ge=0, le=2)]
TopP = Annotated[float, Field(gt=0, le=1)]
Tokens = Annotated[int, Field(ge=0)]
Concurrency = Annotated[int, Field(ge=1, le=10_000)]
Rpm = Annotated[float, Field(ge=0.1)]
Tpm = Annotated[float, Field(ge=1)]
Price = dict[Literal["input", "output", "cached_input", "batch"], Annotated[float, Field(ge=0)]]


def check_address(value: str | tuple[str, ...]) -> str | tuple[str, ...]:
    """Return one address or several, a single one as a text. Raises ValueError for a bad one, or one with a password."""
    for address in [value] if isinstance(value, str) else value:
        try:
            parts = urlsplit(address)
            good = not address or (parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1))
            secret = parts.username or parts.password
        except ValueError:
            good, secret = False, None
        if secret:
            raise ValueError("holds a name or a password, which would be written to the disk. Fix: set a key variable instead.")
        if not good:
            raise ValueError("is not an http(s) address. Fix: write it like http://localhost:8000/v1.")
    return value if isinstance(value, str) or len(value) != 1 else value[0]


def check_extra(value: dict[str, Any]) -> dict[str, Any]:
    """Return further fields of the body. Raises ValueError for a field that this package sets."""
    if value.get("stream") is False:  # it is always sent so
        value = {name: setting for name, setting in value.items() if name != "stream"}
    if own := value.keys() & {"model", "messages", "prompt", "stream"}:
        raise ValueError(f"cannot set {min(own)!r}, which this package sets itself. Fix: remove it.")
    return value


_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_SECRET = re.compile(r"authori[sz]ation|key|token|secret|cookie|password|credential", re.IGNORECASE)


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    for name, text in value.items():
        if not _HEADER.fullmatch(name):
            raise ValueError(f"has a name that no header can have (got {name!r}). Fix: use letters, digits and hyphens.")
        if not text.isascii() or not text.isprintable():
            raise ValueError(f"{name!r} has a value that no header can hold. Fix: use plain ASCII on one line.")
        if _SECRET.search(name) and not text.startswith(FROM_ENVIRONMENT):
            raise ValueError(
                f'{name!r} may hold a secret, which would be written to the disk. Fix: write "env:VARIABLE" instead.'
            )
        if name.lower() in ("content-type", "content-length", "host", "transfer-encoding", "connection"):
            raise ValueError(f"cannot set {name!r}, which this package sets itself. Fix: remove it.")
    return value


def check_price(value: dict[str, float]) -> dict[str, float]:
    """Return a price, or raise ValueError if a part of it is missing."""
    if value and not {"input", "output"} <= value.keys():
        raise ValueError("needs both input and output, in US dollars per million tokens. Fix: add the missing one.")
    return value


Headers = Annotated[dict[str, str], AfterValidator(_check_headers)]
KeyHeader = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]*$")]


def addresses_of(base_url: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the addresses, or one empty text where none is named."""
    return (base_url,) if isinstance(base_url, str) else base_url or ("",)
