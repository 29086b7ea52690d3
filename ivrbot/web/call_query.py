"""What the address of the list of calls asks for: the same names wherever a page links to calls.

    /calls?from=2026-03-01&to=2026-03-07&branch=loans&arm=treatment&stage=tenth&disposition=escalated&hour=14

Takes a query and the bank's time zone, gives a `CallFilter`. What cannot be read is named and left out. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ivrbot.storage.call_list import EQUALS, CallFilter, Place

MAX_CHARS: Final = 64
NOT_DRAWN: Final = "none"
"""Value of `arm` for calls that were not drawn."""
NAMES: Final = ("from", "to", "hour", *EQUALS)
"""Every filter; `page` besides says where a page begins."""


@dataclass(frozen=True, slots=True)
class CallQuery:
    """A query as read.

    Attributes:
        wanted: the filter.
        after: where the page begins; None: the newest.
        given: filters in force, by name, as they stand in the address.
        unread: names of what was left out.
    """

    wanted: CallFilter
    after: Place | None
    given: Mapping[str, str]
    unread: tuple[str, ...]

    def href(self, after: Place | None = None) -> str:
        """Address of a page with the same filters."""
        pages = {"page": "~".join(map(str, after))} if after else {}
        query = urlencode({**self.given, **pages})
        return f"/calls?{query}" if query else "/calls"


def read_query(query: Mapping[str, str], timezone: str, branches: frozenset[str] | None) -> CallQuery:
    """Read the address.

    Args:
        query: names and values.
        timezone: IANA name: on whose clock days and hours are meant.
        branches: that whoever asks may see; None: all.
    """
    given = {name: value.strip() for name in NAMES if (value := query.get(name, "")).strip()}
    values: dict[str, Any] = {}
    unread = []
    for name, text in given.items():
        try:
            values |= _value(name, text, ZoneInfo(timezone))
        except ValueError:
            unread.append(name)
    kept = {name: text for name, text in given.items() if name not in unread}
    wanted = CallFilter(**values, timezone=timezone, branches=branches)
    return CallQuery(wanted, _place(query.get("page", "")), kept, tuple(unread))


def _value(name: str, text: str, zone: ZoneInfo) -> dict[str, Any]:
    """Field of the filter and its value.

    Raises:
        ValueError: not to be read.
    """
    if name == "from":
        return {"since": moment_of(text, zone, is_end=False)}
    if name == "to":
        return {"until": moment_of(text, zone, is_end=True)}
    if name == "hour":
        if not (text.isascii() and text.isdigit() and int(text) < 24):
            raise ValueError(text)
        return {"hour": int(text)}
    if len(text) > MAX_CHARS:
        raise ValueError(name)
    return {name: "" if text == NOT_DRAWN and name == "arm" else text}


def moment_of(text: str, zone: ZoneInfo, *, is_end: bool) -> datetime:
    """A day on the zone's clock (its first moment, or the first after it), or a moment.

    Raises:
        ValueError: neither.
    """
    if len(text) <= len("2026-03-01"):
        day = date.fromisoformat(text)
        if not 2000 <= day.year < 2100:
            raise ValueError(text)
        return datetime.combine(day + timedelta(days=is_end), time(), zone)
    at = datetime.fromisoformat(text)
    if not 2000 <= at.year < 2100:
        raise ValueError(text)
    return at if at.tzinfo else at.replace(tzinfo=zone)


def _place(text: str) -> Place | None:
    parts = text.split("~")
    if len(parts) != 3 or not (parts[0].isascii() and parts[0].isdigit()) or len(text) > 3 * MAX_CHARS:
        return None
    started_us = int(parts[0])
    return (started_us, parts[1], parts[2]) if started_us < 2**62 else None
