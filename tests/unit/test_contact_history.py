"""What a caller rang about before: found by his keyed hash, newest first, his own only."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from ivrbot.model.call import CallId, CallRegistration, Disposition
from ivrbot.model.contact import BotPart, CallMaterial, Contact, Diagnostics, HumanPart, Origin
from ivrbot.model.shadow import Outcome
from ivrbot.storage.contacts import ContactBook
from ivrbot.storage.history import SHOWN, ContactHistory
from ivrbot.storage.store import Store

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
NUMBER = "+79161234567"


def unit_of(number: str, call_id: str) -> str:
    return f"unit-{number}"


def contact(day: int, unit: str = unit_of(NUMBER, ""), *, person: bool = False, branch: str = "loans") -> Contact:
    at = AT + timedelta(days=day)
    return Contact(
        call_id=CallId(f"call-{unit}-{day}"),
        branch=branch,
        unit=unit,
        topic="loan_info",
        trunk="",
        gateway="audiosocket",
        started_at=at,
        ended_at=at + timedelta(seconds=90),
        bot=BotPart(Disposition.ESCALATED, "flow", True, 40.0),
        human=HumanPart(at, at, at, 5.0, 60.0) if person else None,
        outcome=Outcome.UNRESOLVED,
        score=None,
        diagnostics=Diagnostics(),
        origin=Origin.PRODUCT,
        closed=True,
    )


async def test_the_last_ones_of_this_caller(tmp_path: Path) -> None:
    async with Store(tmp_path / "history.sqlite") as store:
        own = [contact(day, person=day == 6, branch="loans" if day % 2 else "balance") for day in range(7)]
        kept = [*own, contact(9, "unit-another"), contact(8, branch="")]
        await ContactBook(store).save([(CallMaterial(one.call_id), (one,)) for one in kept], ())
        history = ContactHistory(store, unit_of, ["loans", "balance"])
        now = CallRegistration(CallId("now"), caller=NUMBER)
        found = await history.recent(now)
        assert [one.at for one in found] == [AT + timedelta(days=day) for day in (6, 5, 4, 3, 2)]
        assert len(found) == SHOWN
        assert [one.by for one in found[:2]] == ["both", "bot"]
        assert (found[0].topic, found[0].outcome) == ("loan_info", "unresolved")
        this_one = CallRegistration(own[6].call_id, caller=NUMBER)
        assert (await history.recent(this_one))[0].at == AT + timedelta(days=5), "not the call itself"
        assert await history.recent(CallRegistration(CallId("now"))) == (), "a withheld number"
