"""Runs `CallBank` acts against the bank within its deadlines; success is only what the bank confirmed."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from ivrbot.call.bank_slots import slot_values
from ivrbot.errors import BankError, BankOutcomeUnknown, BankRejected
from ivrbot.escalation.dossier import mask
from ivrbot.identity.state import LadderState
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest
from ivrbot.model.call import CallId
from ivrbot.model.dialogue import BankReply, CallBank, Value
from ivrbot.ports import Bank

log = logging.getLogger(__name__)

T = TypeVar("T")

LONGEST_PLAIN_KEY = 80
"""A longer wish (a complaint) goes into the idempotency key as its hash."""

NOT_ALLOWED = "not_allowed"
"""Why a request was refused that a flow made without having authenticated for it."""

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
    operation: BankOperation,
    write: bool,
    call_id: CallId,
    ladder: LadderState,
    deadlines: BankDeadlines,
    on_slow: Callable[[], Awaitable[None]],
    confirmation: str = "",
) -> BankReply:
    """Do one operation.

    A write whose outcome is unknown is asked for once more with the same idempotency key; if that does not settle
    it, the reply says "unknown". The key is made of the call, the action and its arguments, so that the same wish
    uttered twice has one effect.
    """
    arguments = {name: _masked(value) for name, value in act.arguments.items() if value is not None}
    stated = ",".join(f"{name}={value}" for name, value in sorted(arguments.items()))
    if len(stated) > LONGEST_PLAIN_KEY:
        stated = hashlib.sha256(stated.encode()).hexdigest()
    request = BankRequest(
        operation,
        ladder.customer_id or "",
        arguments,
        f"{call_id}:{operation}:{stated}" if write else "",
        level=ladder.level,
        facts_used=ladder.proofs,
        call_id=call_id,
        confirmation=confirmation,
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
    return BankReply(act.action, "ok", slot_values(answer, act.arguments))


def _masked(value: Value) -> Value:
    """A text without long numbers and secrets, should a caller have dictated any into a note."""
    return mask(value) if isinstance(value, str) else value


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
