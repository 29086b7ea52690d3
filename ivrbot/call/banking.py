"""Runs `CallBank` acts against the bank within its deadlines; success is only what the bank confirmed."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from ivrbot.errors import BankError, BankOutcomeUnknown, BankRejected
from ivrbot.identity.ladder import LadderState
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import BankReply, CallBank, Value
from ivrbot.ports import Bank

log = logging.getLogger(__name__)

T = TypeVar("T")

GIVE_UP_S = 1.0
"""A bank client that was cancelled may take so long to let go."""


@dataclass(frozen=True, slots=True)
class BankDeadlines:
    """After `slow_ms` the caller is told that we are checking; after `deadline_ms` it has failed."""

    slow_ms: int
    deadline_ms: int


async def run_bank_act(
    bank: Bank,
    act: CallBank,
    *,
    write: bool,
    call_id: CallId,
    ladder: LadderState,
    deadlines: BankDeadlines,
    on_slow: Callable[[], Awaitable[None]],
) -> BankReply:
    """Do one operation.

    A write whose outcome is unknown is asked for once more with the same idempotency key; if that does not settle
    it, the reply says "unknown". The key is made of the call, the action and its arguments, so that the same wish
    uttered twice has one effect.
    """
    operation = BankOperation(act.action.removeprefix("bank_"))
    stated = ",".join(f"{name}={value}" for name, value in sorted(act.arguments.items()))
    key = f"{call_id}:{operation}:{stated}" if write else ""
    request = BankRequest(
        operation,
        ladder.customer_id or "",
        {name: value for name, value in act.arguments.items() if value is not None},
        key,
        level=ladder.level,
        facts_used=tuple(fact.value for fact in ladder.facts),
        call_id=call_id,
    )
    try:
        answer = await within(_execute(bank, request), deadlines, on_slow)
    except BankRejected:
        return BankReply(act.action, "rejected")
    except BankOutcomeUnknown:
        return BankReply(act.action, "unknown" if write else "unavailable")
    except BankError as error:
        log.warning("bank failed: %s", error.code)
        return BankReply(act.action, "unavailable")
    return BankReply(act.action, "ok", _slot_values(answer, act.arguments))


async def within(
    work: Coroutine[Any, Any, T], deadlines: BankDeadlines, on_slow: Callable[[], Awaitable[None]]
) -> T:
    """Do what needs the bank within its deadlines; `on_slow` is awaited once when it takes long.

    Raises:
        BankOutcomeUnknown: no answer before the deadline; the work was given up.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + deadlines.deadline_ms / 1000
    task = loop.create_task(work)
    try:
        done, _ = await asyncio.wait({task}, timeout=min(deadlines.slow_ms, deadlines.deadline_ms) / 1000)
        if not done:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(ends_s):
                    await on_slow()
            done, _ = await asyncio.wait({task}, timeout=max(0.0, ends_s - loop.time()))
        if not done:
            raise BankOutcomeUnknown(f"no answer within {deadlines.deadline_ms} ms")
        return task.result()
    finally:
        if not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=GIVE_UP_S)


async def _execute(bank: Bank, request: BankRequest) -> BankAnswer:
    try:
        return await bank.execute(request)
    except BankOutcomeUnknown:
        if not request.idempotency_key:
            raise
        return await bank.execute(request)


def _slot_values(answer: BankAnswer, arguments: Mapping[str, Value]) -> dict[str, Value]:
    """Results as slots; what flows ask about a list of cards is worked out here."""
    values = dict(answer.values)
    if answer.reference:
        values["reference"] = answer.reference
    cards = values.get("cards")
    if answer.operation is BankOperation.LIST_CARDS and isinstance(cards, tuple):
        rows = [card for card in cards if isinstance(card, Mapping)]
        usable = [str(card["last4"]) for card in rows if card.get("status") == "active"]
        values["only_card"] = usable[0] if len(usable) == 1 else None
        values["card_known"] = arguments.get("card") in [card["last4"] for card in rows]
    return values
