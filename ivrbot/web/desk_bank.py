"""What an operator changes at the bank for the caller in his hand: unblocks a card, connects the SMS service.

Takes requests, gives JSON. A change is prepared (checked, with a reason) and then confirmed under a key, which is
also the bank's idempotency key: confirmed twice, it happens once. It is noted before it is tried and when its end
is known, in the activity log and in the bank's own log, with the operator's name and reason.
"""

from __future__ import annotations

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal

from aiohttp import web
from pydantic import AfterValidator, StringConstraints

from ivrbot.errors import BankError, BankOutcomeUnknown, BankRejected, StorageError
from ivrbot.escalation.dossier import mask, one_line
from ivrbot.escalation.policy import EMERGENCY_TOPICS, FRONT_OF_QUEUE
from ivrbot.language.masking import mask_typed
from ivrbot.model.bank import OFFERS, BankAnswer, BankOperation, BankRequest
from ivrbot.model.call import EMERGENCY_QUEUE, AssuranceLevel, Dossier
from ivrbot.model.events import JsonValue
from ivrbot.model.people import Right
from ivrbot.web.access_scope import dossier_branches
from ivrbot.web.answers import Body, Rejected, json_answer, read_body
from ivrbot.web.caller import needs, person_of
from ivrbot.web.calls_api import stored_dossier
from ivrbot.web.parts import WebParts

BANK_S: Final = 6.0
PREPARED_S: Final = 600.0
MAX_PREPARED: Final = 500
CHECKED_BY_OPERATOR: Final = "operator"
"""Stands among the facts used when the operator, not the bot, made sure who calls."""

_log = logging.getLogger(__name__)

Reason = Annotated[str, StringConstraints(min_length=5, max_length=200), AfterValidator(mask_typed)]


class Change(Body):
    """Body of `POST /web/desk/{dossier_id}/changes`."""

    operation: Literal["unblock_card", "connect_sms_service"]
    card: Annotated[str, StringConstraints(pattern=r"^([0-9]{4})?$")] = ""
    reason: Reason
    checked: bool = False


