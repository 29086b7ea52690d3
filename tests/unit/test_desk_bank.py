"""What operators change at the bank: only for the caller in hand, with a reason, confirmed, once, and noted."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from ivrbot.bank.simulator import Faults
from ivrbot.model.bank import BankOperation, BankRequest
from ivrbot.model.call import AssuranceLevel, CallId, CallRegistration, Dossier
from ivrbot.operators.hands import HAND_S, Hands
from tests.unit.web_fixture import AT, Site, a_dossier, open_site

ANNA = "+79161234567"
REASON = "нашла карту в пальто"
UNBLOCK = {"operation": "unblock_card", "card": "4271", "reason": REASON}


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with open_site(tmp_path) as site:
        yield site


async def handed_over(site: Site, **changes: Any) -> Dossier:
    """A caller whom the bot has verified, whose card is blocked, and who waits for an operator."""
    customer = await site.bank.find_customer(ANNA)
    assert customer is not None
    call = CallRegistration(CallId(str(uuid.uuid4())), caller=ANNA)
    await site.parts.store.register(call, AT)
    block = BankRequest(BankOperation.BLOCK_CARD, customer.customer_id, {"card": "4271"}, f"k{call.call_id}")
    await site.bank.execute(block)
    known: dict[str, Any] = {"customer_id": customer.customer_id, "level": AssuranceLevel.VERIFIED}
    dossier = replace(a_dossier(uuid.uuid4().hex, call.call_id), **known | changes)
    await site.parts.operators.transfer(call, dossier)
    return dossier


async def in_hand(site: Site, **changes: Any) -> str:
    dossier = await handed_over(site, **changes)
    status, _ = await site.post(f"/web/desk/{dossier.dossier_id}/hand", json={})
    assert status == 200
    return dossier.dossier_id


async def card_status(site: Site) -> str:
    (customer,) = await site.bank.show(ANNA)
    return str(next(card["status"] for card in customer["cards"] if card["last4"] == "4271"))


async def test_a_card_is_unblocked_once_and_both_logs_say_by_whom_and_why(site: Site) -> None:
    dossier_id = await in_hand(site)
    status, prepared = await site.post(f"/web/desk/{dossier_id}/changes", json=UNBLOCK)
    assert (status, prepared["reason"], prepared["card"]) == (200, REASON, "4271")
    assert await card_status(site) == "blocked"
    path = f"/web/desk/{dossier_id}/changes/{prepared['key']}"
    status, done = await site.post(path, json={})
    assert (status, done["operation"], done["unchanged"]) == (200, "unblock_card", False)
    assert await card_status(site) == "active"
    assert (await site.post(path, json={}))[1] == done
    (row, again) = [row for row in await site.bank.log() if row["operation"] == "unblock_card"]
    assert (row["by"], row["why"], row["result"]) == ("token:api", REASON, "ok")
    assert again["reference"] == row["reference"] == done["reference"]
    noted = [one for one in (await site.parts.activity.read(limit=20)) if one.action == "unblock_card"]
    assert {one.detail["result"] for one in noted} == {"asked", "ok"}
    assert all((one.who, one.ref, one.detail["reason"]) == ("token:api", dossier_id, REASON) for one in noted)
    assert await site.bank.verify_log() is None


async def test_the_sms_service_is_connected(site: Site) -> None:
    dossier_id = await in_hand(site)
    wanted = {"operation": "connect_sms_service", "reason": "просит подключить"}
    _, prepared = await site.post(f"/web/desk/{dossier_id}/changes", json=wanted)
    assert (await site.post(f"/web/desk/{dossier_id}/changes/{prepared['key']}", json={}))[0] == 200
    _, told = await site.post(f"/web/desk/{dossier_id}/hand", json={})
    assert told["sms_on"] is True


async def test_nothing_is_changed_without_the_caller_in_hand(site: Site) -> None:
    dossier = await handed_over(site)
    status, answer = await site.post(f"/web/desk/{dossier.dossier_id}/changes", json=UNBLOCK)
    assert (status, answer["error"]) == (409, "not_in_hand")


async def test_a_caller_is_in_one_operators_hand(site: Site) -> None:
    dossier = await handed_over(site)
    assert site.parts.operators.hands.take(dossier.dossier_id, "olga")
    status, answer = await site.post(f"/web/desk/{dossier.dossier_id}/hand", json={})
    assert (status, answer["error"]) == (409, "in_another_hand")


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"reason": "так"}, "reason"), ({"card": ""}, "card"), ({"operation": "block_card"}, "operation")],
)
async def test_what_is_missing_is_told(site: Site, changes: dict[str, str], field: str) -> None:
    dossier_id = await in_hand(site)
    status, answer = await site.post(f"/web/desk/{dossier_id}/changes", json=UNBLOCK | changes)
    assert (status, answer["problems"][0]["field"]) == (400, field)


async def test_a_caller_whom_the_bot_has_not_verified_is_checked_by_the_operator(site: Site) -> None:
    dossier_id = await in_hand(site, level=AssuranceLevel.IDENTIFIED)
    status, answer = await site.post(f"/web/desk/{dossier_id}/changes", json=UNBLOCK)
    assert (status, answer["problems"][0]["field"]) == (400, "checked")
    status, prepared = await site.post(f"/web/desk/{dossier_id}/changes", json=UNBLOCK | {"checked": True})
    assert status == 200
    assert (await site.post(f"/web/desk/{dossier_id}/changes/{prepared['key']}", json={}))[0] == 200
    (row,) = [row for row in await site.bank.log() if row["operation"] == "unblock_card"]
    assert "operator" in row["facts_used"]


async def test_an_unknown_caller_changes_nothing(site: Site) -> None:
    dossier_id = await in_hand(site, customer_id="", level=AssuranceLevel.NONE)
    status, answer = await site.post(f"/web/desk/{dossier_id}/changes", json=UNBLOCK | {"checked": True})
    assert (status, answer["error"]) == (409, "unknown_customer")


async def test_a_lost_answer_is_asked_for_again_under_the_same_key(site: Site) -> None:
    dossier_id = await in_hand(site)
    _, prepared = await site.post(f"/web/desk/{dossier_id}/changes", json=UNBLOCK)
    site.bank.faults = Faults(lost_answers=1)
    path = f"/web/desk/{dossier_id}/changes/{prepared['key']}"
    status, answer = await site.post(path, json={})
    assert (status, answer["error"]) == (502, "bank_unknown")
    status, done = await site.post(path, json={})
    assert (status, done["unchanged"]) == (200, False)


async def test_a_key_of_another_caller_confirms_nothing(site: Site) -> None:
    first, second = await in_hand(site), await in_hand(site)
    _, prepared = await site.post(f"/web/desk/{first}/changes", json=UNBLOCK)
    status, answer = await site.post(f"/web/desk/{second}/changes/{prepared['key']}", json={})
    assert (status, answer["error"]) == (404, "unknown_change")
    assert await card_status(site) == "blocked"


async def test_one_product_is_offered_and_none_in_an_emergency(site: Site) -> None:
    urgent = await handed_over(site, priority=10)
    calm, later = await handed_over(site), await handed_over(site)
    offers = [
        (await site.post(f"/web/desk/{one.dossier_id}/hand", json={}))[1]["offer"]
        for one in (urgent, calm, calm, later)
    ]
    assert offers == [None, "salary_sms", "salary_sms", None]


async def test_while_the_bank_is_away_the_desk_says_what_it_knows(site: Site) -> None:
    dossier = await handed_over(site)
    site.bank.faults = Faults(unavailable=True)
    status, told = await site.post(f"/web/desk/{dossier.dossier_id}/hand", json={})
    assert (status, told["cards"], told["sms_on"], told["offer"]) == (200, [], None, None)


def test_a_hand_opens_after_an_hour() -> None:
    at_s = [0.0]
    hands = Hands(lambda: at_s[0])
    assert hands.take("d", "olga")
    assert hands.holds("d", "olga")
    assert not hands.take("d", "boris")
    at_s[0] = HAND_S
    assert not hands.holds("d", "olga")
    assert hands.take("d", "boris")
    hands.give_back("d", "olga")
    assert hands.holds("d", "boris")
    hands.give_back("d", "boris")
    assert not hands.holds("d", "boris")
