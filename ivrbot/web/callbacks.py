"""Call-backs: the list for operators, what they decide, and what the dialplan reports of an attempt.

Takes requests, gives JSON (plain text to a dialplan, which speaks forms). Numbers are shown on the desk page only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

from aiohttp import web
from pydantic import Field

from ivrbot.call.door import canonical_call_id
from ivrbot.errors import StorageError
from ivrbot.escalation.dossier import hide_number
from ivrbot.model.operators import Callback, CallbackResult, CallbackState
from ivrbot.model.people import Person, Right
from ivrbot.storage.callbacks import CallbackBook
from ivrbot.web.access_scope import branches_of, note_change, note_view
from ivrbot.web.answers import Body, Rejected, is_form, json_answer, read_body
from ivrbot.web.caller import needs, person_of
from ivrbot.web.parts import WebParts

LISTED: Final = 100


class Report(Body):
    """Body of `POST /api/v1/callbacks/{callback_id}/result`."""

    try_no: int = Field(ge=1, le=10_000)
    result: Literal["answered", "busy", "no_answer", "failed", "no_operator"]


class Decision(Body):
    """Body of `POST /web/callbacks/{callback_id}`."""

    action: Literal["done", "again", "no_answer"]


class Callbacks:
    """Handlers of `/api/v1/callbacks` and of the desk's list.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._book = CallbackBook(parts.store)
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/api/v1/callbacks", self.api_list, allow_head=False),
            web.post("/api/v1/callbacks/{callback_id}/result", self.report),
            web.get("/web/callbacks", self.desk_list, allow_head=False),
            web.post("/web/callbacks/{callback_id}", self.decide),
            web.post("/web/callbacks/{callback_id}/number", self.number),
        ]

    @needs(Right.DESK_USE)
    async def api_list(self, request: web.Request) -> web.Response:
        """Call-backs, numbers hidden."""
        return json_answer({"callbacks": await self._rows(person_of(request), hide_number)})

    @needs(Right.DESK_USE)
    async def desk_list(self, request: web.Request) -> web.Response:
        """Call-backs; a number is shown to who asks for it, one at a time."""
        rows = await self._rows(person_of(request), hide_number)
        return json_answer({"callbacks": rows, "dialled": self._parts.dialler is not None})

    @needs(Right.CALLS_REGISTER)
    async def report(self, request: web.Request) -> web.Response:
        """The dialplan says how an attempt ended; a report of an earlier attempt changes nothing."""
        dialler, callback_id = self._parts.dialler, _callback_id(request)
        body = await read_body(request, Report)
        if dialler is None:
            raise Rejected(404, "unknown_callback")
        try:
            found = await self._book.callback(callback_id)
            if found is not None and not person_of(request).sees(self._branches(found)):
                raise Rejected(404, "unknown_callback")
            noted = await dialler.report(callback_id, body.try_no, CallbackResult(body.result))
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        status = "noted" if noted else "ignored"
        return web.Response(text=status) if is_form(request) else json_answer({"status": status})

    @needs(Right.DOSSIERS_SEE)
    async def number(self, request: web.Request) -> web.Response:
        """The number that somebody is about to dial; that he saw it is noted first."""
        callback_id = _callback_id(request)
        callback, number = await self._one(request, callback_id)
        branches = self._branches(callback)
        await note_view(self._parts, request, "callback_number", callback_id, branches)
        return json_answer({"callback_id": callback_id, "number": number})

    async def _one(self, request: web.Request, callback_id: str) -> tuple[Callback, str]:
        """A call-back of a branch of whoever asks, and its number ("" when it was erased)."""
        try:
            found = await self._book.with_number(callback_id)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if found is None or not person_of(request).sees(self._branches(found[0])):
            raise Rejected(404, "unknown_callback")
        return found

    @needs(Right.DESK_USE)
    async def decide(self, request: web.Request) -> web.Response:
        """A person has called back himself, or wants it dialled again."""
        callback_id = _callback_id(request)
        body = await read_body(request, Decision)
        await self._one(request, callback_id)
        try:
            settled = await self._settled(callback_id, body.action)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if settled is None:
            raise Rejected(409, "not_now")
        await note_change(self._parts, request, f"callback_{body.action}", "callback", callback_id)
        return json_answer(_row(settled, ""))

    async def _settled(self, callback_id: str, action: str) -> Callback | None:
        now, rules = self._now(), self._parts.callback_rules
        if action == "no_answer":
            again_at = now + timedelta(seconds=rules.callback_pause_s)
            return await self._book.missed(callback_id, again_at, rules.callback_attempts)
        state = CallbackState.DONE if action == "done" else CallbackState.OPEN
        return await self._book.settle(callback_id, state, now)

    async def _rows(self, person: Person, show: Callable[[str], str]) -> list[dict[str, Any]]:
        try:
            listed = await self._book.listed(LISTED)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return [
            _row(callback, show(number)) for callback, number in listed if person.sees(self._branches(callback))
        ]

    def _branches(self, callback: Callback) -> frozenset[str]:
        return branches_of(self._parts.router.menu, callback.topic, callback.queue)


def _row(callback: Callback, number: str) -> dict[str, Any]:
    return {
        "callback_id": callback.callback_id,
        "call_id": callback.call_id,
        "asked_at": callback.asked_at.isoformat(timespec="seconds"),
        "due_at": callback.due_at.isoformat(timespec="seconds"),
        "queue": callback.queue,
        "topic": callback.topic,
        "dossier_id": callback.dossier_id,
        "language": callback.language,
        "state": callback.state.value,
        "tries": callback.tries,
        "attempts": callback.attempts,
        "result": callback.result,
        "number": number,
    }


def _callback_id(request: web.Request) -> str:
    callback_id = canonical_call_id(request.match_info["callback_id"])
    if callback_id is None:
        raise Rejected(404, "unknown_callback")
    return callback_id