class Nothing(Body):
    """Body of requests that say all in their address."""


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A change that waits to be confirmed by whoever prepared it."""

    key: str
    who: str
    dossier: Dossier
    request: BankRequest
    at_s: float


class DeskBank:
    """Handlers below `/web/desk/{dossier_id}`.

    Args:
        parts: of the process.
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(self, parts: WebParts, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._parts = parts
        self._hands = parts.operators.hands
        self._monotonic = monotonic
        self._prepared: dict[str, _Prepared] = {}

    def routes(self) -> list[web.RouteDef]:
        """Where the handlers are mounted."""
        return [
            web.post("/web/desk/{dossier_id}/hand", self.take),
            web.post("/web/desk/{dossier_id}/changes", self.prepare),
            web.post("/web/desk/{dossier_id}/changes/{key}", self.confirm),
        ]

    @needs(Right.DESK_USE)
    async def take(self, request: web.Request) -> web.Response:
        """Take the caller in hand; tells what may be done for him, and what may be offered."""
        dossier, person = await self._dossier(request), person_of(request)
        await read_body(request, Nothing)
        if not self._hands.take(dossier.dossier_id, person.name):
            raise Rejected(409, "in_another_hand")
        await self._note(request, dossier, "take_in_hand", {})
        may_change = person.may(Right.BANK_CHANGE) and bool(dossier.customer_id)
        told: dict[str, Any] = {"may_change": may_change, "must_check": not _is_verified(dossier)}
        if dossier.customer_id:
            told |= await self._known(dossier)
        return json_answer(told)

    @needs(Right.BANK_CHANGE)
    async def prepare(self, request: web.Request) -> web.Response:
        """Check a change and give the key under which it can be confirmed."""
        dossier = await self._in_hand(request)
        body = await read_body(request, Change)
        self._check(dossier, body)
        self._forget()
        key, who = uuid.uuid4().hex, person_of(request).name
        operation = BankOperation(body.operation)
        checked = () if _is_verified(dossier) else (CHECKED_BY_OPERATOR,)
        bank_request = BankRequest(
            operation,
            dossier.customer_id,
            {"card": body.card} if operation is BankOperation.UNBLOCK_CARD else {},
            idempotency_key=f"desk:{dossier.call_id}:{key}",
            level=dossier.level,
            facts_used=(*dossier.facts_used, *checked),
            call_id=dossier.call_id,
            by=who,
            why=one_line(mask(body.reason)),
        )
        self._prepared[key] = _Prepared(key, who, dossier, bank_request, self._monotonic())
        shown = {"key": key, "operation": body.operation, "card": body.card, "reason": bank_request.why}
        return json_answer(shown | {"customer_name": dossier.customer_name})

    @needs(Right.BANK_CHANGE)
    async def confirm(self, request: web.Request) -> web.Response:
        """Do what was prepared. With an unknown outcome the same key may be confirmed again: it happens once."""
        dossier = await self._in_hand(request)
        await read_body(request, Nothing)
        self._forget()
        prepared = self._prepared.get(request.match_info["key"])
        mine = prepared is not None and prepared.who == person_of(request).name
        if prepared is None or not mine or prepared.dossier.dossier_id != dossier.dossier_id:
            raise Rejected(404, "unknown_change")
        asked, action = prepared.request, prepared.request.operation.value
        detail: dict[str, JsonValue] = {"key": prepared.key, "reason": asked.why, "call": dossier.call_id}
        detail |= {name: str(value) for name, value in asked.arguments.items()}
        try:
            await self._note(request, dossier, action, {**detail, "result": "asked"})
        except StorageError as error:  # what cannot be noted is not done
            raise Rejected(503, "storage_unavailable") from error
        result, answer = await self._execute(asked)
        reference = answer.reference if answer else ""
        try:
            await self._note(request, dossier, action, {**detail, "result": result, "reference": reference})
        except StorageError:
            _log.error("done while the activity log is away: %s of %s", action, dossier.dossier_id)
        if answer is None:
            raise Rejected({"rejected": 409, "unknown": 502}.get(result, 503), f"bank_{result}")
        unchanged = answer.values.get("already_active") or answer.values.get("already_connected")
        return json_answer({"operation": action, "reference": reference, "unchanged": bool(unchanged)})

    # --- the bank -------------------------------------------------------------------------------------

    async def _execute(self, request: BankRequest) -> tuple[str, BankAnswer | None]:
        """What became of it, and the answer where there is one."""
        try:
            async with asyncio.timeout(BANK_S):
                return "ok", await self._parts.bank.execute(request)
        except BankRejected as error:
            _log.info("the bank refused %s: %s", request.operation.value, error)
            return "rejected", None
        except (BankOutcomeUnknown, TimeoutError):
            return "unknown" if request.operation.writes else "unavailable", None
        except BankError:
            return "unavailable", None

    async def _known(self, dossier: Dossier) -> dict[str, Any]:
        """Cards, services and one product that may be offered; what the bank does not tell now is left out."""
        who, call = dossier.customer_id, dossier.call_id
        (_, cards), (_, services) = await asyncio.gather(
            self._execute(BankRequest(BankOperation.LIST_CARDS, who, level=dossier.level, call_id=call)),
            self._execute(BankRequest(BankOperation.GET_SERVICES, who, level=dossier.level, call_id=call)),
        )
        listed = cards.values.get("cards") if cards else ()
        return {
            "cards": [_card(row) for row in listed if isinstance(row, Mapping)]
            if isinstance(listed, tuple)
            else [],
            "sms_on": bool(services.values.get("sms_on")) if services else None,
            "offer": None if is_emergency(dossier) else await self._offer(dossier),
        }

    async def _offer(self, dossier: Dossier) -> str | None:
        """The first product that the bank says is due; with that it counts as offered, as by the bot."""
        for offer in OFFERS:
            request = BankRequest(
                BankOperation.PLAN_OFFER,
                dossier.customer_id,
                {"offer": offer},
                idempotency_key=f"desk:{dossier.call_id}:offer:{offer}",
                level=dossier.level,
                call_id=dossier.call_id,
            )
            _, answer = await self._execute(request)
            if answer is not None and answer.values.get("due"):
                return offer
        return None

    # --- who and what ---------------------------------------------------------------------------------

    async def _dossier(self, request: web.Request) -> Dossier:
        """The dossier of the address, if it is of a branch of whoever asks."""
        dossier = await stored_dossier(self._parts, request.match_info["dossier_id"])
        if not person_of(request).sees(dossier_branches(self._parts.router.menu, dossier)):
            raise Rejected(404, "unknown_dossier")
        return dossier

    async def _in_hand(self, request: web.Request) -> Dossier:
        dossier = await self._dossier(request)
        if not self._hands.holds(dossier.dossier_id, person_of(request).name):
            raise Rejected(409, "not_in_hand")
        return dossier

    @staticmethod
    def _check(dossier: Dossier, body: Change) -> None:
        problems = []
        if not dossier.customer_id:
            raise Rejected(409, "unknown_customer")
        if body.operation == "unblock_card" and not body.card:
            problems.append({"field": "card", "message": "which card: its last four digits"})
        if not (_is_verified(dossier) or body.checked):
            problems.append({"field": "checked", "message": "the caller is not verified: check him first"})
        if problems:
            raise Rejected(400, "invalid", problems)

    async def _note(
        self, request: web.Request, dossier: Dossier, action: str, detail: dict[str, JsonValue]
    ) -> None:
        branch = min(dossier_branches(self._parts.router.menu, dossier), default="")
        await self._parts.activity.note(
            person_of(request).name, action, "dossier", dossier.dossier_id, branch=branch, detail=detail
        )

    def _forget(self) -> None:
        oldest_s = self._monotonic() - PREPARED_S
        for key, prepared in list(self._prepared.items()):
            if prepared.at_s <= oldest_s or len(self._prepared) > MAX_PREPARED:
                del self._prepared[key]


def is_emergency(dossier: Dossier) -> bool:
    """Nothing is offered to somebody whose card is gone or whose money is being stolen."""
    urgent = dossier.priority >= FRONT_OF_QUEUE or dossier.queue == EMERGENCY_QUEUE
    return urgent or dossier.topic in EMERGENCY_TOPICS


def _is_verified(dossier: Dossier) -> bool:
    return dossier.level.rank >= AssuranceLevel.VERIFIED.rank


def _card(row: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(row.get(name) or "") for name in ("last4", "kind", "status")}
