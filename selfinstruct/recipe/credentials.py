"""API keys and addresses from the environment."""

from __future__ import annotations

import os

KEY_VARIABLES = ("SELFINSTRUCT_API_KEY", "OPENAI_API_KEY")
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # given as a variable's name, it means that no key is sent
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def key_from_environment(variable: str = "") -> str | None:
    """Return the API key from this environment variable, or from the usual ones. None if unset."""
    names = (variable,) if variable else KEY_VARIABLES
    return next((key for name in names if (key := os.environ.get(name, "").strip())), None)
