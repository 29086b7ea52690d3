"""The bank's answers as the values that flows work with: which card is meant, operations three at a time. Pure.

A flow has no loops over lists and no arithmetic; what it needs of a list is worked out here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ivrbot.dialogue.cards import meant, told_apart
from ivrbot.model.bank import BankAnswer, BankOperation
from ivrbot.model.dialogue import Value

PLACES = ("first", "second", "third")
SPOKEN_KINDS = ("salary", "credit", "virtual", "debit")
"""Words of a card's kind by which two cards are told apart; `flows/domain.yml` can say each."""


def slot_values(answer: BankAnswer, arguments: Mapping[str, Value]) -> dict[str, Value]:
    """What a flow may use of an answer.

    Args:
        answer: as confirmed by the bank.
        arguments: what was asked.
    """
    values = dict(answer.values)
    if answer.reference:
        values["reference"] = answer.reference
    match answer.operation:
        case BankOperation.LIST_CARDS:
            values |= _cards(_rows(values.get("cards")), arguments)
        case BankOperation.LIST_OPERATIONS:
            values |= _operations(_rows(values.get("operations")), arguments.get("page"))
        case BankOperation.FIND_OFFICE:
            offices = values.get("offices")
            for place, office in zip(PLACES, offices if isinstance(offices, tuple) else (), strict=False):
                values[f"{place}_office"] = office
        case _:
            pass
    return values


def _rows(value: Value) -> list[Mapping[str, Value]]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, tuple) else []


def _cards(rows: Sequence[Mapping[str, Value]], arguments: Mapping[str, Value]) -> dict[str, Value]:
    found = meant(rows, arguments.get("card"), arguments.get("card_kind"))
    first, second = told_apart(rows, SPOKEN_KINDS) or (None, None)
    others = [row for row in rows if row.get("last4") != found.card]
    in_use = [row for row in others if row.get("status") == "active"]
    blocked = [row for row in others if row.get("status") == "blocked"]
    unsaid = arguments.get("card") is None and arguments.get("card_kind") is None
    return {
        "card": found.card or None,
        "card_kind": "all" if found.fit == "all" else None,
        "card_fit": found.fit,
        "card_blocked": found.blocked,
        "blocked_reference": found.reference or None,
        "active_count": sum(row.get("status") == "active" for row in rows),
        "other_card": in_use[0].get("last4") if len(in_use) == 1 else None,
        "other_blocked": blocked[0].get("last4") if unsaid and len(blocked) == 1 else None,
        "others_blocked": unsaid and len(blocked) > 1,
        "first_kind": first,
        "second_kind": second,
    }


def _operations(rows: Sequence[Mapping[str, Value]], page: Value) -> dict[str, Value]:
    """Three of the list; amounts without their sign, since the kind of the operation says it."""
    start = page * len(PLACES) if isinstance(page, int) else 0
    values: dict[str, Value] = {}
    for place, row in zip(PLACES, rows[start:], strict=False):
        amount = row.get("amount_minor")
        values[f"{place}_on"] = row.get("date")
        values[f"{place}_minor"] = abs(amount) if isinstance(amount, int) else None
        values[f"{place}_what"] = row.get("category")
    following = start + len(PLACES)
    if following < len(rows):
        values["next_page"] = following // len(PLACES)
    return values
