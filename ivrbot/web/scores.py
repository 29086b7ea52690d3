"""The caller's score after an operator's call: the dialplan asks and tells it here.

Takes requests, gives JSON (plain text to a dialplan, which speaks forms).
"""

from __future__ import annotations

from typing import Final

from aiohttp import web
from pydantic import Field

from ivrbot.call.door import canonical_call_id
from ivrbot.errors import StorageError
from ivrbot.model.call import CallId
from ivrbot.model.events import CallEvent, EventType
from ivrbot.model.people import Right
from ivrbot.web.access_scope import require_call
from ivrbot.web.answers import Body, Rejected, is_form, json_answer, read_body
from ivrbot.web.caller import needs
from ivrbot.web.parts import WebParts

BY: Final = "operator"


class Score(Body):
    """Body of `POST /api/v1/calls/{uuid}/score`; 0: the question was asked."""

    score: int = Field(ge=0, le=5)


class Scores:
    """Handler of `/api/v1/calls/{uuid}/score`."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handler is mounted."""
        return [web.post("/api/v1/calls/{call_id}/score", self.note)]

    @needs(Right.CALLS_REGISTER)
    async def note(self, request: web.Request) -> web.Response:
        """Keep that the question was asked, and the answer; told again, nothing is kept twice."""
        body = await read_body(request, Score)
        call_id = canonical_call_id(request.match_info["call_id"])
        try:
            known = await self._parts.store.registration(call_id) if call_id else None
            if call_id is None or known is None:
                raise Rejected(404, "unknown_call")
            await require_call(self._parts, request, Right.CALLS_REGISTER, call_id)
            await self._parts.recorder.resume(call_id)
            await self._parts.recorder.flush()
            told = await self._parts.store.of_call(call_id)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        noted = self._keep(call_id, told, body.score)
        status = "noted" if noted else "ignored"
        return web.Response(text=status) if is_form(request) else json_answer({"status": status})

    def _keep(self, call_id: CallId, told: tuple[CallEvent, ...], score: int) -> bool:
        """One question and one answer a call; the bot's own stay as they are."""
        asked = any(event.type is EventType.SCORE_ASKED for event in told)
        scored = any(event.type is EventType.CALL_SCORED for event in told)
        if scored or (asked and not score):
            return False
        if not asked:
            self._parts.recorder.emit(call_id, EventType.SCORE_ASKED, 0, {"by": BY})
        if score:
            self._parts.recorder.emit(call_id, EventType.CALL_SCORED, 0, {"score": score, "by": BY})
        return True
