"""API keys and addresses from the environment."""

from __future__ import annotations

import os

KEY_VARIABLES = ("SELFINSTRUCT_API_KEY", "OPENAI_API_KEY")
URL_VARIABLE = "OPENAI_BASE_URL"
DEFAULT_URL = "https://api.openai.com/v1"
NO_KEY = "none"  # in place of a variable's name
LOOPBACK = {"localhost", "127.0.0.1", "::1"}


def key_from_environment(variable: str = "") -> str | None:
    """The API key, which is only ever read from the environment: of this variable, or of the usual ones."""
    names = (variable,) if variable else KEY_VARIABLES
    return next((key for name in names if (key := os.environ.get(name, "").strip())), None)
