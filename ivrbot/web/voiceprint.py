"""The page about voices: whether they are compared, how often that errs here, who is enrolled, and one's erasure.

Takes requests, gives pages and, for `POST /api/v1/voiceprint/erasure`, JSON. No sound, vector or customer is ever
shown; whose voice is to be erased is typed in by whoever has his request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from aiohttp import web
from pydantic import AfterValidator, Field

from ivrbot.errors import StorageError
from ivrbot.language.masking import mask_typed
from ivrbot.model.people import Right
from ivrbot.model.voiceprint import VoiceVerdict
from ivrbot.storage.voiceprints import compared_since, counted, forget, withdraw
from ivrbot.voiceprint.calibration import Calibration, load
from ivrbot.web.access_scope import note_change
from ivrbot.web.answers import Body, Rejected, json_answer, read_body
from ivrbot.web.caller import needs, person_of
from ivrbot.web.login import read_form
from ivrbot.web.parts import VoiceprintFacts, WebParts
from ivrbot.web.rendering import language_of, page
from ivrbot.web.saying import Say

SHOWN: Final = timedelta(days=30)
FEWEST_CHARS: Final = 3


class ErasureRequest(Body):
    """Body of the request."""

    customer_id: str = Field(min_length=1, max_length=64)
    why: Annotated[str, Field(min_length=FEWEST_CHARS, max_length=500), AfterValidator(mask_typed)]
    forget: bool = False


class VoiceprintPages:
    """Handlers of `/voiceprint`.

    Args:
        parts: of the process.
        now: aware UTC clock.
    """

    def __init__(self, parts: WebParts, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._parts = parts
        self._now = now

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.get("/voiceprint", self.show),
            web.post("/voiceprint/erase", self.erase),
            web.post("/api/v1/voiceprint/erasure", self.erase_api),
        ]

    @needs(Right.VOICEPRINT_SEE)
    async def show(self, request: web.Request) -> web.Response:
        """How voices are compared here."""
        facts = self._known()
        since = self._now() - SHOWN
        try:
            counts = await self._parts.store.read(counted)
            compared = await self._parts.store.read(lambda conn: compared_since(conn, since))
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        calibration = load(facts.calibration)
        return page(
            request,
            "voiceprint.html",
            facts=facts,
            counts=counts,
            verdicts=by_verdict(compared),
            doubts={doubt: count for (_, doubt), count in sorted(compared.items()) if doubt},
            calibration=calibration,
            is_other_model=_is_of_other_model(calibration, facts),
            may_erase=person_of(request).may(Right.DATA_ERASE),
            erased=request.query.get("erased", ""),
            say=Say(language_of(request), self._parts.router.plan.timezone),
        )

    @needs(Right.DATA_ERASE)
    async def erase(self, request: web.Request) -> web.Response:
        """Erase the voice of the customer in the form."""
        fields = await read_form(request)
        customer_id = fields.get("customer_id", "").strip()
        why = mask_typed(fields.get("why", "").strip())
        if not customer_id or len(why) < FEWEST_CHARS:
            raise web.HTTPSeeOther("/voiceprint?erased=missing#erase")
        had = await self._erase(request, customer_id, why, wholly=False)
        raise web.HTTPSeeOther(f"/voiceprint?erased={'yes' if had else 'nothing'}#erase")

    @needs(Right.DATA_ERASE)
    async def erase_api(self, request: web.Request) -> web.Response:
        """The same for machines; the answer does not repeat the customer."""
        body = await read_body(request, ErasureRequest)
        had = await self._erase(request, body.customer_id, body.why, wholly=body.forget)
        return json_answer({"erased": had})

    async def _erase(self, request: web.Request, customer_id: str, why: str, *, wholly: bool) -> bool:
        facts = self._known()
        try:
            if wholly:
                had = await forget(self._parts.store, customer_id)
            else:
                had = await withdraw(self._parts.store, customer_id, self._now(), reference=why)
        except StorageError as error:
            raise Rejected(503, "storage_unavailable") from error
        detail: Mapping[str, str | bool] = {"why": why, "had": had, "forget": wholly}
        await note_change(self._parts, request, "erase", "voiceprint", facts.ref(customer_id), detail=dict(detail))
        return had

    def _known(self) -> VoiceprintFacts:
        if self._parts.voiceprint is None:
            raise Rejected(503, "not_available")
        return self._parts.voiceprint


def by_verdict(compared: Mapping[tuple[str, str], int]) -> dict[str, int]:
    """Comparisons by verdict; every verdict has its line."""
    found = dict.fromkeys((verdict.value for verdict in VoiceVerdict), 0)
    for (verdict, _), count in compared.items():
        found[verdict] = found.get(verdict, 0) + count
    return found


def _is_of_other_model(calibration: Calibration | None, facts: VoiceprintFacts) -> bool:
    return calibration is not None and bool(facts.model) and calibration.model != facts.model
