"""What operators say of calls: by their own software over the API, or on the desk page.

Takes requests, gives JSON. Nothing is overwritten: the last disposition of a call counts, the earlier ones stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import AfterValidator, StringConstraints, create_model

from ivrbot.analytics.labels import label_of
from ivrbot.call.door import canonical_call_id
from ivrbot.errors import StorageError
from ivrbot.logs import mask_long_digits
from ivrbot.model.call import CallId
from ivrbot.model.people import Right
from ivrbot.model.shadow import CallDisposition, Outcome
from ivrbot.model.speech import OUT_OF_SCOPE
from ivrbot.storage.labels import LabelBook
from ivrbot.storage.shadow import DispositionBook
from ivrbot.web.access_scope import note_change, require_call
from ivrbot.web.answers import Body, Rejected, json_answer, read_body
from ivrbot.web.caller import needs, person_of
from ivrbot.web.parts import WebParts

_log = logging.getLogger(__name__)


def _no_number(text: str) -> str:
    if mask_long_digits(text) != text:
        raise ValueError("a code, not a telephone or card number")
    return text


class Said(Body):
    """Body of a disposition; the topic is checked against the menu."""

    topic: str
    outcome: Outcome
    note_code: Annotated[
        str, StringConstraints(max_length=32, pattern=r"^[A-Za-z0-9._-]*$"), AfterValidator(_no_number)
    ] = ""


class Dispositions:
    """Handlers of `/api/v1/calls/{uuid}/disposition` and of the desk's form.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._now = now
        self._book = DispositionBook(parts.store)
        self._labels = LabelBook(parts.store)
        self._menu = parts.router.menu
        topics = [topic for branch in self._menu.branches.values() for topic in branch.topics]
        self._body = _body_for((*topics, OUT_OF_SCOPE))

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.post("/api/v1/calls/{call_id}/disposition", self.from_api),
            web.get("/web/calls/{call_id}/disposition", self.form),
            web.post("/web/calls/{call_id}/disposition", self.from_desk),
        ]

    @needs(Right.DESK_USE)
    async def from_api(self, request: web.Request) -> web.Response:
        """The operator's software has spoken."""
        return await self._note(request)

    @needs(Right.DESK_USE)
    async def from_desk(self, request: web.Request) -> web.Response:
        """The operator has filled in the form."""
        return await self._note(request)

    @needs(Right.DESK_USE)
    async def form(self, request: web.Request) -> web.Response:
        """What can be chosen, and what has been said so far."""
        call_id = await self._known_call(request)
        try:
            latest = await self._book.latest(call_id)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        branches = [
            {"branch": name, "topics": list(branch.topics)} for name, branch in self._menu.branches.items()
        ]
        return json_answer(
            {
                "branches": branches,
                "outcomes": [outcome.value for outcome in Outcome],
                "latest": _row(latest) if latest else None,
            }
        )

    async def _note(self, request: web.Request) -> web.Response:
        call_id = await self._known_call(request)
        body, who = await read_body(request, self._body), person_of(request).name
        said = CallDisposition(
            call_id,
            self._now(),
            who,
            body.topic,
            self._menu.branch_of(body.topic) or "",
            body.outcome,
            body.note_code,
        )
        try:
            is_new = await self._book.add(said)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if is_new:
            await note_change(
                self._parts,
                request,
                "disposition",
                "call",
                call_id,
                said.branch,
                {"topic": said.topic, "outcome": said.outcome.value},
            )
            await self._label(said)
        return json_answer(_row(said) | {"new": is_new})

    async def _label(self, said: CallDisposition) -> None:
        """What the operator corrects becomes an example for a person to review; losing one hurts nobody."""
        try:
            events = await self._parts.store.of_call(said.call_id)
            await self._labels.note(said.call_id, label_of(events, said))
        except StorageError as error:
            _log.warning("a correction is not kept as a label: %s", error.code)

    async def _known_call(self, request: web.Request) -> CallId:
        call_id = canonical_call_id(request.match_info["call_id"])
        try:
            known = await self._parts.store.registration(call_id) if call_id else None
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        if call_id is None or known is None:
            raise Rejected(404, "unknown_call")
        await require_call(self._parts, request, Right.DESK_USE, call_id)
        return call_id


def _body_for(topics: tuple[str, ...]) -> type[Said]:
    def known(topic: str) -> str:
        if topic not in topics:
            raise ValueError(f"no such topic; allowed: {', '.join(topics)}")
        return topic

    return create_model("Disposition", __base__=Said, topic=(Annotated[str, AfterValidator(known)], ...))


def _row(said: CallDisposition) -> dict[str, Any]:
    return {
        "call_id": said.call_id,
        "at": said.at.isoformat(timespec="seconds"),
        "topic": said.topic,
        "outcome": said.outcome.value,
        "note_code": said.note_code,
    }
