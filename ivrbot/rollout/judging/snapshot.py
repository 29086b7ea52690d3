"""Frozen dataclasses to JSON and back, so that the audit can keep what a decision rested on and judge it again.

Takes `Evidence`, `BranchPlan`, `Decision` and their like; gives plain JSON values, and the same objects from them.
Exact: floats survive JSON unchanged, times keep their microseconds. Pure.
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from ivrbot.model.events import JsonValue
from ivrbot.model.evidence import Evidence

T = TypeVar("T")


def to_json(thing: object) -> JsonValue:
    """JSON values of a dataclass: tuples become lists, aware times ISO 8601 in UTC, enumerations their values.

    Raises:
        TypeError: something in it has no JSON form.
    """
    if is_dataclass(thing) and not isinstance(thing, type):
        return {part.name: to_json(getattr(thing, part.name)) for part in fields(thing)}
    if isinstance(thing, Enum):
        return to_json(thing.value)
    if isinstance(thing, datetime):
        return thing.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(thing, tuple | list):
        return [to_json(item) for item in thing]
    if isinstance(thing, Mapping):
        return {str(key): to_json(value) for key, value in thing.items()}
    if thing is None or isinstance(thing, str | int | float | bool):
        return thing
    raise TypeError(f"{type(thing).__name__} has no JSON form")


def from_json(kind: type[T], value: object) -> T:
    """The dataclass that `to_json` wrote. Fields that are missing take their defaults, unknown ones are ignored.

    Raises:
        TypeError, ValueError: the value is not of that kind.
    """
    found: T = _decode(kind, value)
    return found


def evidence_to_json(evidence: Evidence) -> dict[str, JsonValue]:
    """The snapshot for the audit."""
    document = to_json(evidence)
    assert isinstance(document, dict)
    return document


def evidence_from_json(document: object) -> Evidence:
    """Evidence from its snapshot.

    Raises:
        TypeError, ValueError: not a snapshot of evidence.
    """
    return from_json(Evidence, document)


def _decode(hint: Any, value: Any) -> Any:
    """A value of the annotated type."""
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        inner = [part for part in get_args(hint) if part is not type(None)]
        return None if value is None else _decode(inner[0], value)
    if origin is tuple:
        return tuple(_decode(get_args(hint)[0], item) for item in value)
    if not isinstance(hint, type):
        return value  # a Literal: its JSON form is itself
    if is_dataclass(hint):
        return _decode_dataclass(hint, value)
    if issubclass(hint, datetime):
        return datetime.fromisoformat(value)
    if issubclass(hint, Enum):
        return hint(value)
    return _decode_plain(hint, value)


def _decode_dataclass(hint: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError(f"{hint.__name__} is an object in JSON, not {type(value).__name__}")
    hints = get_type_hints(hint)
    known = {part.name for part in fields(hint)}
    return hint(**{name: _decode(hints[name], value[name]) for name in known & value.keys()})


def _decode_plain(hint: type, value: Any) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)  # a writer of JSON may drop the ".0"
    if not isinstance(value, hint):
        raise TypeError(f"{hint.__name__} expected, not {type(value).__name__}")
    return value
