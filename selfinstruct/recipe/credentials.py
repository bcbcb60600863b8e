"""API keys and addresses from the environment."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

KEY_VARIABLES = ("SELFINSTRUCT_API_KEY", "OPENAI_API_KEY")
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # given as a variable's name, it means that no key is sent
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
