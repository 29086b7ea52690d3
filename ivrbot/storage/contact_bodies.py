"""Contacts and notes as JSON documents and back.

Takes and gives model objects and plain dictionaries. Pure.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any

from ivrbot.model.call import CallId, Disposition
from ivrbot.model.contact import (
    BotPart,
    Contact,
    ContactNote,
    Diagnostics,
    EndedBy,
    HumanPart,
    Origin,
    Unserved,
)
from ivrbot.model.shadow import Outcome


def contact_body(contact: Contact) -> dict[str, Any]:
    """JSON-able document of a contact."""
    body: dict[str, Any] = _plain(asdict(contact))
    return body


def note_body(note: ContactNote) -> dict[str, Any]:
    """JSON-able document of a note."""
    body: dict[str, Any] = _plain(asdict(note))
    return body


def contact_from(body: dict[str, Any]) -> Contact:
    """The contact of a document of `contact_body`."""
    bot, human, faults = body["bot"], body["human"], body["diagnostics"]
    values = body | {
        "call_id": CallId(body["call_id"]),
        "started_at": datetime.fromisoformat(body["started_at"]),
        "ended_at": datetime.fromisoformat(body["ended_at"]),
        "bot": BotPart(**bot | {"disposition": _maybe(Disposition, bot["disposition"])}) if bot else None,
        "human": _human(human) if human else None,
        "outcome": Outcome(body["outcome"]),
        "diagnostics": Diagnostics(**faults | {"gaps_ms": tuple(faults["gaps_ms"])}),
        "origin": Origin(body["origin"]),
    }
    return Contact(**values)


def note_from(body: dict[str, Any]) -> ContactNote:
    """The note of a document of `note_body`."""
    values = body | {
        "origin": Origin(body["origin"]),
        "started_at": datetime.fromisoformat(body["started_at"]),
        "ended_by": _maybe(EndedBy, body["ended_by"]),
        "outcome": Outcome(body["outcome"]),
    }
    return ContactNote(**values)


def _human(body: dict[str, Any]) -> HumanPart:
    times = {name: _time(body[name]) for name in ("asked_at", "entered_at", "connected_at")}
    codes = {"ended_by": _maybe(EndedBy, body["ended_by"]), "unserved": _maybe(Unserved, body["unserved"])}
    values: dict[str, Any] = body | times | codes
    return HumanPart(**values)


def _maybe(kind: type[Any], value: Any) -> Any:
    return None if value is None else kind(value)


def _time(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.isoformat() if isinstance(value, datetime) else value
