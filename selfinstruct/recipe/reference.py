"""Types, limits and defaults of settings in words, derived from the schema."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic.fields import FieldInfo

from selfinstruct.recipe.flag import Flag


def flag_of(field: FieldInfo) -> Flag | None:
    """Return the mark of a setting that is a flag of the command line, or None."""
    return next((mark for mark in field.metadata if isinstance(mark, Flag)), None)


def shown_default(field: FieldInfo) -> str:
    """Return a setting's default for people to read. Empty if nothing is set by default."""
    mark, default = flag_of(field), field.default
    if mark and mark.default:
        return mark.default
    if default is None or default in ("", ()) or default == {}:
        return ""
    if isinstance(default, bool):
        return "on" if default else "off"
    return f"{default:g}" if isinstance(default, float) else str(default)


def value_of(field: FieldInfo) -> str:
    """Return a setting's type and limits for people to read."""
    return ", ".join([_kind(field.annotation), *_limits(field.metadata), *_limits(_inner_metadata(field.annotation))])


def _inner_metadata(annotation: Any) -> list[Any]:
    """Return the limits that stand inside an annotation such as `Annotated[float, Field(gt=0)] | None`."""
    for member in typing.get_args(annotation):
        if typing.get_origin(member) is Annotated:
            return [mark for info in typing.get_args(member)[1:] for mark in getattr(info, "metadata", [])]
    return []


def _limits(metadata: list[Any]) -> Iterator[str]:
    for mark in metadata:
        for attribute, sign in (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<")):
            if (limit := getattr(mark, attribute, None)) is not None:
                yield f"{sign} {limit:g}"


def _kind(annotation: Any) -> str:
    origin, members = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Literal:
        return " or ".join(map(str, members))
    if origin is Annotated:
        return _kind(members[0])
    if origin in (types.UnionType, typing.Union):
        return " or ".join(dict.fromkeys(_kind(member) for member in members if member is not types.NoneType))
    names = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return names.get(annotation, {tuple: "list", dict: "table"}.get(origin or annotation, "table"))
