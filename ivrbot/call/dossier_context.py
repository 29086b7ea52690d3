"""What a dossier adds to the words of the call: earlier contacts, open claims, how surely each slot was heard.

Takes the bank and the contacts' history, gives what they know within half a second; what comes late is left out,
since the caller is waiting.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from ivrbot.dialogue.schema import SlotSpec
from ivrbot.errors import BankError, StorageError
from ivrbot.language.masking import MASK
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
    """How surely each slot of a call was heard, and which were said in passing, to a question for others."""

    def __init__(self) -> None:
        self._sure: dict[str, float] = {}
        self._in_passing: set[str] = set()

    def note(
        self,
        before: Mapping[str, Value],
        after: Mapping[str, Value],
        heard: DialogueInput,
        asked: Collection[str] = (),
    ) -> None:
        """A step has changed slots: those are as sure as what was heard; keys and the bank's word are sure.

        Args:
            before: slots before the step.
            after: and after it.
            heard: what it was about.
            asked: slots that the question on the table was for.
        """
        in_words = isinstance(heard, UserTurn)
        sure = heard.hypotheses[0].confidence if isinstance(heard, UserTurn) else 1.0
        for name, value in after.items():
            if before.get(name) != value:
                self._sure[name] = round(sure, 3)
                (self._in_passing.add if in_words and name not in asked else self._in_passing.discard)(name)

    def of(self, slot: str) -> float:
        """0..1; 1 for a slot that nothing was heard about."""
        return self._sure.get(slot, 1.0)

    def was_asked(self, slot: str) -> bool:
        """Whether a slot's value was given to a question for it, by keys or by the bank."""
        return slot not in self._in_passing


def asked_for(slot: str, specs: Mapping[str, SlotSpec]) -> frozenset[str]:
    """Slots that a question for one slot may fill: itself and what it stands for."""
    spec = specs.get(slot)
    return frozenset((slot, spec.stands_for) if spec is not None and spec.stands_for else (slot,))


def slots_for_operator(
    slots: Mapping[str, Value], specs: Mapping[str, SlotSpec], sure: SlotConfidence
) -> dict[str, str]:
    """What a dossier says of the slots.

    Figures that a caller has said in passing may be anything ("my pin is ...", misheard as a card's end): they are
    masked, unless they are those of something that the bank has listed for him.
    """
    shown = {}
    for name, value in slots.items():
        if name == "topic" or not isinstance(value, str | bool):
            continue
        spec = specs.get(name)
        doubtful = spec is not None and spec.kind == "digits" and spec.personal and not sure.was_asked(name)
        shown[name] = MASK if doubtful and not _is_listed(name, value, slots, specs) else str(value)
    return shown


def _is_listed(name: str, value: Value, slots: Mapping[str, Value], specs: Mapping[str, SlotSpec]) -> bool:
    lists = (slots.get(spec.among) for spec in specs.values() if spec.stands_for == name and spec.among)
    rows = [row for found in lists if isinstance(found, tuple) for row in found]
    return any(isinstance(row, Mapping) and value in row.values() for row in rows)
