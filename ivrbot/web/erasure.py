"""`POST /api/v1/erasure`: a caller's data are erased on his request.

Takes a number and a reason, gives what was erased and what is left for people to do.
"""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import AfterValidator, Field

from ivrbot.errors import ConfigError, StorageError
from ivrbot.language.masking import mask_typed
from ivrbot.model.people import Right
from ivrbot.web.answers import Body, Rejected, json_answer, read_body
from ivrbot.web.caller import needs, person_of
from ivrbot.web.parts import WebParts


class Request(Body):
    """Body of the request."""

    number: str = Field(min_length=3, max_length=32)
    why: Annotated[str, Field(min_length=3, max_length=500), AfterValidator(mask_typed)]


class Erasures:
    """Handler of `/api/v1/erasure`.

    Args:
        parts: of the process.
    """

    def __init__(self, parts: WebParts) -> None:
        self._parts = parts

    def routes(self) -> list[web.RouteDef]:
        """Where the handler is mounted."""
        return [web.post("/api/v1/erasure", self.erase)]

    @needs(Right.DATA_ERASE)
    async def erase(self, request: web.Request) -> web.Response:
        """Erase a caller; the answer does not repeat his number."""
        body = await read_body(request, Request)
        if self._parts.eraser is None:
            raise Rejected(503, "not_available")
        try:
            done = await self._parts.eraser.erase(body.number, person_of(request).name, body.why)
        except ConfigError as error:
            problems = [{"field": problem.path, "message": problem.message} for problem in error.problems]
            raise Rejected(400, "invalid", problems) from error
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        return json_answer(
            {
                "calls": len(done.call_ids),
                "rows": done.rows,
                "backups": list(done.backups),
                "audit_rows": done.audit_rows,
                "is_file_clean": done.is_file_clean,
            }
        )
