"""Turn values for which JSON has no type into values that it has."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any


def to_json_value(value: Any) -> Any:  # noqa: PLR0911 (one return for each kind of value)
    """Return the value as JSON can hold it.

    Bytes become base64, dates and times ISO 8601, durations seconds as text, NaN and infinities null, others their text.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_json_value(inside) for key, inside in value.items()}
    if isinstance(value, list | tuple):
        return [to_json_value(inside) for inside in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    return str(value.total_seconds() if type(value) is timedelta else value)
