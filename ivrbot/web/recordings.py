"""The sound of a call, for whoever may hear it; that somebody did is noted before the first byte.

Takes requests, gives the WAV file, in parts where a player asks for parts (RFC 9110, section 14).
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from aiohttp import web

from ivrbot.call.door import canonical_call_id
from ivrbot.model.call import CallId
from ivrbot.model.people import Right
from ivrbot.web.access_scope import call_branches, note_view, require_call
from ivrbot.web.answers import Rejected
from ivrbot.web.caller import needs
from ivrbot.web.parts import WebParts

SAME_VIEW_S: Final = 600.0
"""A player asks for many parts: all within this time are one view."""
MAX_VIEWS: Final = 1000


class RecordingPages:
    """Handler of `/calls/{call_id}/audio`.

    Args:
        parts: of the process.
        clock: monotonic seconds.
    """

    def __init__(self, parts: WebParts, clock: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._clock = clock
        self._views: OrderedDict[tuple[str, CallId], float] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        """Where the handler is mounted."""
        return [web.get("/calls/{call_id}/audio", self.audio)]

    @needs(Right.RECORDINGS_HEAR)
    async def audio(self, request: web.Request) -> web.StreamResponse:
        """Both sides of a call: caller left, bot right."""
        call_id = canonical_call_id(request.match_info["call_id"])
        archive = self._parts.recordings
        if call_id is None or archive is None:
            raise Rejected(404, "not_found")
        person = await require_call(self._parts, request, Right.RECORDINGS_HEAR, call_id)
        path = await asyncio.to_thread(archive.find, call_id)
        if path is None:
            raise Rejected(404, "not_recorded")
        if not self._seen_just_now(person.name, call_id):
            await note_view(self._parts, request, "recording", call_id, await call_branches(self._parts, call_id))
            self._views[person.name, call_id] = self._clock()
        headers = {"Content-Type": "audio/wav", "Content-Disposition": f'inline; filename="{call_id}.wav"'}
        return web.FileResponse(path, headers=headers)

    def _seen_just_now(self, name: str, call_id: CallId) -> bool:
        while len(self._views) > MAX_VIEWS:
            self._views.popitem(last=False)
        seen_s = self._views.get((name, call_id))
        return seen_s is not None and self._clock() - seen_s < SAME_VIEW_S
