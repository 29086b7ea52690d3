"""What every bank back end promises; a bank's test class inherits `BankContract` and provides the fixture `bank`.

The bank must hold the demo customers in their first state. What a bank does when it is broken on demand is tested
beside the contract.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import date

import pytest

from ivrbot.errors import BankRejected
from ivrbot.identity.facts import assess, name_canonical
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest, Fact
from ivrbot.model.dialogue import Value
from ivrbot.model.speech import Language
from ivrbot.ports import Bank

ANNA, PYOTR, MARIA = "+79161234567", "+79031112233", "+79265550011"
KEY = b"the key of these tests alone"
TODAY = date(2026, 4, 1)


async def customer_id(bank: Bank, phone: str) -> str:
    customer = await bank.find_customer(phone)
    assert customer is not None
    return customer.customer_id


async def ask(bank: Bank, phone: str, operation: BankOperation, key: str = "", **arguments: Value) -> BankAnswer:
    return await bank.execute(BankRequest(operation, await customer_id(bank, phone), arguments, key))


async def statuses(bank: Bank, phone: str) -> dict[str, str]:
    answer = await ask(bank, phone, BankOperation.LIST_CARDS)
    cards = answer.values["cards"]
    assert isinstance(cards, tuple)
    found = {}
    for card in cards:
        assert isinstance(card, Mapping)
        found[str(card["last4"])] = str(card["status"])
    return found


class BankContract:
    """Inherit, and provide `bank` with key `KEY`."""

    async def test_customers_are_found_by_their_number_only(self, bank: Bank) -> None:
        customer = await bank.find_customer(ANNA)
        assert customer is not None
        assert customer.name == "Анна Сергеевна Соколова"
        for stranger in ("+79990000000", "", "79161234567", "' OR 1=1 --"):
            assert await bank.find_customer(stranger) is None

    @pytest.mark.parametrize(
        ("phone", "language", "answers"),
        [
            (
                ANNA,
                "ru",
                {
                    Fact.CODE_WORD: "черёмуха",
                    Fact.LAST_FOUR: "4271",
                    Fact.DATE_OF_BIRTH: "05.03.1989",
                    Fact.FULL_NAME: "Соколова Анна Сергеевна",
                },
            ),
            (ANNA, "en", {Fact.CODE_WORD: "cherry tree", Fact.FULL_NAME: "Anna Sokolova", Fact.LAST_FOUR: "9030"}),
            (PYOTR, "ru", {Fact.CODE_WORD: "метроном", Fact.FULL_NAME: "Пётр Орлов"}),
            (PYOTR, "en", {Fact.CODE_WORD: "metronome", Fact.FULL_NAME: "Pyotr Ilyich Orlov"}),
            (MARIA, "ru", {Fact.CODE_WORD: "акварель", Fact.LAST_FOUR: "7719"}),
            (MARIA, "en", {Fact.CODE_WORD: "water colour", Fact.FULL_NAME: "Maria Kim"}),
        ],
    )
    async def test_what_a_customer_knows_matches_his_hashes(
        self, bank: Bank, phone: str, language: Language, answers: Mapping[Fact, str]
    ) -> None:
        hashes = await bank.fact_hashes(await customer_id(bank, phone))
        for fact, said in answers.items():
            attempt = assess(hashes, KEY, fact, [said], keyed=False, language=language, today=TODAY)
            assert attempt.matched == {fact}, fact

    async def test_facts_leave_as_digests_and_one_customers_fit_no_other(self, bank: Bank) -> None:
        hers = await bank.fact_hashes(await customer_id(bank, ANNA))
        his = await bank.fact_hashes(await customer_id(bank, PYOTR))
        for fact in Fact:
            assert hers.hashes[fact]
            assert all(len(digest) == 64 and int(digest, 16) >= 0 for digest in hers.hashes[fact])
            assert not hers.hashes[fact] & his.hashes[fact]

    async def test_an_unknown_customer_has_no_facts(self, bank: Bank) -> None:
        assert not any((await bank.fact_hashes("nobody")).hashes.values())

    async def test_cards_are_listed_without_balances(self, bank: Bank) -> None:
        answer = await ask(bank, PYOTR, BankOperation.LIST_CARDS)
        assert answer.values["cards"] == ({"last4": "1188", "kind": "debit", "status": "active"},)
        assert answer.reference == ""

    async def test_a_card_is_blocked_and_the_reference_can_be_read_aloud(self, bank: Bank) -> None:
        answer = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        assert answer.values["already_blocked"] is False
        assert len(answer.reference) == 6
        assert answer.reference.isdecimal()
        assert await statuses(bank, ANNA) == {"4271": "blocked", "9030": "active"}

    async def test_the_same_key_is_the_same_effect(self, bank: Bank) -> None:
        first = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        again = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        assert again == first

    async def test_another_key_for_a_blocked_card_gives_the_old_reference(self, bank: Bank) -> None:
        first = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        second = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k2", card="4271")
        assert second.values["already_blocked"] is True
        assert second.reference == first.reference

    async def test_a_key_cannot_be_used_for_something_else(self, bank: Bank) -> None:
        await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="9030")
        assert (await statuses(bank, ANNA))["9030"] == "active"

    async def test_a_write_without_a_key_is_refused(self, bank: Bank) -> None:
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.BLOCK_CARD, card="4271")
        assert (await statuses(bank, ANNA))["4271"] == "active"

    async def test_two_calls_at_once_have_one_effect(self, bank: Bank) -> None:
        answers = await asyncio.gather(
            *(ask(bank, ANNA, BankOperation.BLOCK_CARD, f"call-{n}", card="4271") for n in range(8))
        )
        assert len({answer.reference for answer in answers}) == 1
        assert sum(answer.values["already_blocked"] is False for answer in answers) == 1

    async def test_all_cards_are_blocked_under_one_reference(self, bank: Bank) -> None:
        answer = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="all")
        assert answer.values["blocked"] == ("4271", "9030")
        assert set((await statuses(bank, ANNA)).values()) == {"blocked"}
        again = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k2", card="all")
        assert (again.values["already_blocked"], again.reference) == (True, answer.reference)

    async def test_a_card_lost_before_is_blocked_already(self, bank: Bank) -> None:
        answer = await ask(bank, MARIA, BankOperation.BLOCK_CARD, "k1", card="7702")
        assert answer.values["already_blocked"] is True
        assert len(answer.reference) == 6

    @pytest.mark.parametrize("card", ["1188", "0000", "", "427", "4271' OR '1'='1", None])
    async def test_nobody_elses_and_no_unknown_card_is_blocked(self, bank: Bank, card: str | None) -> None:
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card=card)
        assert set((await statuses(bank, ANNA)).values()) == {"active"}
        assert (await statuses(bank, PYOTR))["1188"] == "active"

    async def test_references_are_unique(self, bank: Bank) -> None:
        references = [
            (await ask(bank, phone, BankOperation.BLOCK_CARD, f"{phone}{card}", card=card)).reference
            for phone, card in ((ANNA, "4271"), (ANNA, "9030"), (PYOTR, "1188"), (MARIA, "7702"), (MARIA, "7719"))
        ]
        assert len(set(references)) == 5

    @pytest.mark.parametrize(
        ("phone", "card", "balance_minor"),
        [(ANNA, "4271", 12_345_67), (PYOTR, None, 320_05), (MARIA, "7719", 150_00), (MARIA, "7702", 1_000_000_00)],
    )
    async def test_balances(self, bank: Bank, phone: str, card: str | None, balance_minor: int) -> None:
        answer = await ask(bank, phone, BankOperation.GET_BALANCE, card=card)
        assert (answer.values["balance_minor"], answer.values["currency"]) == (balance_minor, "RUB")

    async def test_a_credit_card_tells_debt_and_what_is_left(self, bank: Bank) -> None:
        values = (await ask(bank, ANNA, BankOperation.GET_BALANCE, card="9030")).values
        assert (values["owed_minor"], values["limit_minor"]) == (20_180_40, 150_000_00)
        assert values["balance_minor"] == 150_000_00 - 20_180_40

    async def test_a_balance_of_one_of_several_cards_must_name_it(self, bank: Bank) -> None:
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.GET_BALANCE)

    async def test_an_unknown_customer_is_refused(self, bank: Bank) -> None:
        for operation in (BankOperation.BLOCK_CARD, BankOperation.GET_BALANCE):
            with pytest.raises(BankRejected):
                await bank.execute(BankRequest(operation, "nobody", {"card": "4271"}, "k1"))

    async def test_products_are_told_to_those_who_have_them(self, bank: Bank) -> None:
        loan = (await ask(bank, PYOTR, BankOperation.GET_LOAN)).values
        assert (loan["owed_minor"], loan["payment_minor"]) == (412_000_00, 18_250_00)
        assert date.fromisoformat(str(loan["payment_on"])).day == 10
        assert (await ask(bank, ANNA, BankOperation.GET_SALARY)).values["amount_minor"] == 61_500_00
        assert (await ask(bank, MARIA, BankOperation.GET_DEPOSIT)).values["rate_basis_points"] == 1550
        assert (await ask(bank, ANNA, BankOperation.GET_LOAN)).values == {"found": False}
        limits = (await ask(bank, ANNA, BankOperation.GET_LIMITS)).values
        assert (limits["found"], limits["payments_minor"]) == (True, 200_000_00)
        assert limits["payments_highest_minor"] == 500_000_00

    async def test_a_limit_is_changed_once_for_one_key_and_for_nobody_else(self, bank: Bank) -> None:
        wish = {"limit_kind": "payments", "amount_minor": 300_000_00}
        first = await ask(bank, ANNA, BankOperation.CHANGE_LIMITS, "limit-1", **wish)
        again = await ask(bank, ANNA, BankOperation.CHANGE_LIMITS, "limit-1", **wish)
        assert first == again
        assert len(first.reference) == 6
        hers = (await ask(bank, ANNA, BankOperation.GET_LIMITS)).values
        assert (hers["payments_minor"], hers["cash_minor"]) == (300_000_00, 100_000_00)
        assert (await ask(bank, PYOTR, BankOperation.GET_LIMITS)).values["payments_minor"] == 100_000_00

    @pytest.mark.parametrize(
        ("kind", "amount"),
        [
            ("payments", 500_000_01),
            ("cash", 300_000_01),
            ("cash", -1),
            ("cash", None),
            ("cash", "all"),
            ("tea", 1),
        ],
    )
    async def test_a_limit_out_of_bounds_changes_nothing(self, bank: Bank, kind: str, amount: Value) -> None:
        before = await ask(bank, ANNA, BankOperation.GET_LIMITS)
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.CHANGE_LIMITS, "k", limit_kind=kind, amount_minor=amount)
        assert await ask(bank, ANNA, BankOperation.GET_LIMITS) == before

    async def test_recent_operations_hold_the_one_she_does_not_know(self, bank: Bank) -> None:
        operations = (await ask(bank, ANNA, BankOperation.LIST_OPERATIONS)).values["operations"]
        assert isinstance(operations, tuple)
        assert len(operations) == 3
        assert any(isinstance(row, Mapping) and row["amount_minor"] == -5_000_00 for row in operations)

    @pytest.mark.parametrize(
        ("wanted", "matches"),
        [
            ({"amount_minor": 5_000_00}, 1),
            ({"amount_minor": 5_000_01}, 0),
            ({"ordinal": "first"}, 1),
            ({"ordinal": "third"}, 0),  # the salary is no spending
            ({}, 2),
            ({"amount_minor": 5_000_00, "ordinal": "second"}, 0),
        ],
    )
    async def test_a_spending_is_found_by_what_is_said_of_it(
        self, bank: Bank, wanted: dict[str, Value], matches: int
    ) -> None:
        who = await customer_id(bank, ANNA)
        values = (await bank.execute(BankRequest(BankOperation.FIND_OPERATION, who, wanted))).values
        assert values["matches"] == matches
        assert ("entry" in values) is (matches == 1)

    async def test_a_claim_is_registered_once_under_one_number(self, bank: Bank) -> None:
        spending = (await ask(bank, ANNA, BankOperation.FIND_OPERATION, amount_minor=5_000_00)).values
        first = await ask(bank, ANNA, BankOperation.REGISTER_CLAIM, "k1", entry=spending["entry"])
        again = await ask(bank, ANNA, BankOperation.REGISTER_CLAIM, "k2", entry=spending["entry"])
        assert (first.values["already_registered"], again.values["already_registered"]) == (False, True)
        assert first.reference == again.reference != ""

    async def test_nobody_disputes_what_is_not_his_or_no_spending(self, bank: Bank) -> None:
        spending = (await ask(bank, ANNA, BankOperation.FIND_OPERATION, amount_minor=5_000_00)).values
        listed = (await ask(bank, ANNA, BankOperation.LIST_OPERATIONS)).values["operations"]
        assert isinstance(listed, tuple)
        income = next(row for row in listed if isinstance(row, Mapping) and row["category"] == "salary")
        for phone, entry in ((PYOTR, spending["entry"]), (ANNA, income["entry"]), (ANNA, None)):
            with pytest.raises(BankRejected):
                await ask(bank, phone, BankOperation.REGISTER_CLAIM, f"k{phone}{entry}", entry=entry)

    async def test_a_blocked_card_is_reissued_once(self, bank: Bank) -> None:
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k1", card="4271")
        await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k2", card="4271")
        first = await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k3", card="4271")
        again = await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k4", card="4271")
        assert (again.values["already_requested"], again.reference) == (True, first.reference)

    async def test_cards_blocked_together_are_reissued_together(self, bank: Bank) -> None:
        blocked = await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="all")
        wanted = {"card": "all", "blocked_by": blocked.reference}
        with pytest.raises(BankRejected):
            await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k2", card="all", blocked_by="000000")
        first = await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k3", **wanted)
        again = await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k4", **wanted)
        assert (first.values["already_requested"], len(first.reference)) == (False, 6)
        assert (again.values["already_requested"], again.reference) == (True, first.reference)
        for last4 in ("4271", "9030"):
            one = await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, f"k-{last4}", card=last4)
            assert (one.values["already_requested"], one.reference) == (True, first.reference)

    async def test_a_card_is_unblocked_by_a_person_only(self, bank: Bank) -> None:
        who = await customer_id(bank, ANNA)
        unblock = BankRequest(BankOperation.UNBLOCK_CARD, who, {"card": "4271"}, "k1")
        by_operator = replace(unblock, idempotency_key="k2", by="olga", why="found in a coat")
        await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k0", card="4271")
        with pytest.raises(BankRejected):
            await bank.execute(unblock)
        assert (await statuses(bank, ANNA))["4271"] == "blocked"
        first = await bank.execute(by_operator)
        assert (first.values["already_active"], len(first.reference)) == (False, 6)
        assert (await statuses(bank, ANNA))["4271"] == "active"
        assert await bank.execute(by_operator) == first
        again = await bank.execute(replace(by_operator, idempotency_key="k3"))
        assert again.values["already_active"] is True

    async def test_a_card_that_is_made_anew_stays_blocked(self, bank: Bank) -> None:
        await ask(bank, ANNA, BankOperation.BLOCK_CARD, "k1", card="4271")
        await ask(bank, ANNA, BankOperation.REQUEST_REISSUE, "k2", card="4271")
        request = BankRequest(BankOperation.UNBLOCK_CARD, await customer_id(bank, ANNA), {"card": "4271"}, "k3")
        with pytest.raises(BankRejected):
            await bank.execute(replace(request, by="olga", why="found"))
        assert (await statuses(bank, ANNA))["4271"] == "blocked"

    async def test_messages_are_switched_on_once(self, bank: Bank) -> None:
        assert (await ask(bank, ANNA, BankOperation.GET_SERVICES)).values["sms_on"] is False
        first = await ask(bank, ANNA, BankOperation.CONNECT_SMS_SERVICE, "k1")
        again = await ask(bank, ANNA, BankOperation.CONNECT_SMS_SERVICE, "k2")
        assert (first.values["already_connected"], again.values["already_connected"]) == (False, True)
        assert (await ask(bank, ANNA, BankOperation.GET_SERVICES)).values["sms_on"] is True

    async def test_a_note_has_a_number_even_from_a_stranger(self, bank: Bank) -> None:
        note: dict[str, Value] = {"kind": "complaint", "note": "ждала два часа"}
        answers = [
            await bank.execute(BankRequest(BankOperation.RECORD_NOTE, await customer_id(bank, ANNA), note, "k1")),
            await bank.execute(BankRequest(BankOperation.RECORD_NOTE, "", {**note, "kind": "thanks"}, "k2")),
        ]
        assert len({answer.reference for answer in answers}) == 2
        for kind, text in (("complaint", " "), ("joke", "ха")):
            with pytest.raises(BankRejected):
                await ask(bank, ANNA, BankOperation.RECORD_NOTE, "k3", kind=kind, note=text)

    async def test_an_offer_is_made_once(self, bank: Bank) -> None:
        first = await ask(bank, ANNA, BankOperation.PLAN_OFFER, "k1", offer="salary_sms")
        other = await ask(bank, ANNA, BankOperation.PLAN_OFFER, "k2", offer="online_bank")
        assert (first.values["due"], other.values["due"]) == (True, False)
        await ask(bank, PYOTR, BankOperation.CONNECT_SMS_SERVICE, "k3")
        assert (await ask(bank, PYOTR, BankOperation.PLAN_OFFER, "k4", offer="salary_sms")).values["due"] is False

    async def test_offices_and_rates_need_no_customer(self, bank: Bank) -> None:
        async def nobody(operation: BankOperation, **arguments: Value) -> Mapping[str, Value]:
            return (await bank.execute(BankRequest(operation, "", arguments))).values

        assert (await nobody(BankOperation.FIND_OFFICE, city="kazan"))["offices"] == ("kazan_baumana",)
        assert (await nobody(BankOperation.FIND_OFFICE, street="arbat"))["city"] == "moscow"
        with pytest.raises(BankRejected):
            await nobody(BankOperation.FIND_OFFICE)
        assert (await nobody(BankOperation.FIND_OFFICE, city="moscow"))["matches"] == 3
        assert (await nobody(BankOperation.FIND_OFFICE, city="moscow", street="arbat"))["matches"] == 1
        locked = await nobody(BankOperation.LIST_RATES, term="one_year", withdrawals=False)
        free = await nobody(BankOperation.LIST_RATES, term="one_year", withdrawals=True)
        assert int(str(locked["rate_basis_points"])) > int(str(free["rate_basis_points"]))
        with pytest.raises(BankRejected):
            await nobody(BankOperation.LIST_RATES, term="a century")

    async def test_a_customer_is_found_by_name_and_birth_together(self, bank: Bank) -> None:
        name = name_canonical(("соколова", "анна", "сергеевна"), "ru")
        other = name_canonical(("орлов", "петр"), "ru")
        found = await bank.find_by_name([other, name], ["1989-03-05"])
        assert [customer.name for customer in found] == ["Анна Сергеевна Соколова"]
        assert await bank.find_by_name([name], ["1989-03-06"]) == ()
        assert await bank.find_by_name([], ["1989-03-05"]) == ()
