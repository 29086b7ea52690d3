"""The rollout over HTTP: where a call goes, for an IVR that the bank already has, and the state of every branch.

Takes requests, gives JSON rows.
"""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import StringConstraints

from ivrbot.call.door import canonical_call_id
from ivrbot.errors import StorageError
from ivrbot.model.call import CallId
from ivrbot.rollout.rows import assignment_row, status
from ivrbot.web.answers import Body, Rejected, json_answer, read_body
from ivrbot.web.parts import WebParts


class Question(Body):
    """Body of `POST /api/v1/rollout/decision`."""

    branch: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    call_id: Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9._:-]+$")]
    caller: Annotated[str, StringConstraints(max_length=32)] = ""


class RolloutApi:
    """Handlers of `/api/v1/rollout`."""

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.post("/api/v1/rollout/decision", self.decision),
            web.get("/api/v1/rollout", self.status),
        ]

    async def decision(self, request: web.Request) -> web.Response:
        """Draw a call and store its exposure; asked again for the same call, the answer is the same.

        While the store is away the answer is "operator", and the call is in neither arm.
        """
        question = await read_body(request, Question)
        known = self._parts.router.known_branches
        if question.branch not in known:
            message = f"no such branch; allowed: {', '.join(sorted(known))}"
            raise Rejected(400, "invalid", [{"field": "branch", "message": message}])
        call_id = canonical_call_id(question.call_id) or CallId(question.call_id)
        assignment = await self._parts.router.assign(question.branch, caller=question.caller, call_id=call_id)
        return json_answer(assignment_row(assignment))

    async def status(self, request: web.Request) -> web.Response:
        """One row per branch."""
        del request
        try:
            own = await self._parts.store.own_states()
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return json_answer(status(self._parts.router.plan, own))
