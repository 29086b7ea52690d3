"""What a dossier adds to the words of the call: earlier contacts, open claims, how surely each slot was heard.

Takes the bank and the contacts' history, gives what they know within half a second; what comes late is left out,
since the caller is waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from ivrbot.errors import BankError, StorageError
from ivrbot.model.bank import BankRequest
from ivrbot.model.call import CallRegistration, OpenClaim, PastContact
from ivrbot.model.dialogue import DialogueInput, UserTurn, Value
from ivrbot.ports import Bank

log = logging.getLogger(__name__)

DEADLINE_S: Final = 0.5
MAX_CLAIMS: Final = 5


class History(Protocol):
    """Earlier contacts of callers."""

    async def recent(self, registration: CallRegistration) -> tuple[PastContact, ...]:
        """The caller's last contacts before this call, newest first; none for a withheld number.

        Raises:
            StorageError: not known.
        """
        ...


@dataclass(frozen=True, slots=True)
class DossierContext:
    """What is known beside the call."""

    contacts: tuple[PastContact, ...] = ()
    claims: tuple[OpenClaim, ...] = ()


async def gather_context(
    bank: Bank, history: History | None, registration: CallRegistration, claims: BankRequest | None
) -> DossierContext:
    """Ask both at once.

    Args:
        bank: asked for claims.
        history: asked for contacts; None: there is none.
        registration: of the call.
        claims: asks for his claims; None while the caller is not known surely enough: none is looked for.
    """
    async with asyncio.TaskGroup() as group:
        past = group.create_task(_contacts(history, registration))
        open_ = group.create_task(_claims(bank, claims))
    return DossierContext(past.result(), open_.result())


async def _contacts(history: History | None, registration: CallRegistration) -> tuple[PastContact, ...]:
    if history is None:
        return ()
    try:
        async with asyncio.timeout(DEADLINE_S):
            return await history.recent(registration)
    except (StorageError, TimeoutError):
        log.warning("a dossier goes without the caller's last contacts")
        return ()


async def _claims(bank: Bank, request: BankRequest | None) -> tuple[OpenClaim, ...]:
    if request is None:
        return ()
    try:
        async with asyncio.timeout(DEADLINE_S):
            answer = await bank.execute(request)
    except (BankError, TimeoutError):
        log.warning("a dossier goes without the customer's claims")
        return ()
    rows = answer.values.get("claims")
    found = [_claim(row) for row in rows if isinstance(row, Mapping)] if isinstance(rows, tuple) else []
    return tuple(found[:MAX_CLAIMS])


def _claim(row: Mapping[str, Value]) -> OpenClaim:
    amount = row.get("amount_minor")
    texts = {name: str(row.get(name) or "") for name in ("reference", "currency", "made_on", "merchant")}
    return OpenClaim(amount_minor=amount if isinstance(amount, int) else 0, **texts)


class SlotConfidence:
    """How surely each slot of a call was heard."""

    def __init__(self) -> None:
        self._sure: dict[str, float] = {}

    def note(self, before: Mapping[str, Value], after: Mapping[str, Value], heard: DialogueInput) -> None:
        """A step has changed slots: those are as sure as what was heard; keys and the bank's word are sure."""
        sure = heard.hypotheses[0].confidence if isinstance(heard, UserTurn) else 1.0
        for name, value in after.items():
            if before.get(name) != value:
                self._sure[name] = round(sure, 3)

    def of(self, slot: str) -> float:
        """0..1; 1 for a slot that nothing was heard about."""
        return self._sure.get(slot, 1.0)
