"""The API of a call: registered by the PBX, followed while it runs, asked for its outcome and its dossier.

Takes requests, gives JSON (plain text to a dialplan, which speaks forms).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

from aiohttp import web
from pydantic import AfterValidator, StringConstraints, field_validator

from ivrbot.call.door import canonical_call_id
from ivrbot.errors import LegRefused, StorageError
from ivrbot.escalation.dossier import as_json
from ivrbot.model.call import CallId, CallRegistration, Dossier
from ivrbot.model.people import Right
from ivrbot.model.speech import Language
from ivrbot.web.access_scope import call_branches, dossier_branches, note_view
from ivrbot.web.answers import Body, Rejected, is_form, json_answer, read_body
from ivrbot.web.caller import needs, person_of
from ivrbot.web.events import Streams, event_row, story
from ivrbot.web.parts import WebParts

MAX_ID_CHARS: Final = 64

_log = logging.getLogger(__name__)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise ValueError("control characters are not allowed")
    return text


Line = Annotated[str, StringConstraints(max_length=128), AfterValidator(_printable)]
"""One short line of text."""
Number = Annotated[str, StringConstraints(max_length=32), AfterValidator(_printable)]
"""A number as signalled; "" when withheld."""


class Registration(Body):
    """Body of `POST /api/v1/calls`."""

    uuid: str
    caller: Number = ""
    called: Number = ""
    channel: Line = ""
    uniqueid: Line = ""
    linkedid: Line = ""
    language: Language | None = None

    @field_validator("uuid")
    @classmethod
    def _canonical(cls, text: str) -> str:
        call_id = canonical_call_id(text)
        if call_id is None:
            raise ValueError("not a UUID")
        return call_id

    @field_validator("language", mode="before")
    @classmethod
    def _chosen(cls, language: object) -> object:
        return language or None


class CallsApi:
    """Handlers of `/api/v1/calls` and `/api/v1/dossiers`."""

    def __init__(self, parts: WebParts, streams: Streams) -> None:
        self._parts = parts
        self._streams = streams

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.post("/api/v1/calls", self.register),
            web.get("/api/v1/calls/{call_id}/events", self.events, allow_head=False),
            web.get("/api/v1/calls/{call_id}/outcome", self.outcome),
            web.get("/api/v1/dossiers/{dossier_id}", self.dossier),
        ]

    @needs(Right.CALLS_REGISTER)
    async def register(self, request: web.Request) -> web.Response:
        """Expect a call; "operator" means: do not ask the bot at all."""
        body = await read_body(request, Registration)
        registration = CallRegistration(
            CallId(body.uuid),
            caller=body.caller,
            called=body.called,
            channel=body.channel,
            uniqueid=body.uniqueid,
            linkedid=body.linkedid,
            language=body.language,
        )
        try:
            taken = await self._parts.calls.register(registration)
        except LegRefused as error:
            problem = {"field": "uuid", "message": "this call id has been used"}
            raise Rejected(409, "used", [problem]) from error
        status = "ok" if taken else "operator"
        return web.Response(text=status) if is_form(request) else json_answer({"status": status})

    @needs(Right.CALLS_REGISTER, Right.CALLS_SEE)
    async def events(self, request: web.Request) -> web.StreamResponse:
        """Everything that happens in a call, from its beginning to its end."""
        call_id = _call_id(request)
        try:
            known = await self._parts.store.registration(call_id)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if known is None:
            raise Rejected(404, "unknown_call")
        await self._may_follow(request, call_id)
        return await self._streams.send(request, self._rows(call_id, _last_event_id(request)))

    async def _may_follow(self, request: web.Request, call_id: CallId) -> None:
        """A machine that registers calls follows what it registered; everybody else's look is noted."""
        person = person_of(request)
        if person.is_machine and person.branches is None and person.may(Right.CALLS_REGISTER):
            return
        branches = await call_branches(self._parts, call_id)
        if not person.sees(branches):
            raise Rejected(404, "unknown_call")
        await note_view(self._parts, request, "transcript", call_id, branches)

    async def _rows(self, call_id: CallId, after_seq: int) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        async for event in story(call_id, self._parts.store, self._parts.recorder, after_seq):
            yield str(event.seq), event_row(event)

    @needs(Right.CALLS_REGISTER)
    async def outcome(self, request: web.Request) -> web.Response:
        """What the dialplan is to do; nothing at all when the bot did not say."""
        call_id, person = canonical_call_id(request.match_info["call_id"]), person_of(request)
        if call_id and person.branches is not None and not person.sees(await call_branches(self._parts, call_id)):
            return web.Response(status=404)
        try:
            outcome = await self._parts.store.outcome(call_id) if call_id else None
        except StorageError:
            _log.warning("an outcome was asked for while the store is away")
            return web.Response(status=503)
        return web.Response(text=outcome.as_text()) if outcome else web.Response(status=404)

    @needs(Right.DOSSIERS_SEE)
    async def dossier(self, request: web.Request) -> web.Response:
        """What the operator sees, the caller's number hidden."""
        dossier = await find_dossier(self._parts, request, request.match_info["dossier_id"])
        return json_answer(dossier)


async def find_dossier(
    parts: WebParts, request: web.Request, dossier_id: str, *, with_caller: bool = False
) -> dict[str, Any]:
    """A dossier in its JSON form; that it was opened, and by whom, is in the activity log.

    Raises:
        Rejected: 404 when there is none in the branches of whoever asks, 503 while the store is away.
    """
    dossier = await stored_dossier(parts, dossier_id)
    on_the_line = any(one.dossier_id == dossier_id for one in parts.operators.recent)
    branches = dossier_branches(parts.router.menu, dossier)
    if not person_of(request).sees(branches):
        raise Rejected(404, "unknown_dossier")
    await note_view(parts, request, "dossier", dossier_id, branches, must=not on_the_line)
    return as_json(dossier, with_caller=with_caller)


async def stored_dossier(parts: WebParts, dossier_id: str) -> Dossier:
    """A dossier by its id; whether whoever asks may see it is for the caller of this to find out.

    Raises:
        Rejected: 404 when there is none, 503 while the store is away.
    """
    if len(dossier_id) > MAX_ID_CHARS or not dossier_id.isalnum():
        raise Rejected(404, "unknown_dossier")
    dossier = next((one for one in parts.operators.recent if one.dossier_id == dossier_id), None)
    try:
        dossier = dossier or await parts.store.dossier(dossier_id)
    except StorageError as error:
        raise Rejected(503, "storage_unavailable") from error
    if dossier is None:
        raise Rejected(404, "unknown_dossier")
    return dossier


def _call_id(request: web.Request) -> CallId:
    call_id = canonical_call_id(request.match_info["call_id"])
    if call_id is None:
        raise Rejected(404, "unknown_call")
    return call_id


def _last_event_id(request: web.Request) -> int:
    shown = request.headers.get("Last-Event-ID", "")
    return int(shown) if shown.isascii() and shown.isdigit() and len(shown) < 10 else -1
