"""What is stored as JSON comes back as it was: every type of event, every field of every stored dataclass."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import MISSING, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from ivrbot.escalation.dossier import as_json
from ivrbot.model.call import (
    AssuranceLevel,
    CallId,
    CallOutcome,
    CallRegistration,
    Dossier,
    EscalationReason,
    OpenClaim,
    PastContact,
    QueueName,
    TranscriptLine,
)
from ivrbot.model.events import CallEvent, EventType
from ivrbot.storage.store import Store

AT = datetime(2026, 3, 5, 10, 20, 30, 123000, tzinfo=UTC)
DATA: dict[str, Any] = {
    "text": "Ё “quotes” \\ \n\u2028 ${x}",
    "none": None,
    "yes": True,
    "whole": 2**53,
    "part": 0.1,
    "list": [1, "a", [None]],
    "map": {"inner": {"deep": []}},
}


def new_id() -> CallId:
    return CallId(str(uuid.uuid4()))


@pytest_asyncio.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with Store(tmp_path / "x.sqlite") as opened:
        yield opened


def full_dossier() -> Dossier:
    return Dossier(
        dossier_id=uuid.uuid4().hex,
        call_id=new_id(),
        created_at=AT,
        queue=QueueName("block_card"),
        reason=EscalationReason.BANK_OUTCOME_UNKNOWN,
        topic="block_card",
        language="en",
        priority=10,
        caller="+79161234567",
        customer_id="c-1001",
        customer_name="Анна Ё",
        level=AssuranceLevel.VERIFIED,
        facts_used=("last_four", "code_word"),
        slots={"card": "4271", "confirm_block": "True"},
        tried=("bank_block_card:unknown",),
        transcript=(TranscriptLine("bot", "Ё?", 0), TranscriptLine("caller", "[fact]", 1500)),
        suggestion="suggest_check_outcome",
        confidence={"card": 0.8, "confirm_block": 1.0},
        contacts=(PastContact(AT, "check_balance", "resolved", "bot"),),
        claims=(OpenClaim("200287", 500_000, "RUB", "2026-08-30", "Ёлка"),),
    )


def full_registration() -> CallRegistration:
    return CallRegistration(new_id(), "+79161234567", "100", "PJSIP/x-1", "1.2", "1.1", "softphone", "en")


@pytest.mark.parametrize(
    "made",
    [full_dossier(), full_registration(), CallOutcome("transfer", "loans", "loan_info", "d", 10)],
    ids=lambda made: type(made).__name__,
)
def test_the_examples_leave_no_field_at_its_default(made: Any) -> None:
    """So a field that is added to a stored type, and not stored, makes a test below fail."""
    for field in fields(made):
        default = field.default if field.default is not MISSING else None
        if field.default is not MISSING or field.default_factory is not MISSING:
            assert getattr(made, field.name) not in (default, (), {}), field.name


@pytest.mark.parametrize("type_", list(EventType))
async def test_every_type_of_event(store: Store, type_: EventType) -> None:
    event = CallEvent(new_id(), 0, type_, 1500, AT, DATA)
    await store.append([event])
    assert await store.of_call(event.call_id) == (event,)


async def test_registrations(store: Store) -> None:
    made = full_registration()
    await store.register(made, AT)
    assert await store.registration(made.call_id) == made


async def test_outcomes(store: Store) -> None:
    registration = full_registration()
    await store.register(registration, AT)
    outcome = CallOutcome("transfer", "loans", "loan_info", "d", 10)
    await store.save_outcome(registration.call_id, outcome)
    assert await store.outcome(registration.call_id) == outcome


async def test_dossiers(store: Store) -> None:
    made = full_dossier()
    await store.register(CallRegistration(made.call_id), AT)
    await store.save_dossier(made)
    assert await store.dossier(made.dossier_id) == made


def test_a_dossiers_json_tells_every_field() -> None:
    assert set(as_json(full_dossier())) == {field.name for field in fields(Dossier)} | {"last_words"}
