"""API keys and addresses from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from selfinstruct.errors import TeacherStop

KEY_VARIABLES = ("SELFINSTRUCT_API_KEY", "OPENAI_API_KEY")
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # given as a variable's name, it means that no key is sent
FROM_ENVIRONMENT = "env:"  # begins the value of a header that is a variable's name
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def key_from_environment(variable: str = "") -> str | None:
    """Return the API key from this environment variable, or from the usual ones. None if unset."""
    names = (variable,) if variable else KEY_VARIABLES
    return next((key for name in names if (key := os.environ.get(name, "").strip())), None)


def host_of(url: str) -> str:
    """Return the host of an address for people to read, with its port unless that is the usual one."""
    parts = urlsplit(url)
    host, port = parts.hostname or url, parts.port
    usual = port is None or port == {"http": 80, "https": 443}.get(parts.scheme)
    return host if usual else f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def headers_from(headers: Mapping[str, str]) -> dict[str, str]:
    """Return a recipe's headers with the values of those that name an environment variable.

    Raises:
        TeacherStop: A variable is not set, or a header cannot hold its value.
    """
    return {name: _header_value(name, value) for name, value in headers.items()}


def _header_value(name: str, value: str) -> str:
    variable = value.removeprefix(FROM_ENVIRONMENT)
    if variable == value:
        return value
    found = os.environ.get(variable, "").strip()
    if not found or not found.isascii() or not found.isprintable():
        problem = "has a value that no header can hold" if found else "is not set"
        raise TeacherStop(f"the header {name!r}: {variable} {problem}. Fix: run `export {variable}=VALUE`.")
    return found
