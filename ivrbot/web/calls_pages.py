"""The list of calls, and one call from its first event to its last.

Takes requests, gives pages. Callers' numbers stand on neither; that somebody opened a call is noted before it is
shown.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from ivrbot.call.door import canonical_call_id
from ivrbot.call.router import FRONT_BRANCH
from ivrbot.errors import StorageError
from ivrbot.model.call import CallId
from ivrbot.model.contact import Contact
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.experiment import Exposure
from ivrbot.model.people import Person, Right
from ivrbot.storage.call_list import CallLine, CallList
from ivrbot.storage.contact_statements import exposures_of
from ivrbot.storage.contacts import ContactBook
from ivrbot.web.access_scope import call_branches, note_view
from ivrbot.web.answers import Rejected
from ivrbot.web.call_query import read_query
from ivrbot.web.caller import needs, person_of, require_one_of
from ivrbot.web.parts import WebParts
from ivrbot.web.rendering import labels_of, language_of, page, texts_of
from ivrbot.web.saying import Say
from ivrbot.web.time_axis import draw_axis
from ivrbot.web.timeline import SLOW_GAP_MS, Words, timeline

SHOWN_FIRST: Final = ("branch", "topic", "arm", "disposition", "outcome")
"""Filters that are always open; the others unfold."""
HIDDEN_FIRST: Final = ("reason", "stage", "queue", "unserved", "draw")
CODED: Final = ("disposition", "outcome", "reason", "unserved", "draw")
"""Filters that offer every code which has a name."""
LABELS_OF: Final = {
    "branch": "branches",
    "topic": "topics",
    "arm": "arms",
    "stage": "stages",
    "disposition": "dispositions",
    "reason": "reasons",
    "outcome": "results",
    "queue": "queues",
    "unserved": "unserved",
    "draw": "draws",
}
"""Kind of labels of each filter's values."""
MAX_ID_CHARS: Final = 96


class CallsPages:
    """Handlers of `/calls` and `/calls/{call_id}`."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts
        self._list = CallList(parts.store)
        self._contacts = ContactBook(parts.store)

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [web.get("/calls", self.calls), web.get("/calls/{call_id}", self.call)]

    @needs(Right.CALLS_SEE)
    async def calls(self, request: web.Request) -> web.Response:
        """A page of the list."""
        timezone = self._parts.router.plan.timezone
        person = person_of(request)
        asked = read_query(request.query, timezone, person.branches)
        try:
            found = await self._list.page(asked.wanted, asked.after)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return page(
            request,
            "calls.html",
            found=found,
            asked=asked,
            choices=self._choices(person),
            shown_first=SHOWN_FIRST,
            hidden_first=HIDDEN_FIRST,
            kinds=LABELS_OF,
            say=Say(language_of(request), timezone),
        )

    def _choices(self, person: Person) -> dict[str, list[str]]:
        """What each filter may be set to."""
        plan, menu = self._parts.router.plan, self._parts.router.menu
        branches = [name for name in sorted({*menu.branches, *plan.branches}) if person.sees(frozenset({name}))]
        topics = [topic for name in branches if name in menu.branches for topic in menu.branches[name].topics]
        stages = [stage.name for branch in plan.branches.values() for stage in branch.stages]
        labels = labels_of("en")
        return {
            "branch": branches,
            "topic": topics,
            "arm": ["treatment", "control", "none"],
            "stage": list(dict.fromkeys(stages)),
            "queue": [name for name in branches if name in menu.branches],
            **{
                name: list(labels[LABELS_OF[name]])
                for name in ("disposition", "outcome", "reason", "unserved", "draw")
            },
        }

    @needs(Right.CALLS_SEE)
    async def call(self, request: web.Request) -> web.Response:
        """One call, told turn by turn."""
        name = request.match_info["call_id"]
        call_id = CallId(canonical_call_id(name) or name)
        if len(call_id) > MAX_ID_CHARS:
            raise Rejected(404, "unknown_call")
        branches = await call_branches(self._parts, call_id)
        person = require_one_of(request, Right.CALLS_SEE, branches)
        events, contacts, drawn, lines = await self._stored(call_id)
        if not events and not contacts:
            raise Rejected(404, "unknown_call")
        await note_view(self._parts, request, "call", call_id, branches)
        language = language_of(request)
        say = Say(language, self._parts.router.plan.timezone)
        words = Words(texts_of(language), labels_of(language), say)
        told = timeline(events, words)
        names = {who: words.t[key] for who, key in _LANES}
        return page(
            request,
            "call.html",
            call_id=call_id,
            started_at=events[0].at if events else contacts[0].started_at,
            is_live=bool(events) and not contacts and _end_of(events) is None,
            events=events,
            told=told,
            axis=draw_axis(told, names, words.t["call_axis"]),
            contacts=[
                (contact, drawn.get(contact.branch), lines.get(contact.branch))
                for contact in sorted(contacts, key=lambda contact: contact.branch == FRONT_BRANCH)
            ],
            gaps=[event.data.get("gap_ms") for event in events if event.type is EventType.RESPONSE_GAP],
            slow_gap_ms=SLOW_GAP_MS,
            has_recording=await self._has_recording(person, call_id),
            may_open_dossier=person.may(Right.DOSSIERS_SEE),
            say=say,
        )

    async def _has_recording(self, person: Person, call_id: CallId) -> bool:
        """Whether there is sound of the call that this person may hear."""
        archive = self._parts.recordings
        if archive is None or not person.may(Right.RECORDINGS_HEAR) or canonical_call_id(call_id) is None:
            return False
        return await asyncio.to_thread(archive.find, call_id) is not None

    async def _stored(
        self, call_id: CallId
    ) -> tuple[Sequence[CallEvent], Sequence[Contact], dict[str, Exposure], dict[str, CallLine]]:
        store = self._parts.store
        try:
            events = await store.of_call(call_id)
            contacts = await self._contacts.of_call(call_id)
            drawn = await store.read(lambda conn: exposures_of(conn, call_id))
            lines = await self._list.of_call(call_id)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return events, contacts, {item.branch: item for item in drawn}, {item.branch: item for item in lines}


_LANES: Final = (("bot", "axis_bot"), ("caller", "axis_caller"), ("mark", "axis_events"))


def _end_of(events: Sequence[CallEvent]) -> CallEvent | None:
    return next((event for event in reversed(events) if event.type is EventType.CALL_ENDED), None)
