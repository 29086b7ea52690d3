"""What the demo bank tells: cards, operations, products, offices, rates.

Takes a request and the open books, gives an answer; nothing changes. A customer without the product is told so
(`found` false); only what makes no sense is refused.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import date, timedelta

from ivrbot.bank.books import Books
from ivrbot.bank.demo import CURRENCY, HIGHEST_LIMITS_MINOR, OFFICES, RATES
from ivrbot.errors import BankRejected
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest
from ivrbot.model.dialogue import Value

ALL_CARDS = "all"
"""The `card` argument that means every card of the customer."""

SMS_SERVICE = "sms"

_ORDINALS = {"first": 0, "second": 1, "third": 2}


def chosen_cards(books: Books, request: BankRequest, *, several: bool) -> list[sqlite3.Row]:
    """Cards that the argument names; without one, the customer's only card.

    Raises:
        BankRejected: no such card, or it was not said which.
    """
    cards = books.cards(request.customer_id)
    wanted = request.arguments.get("card")
    if wanted is None and len(cards) == 1:
        return cards
    chosen = [card for card in cards if card["last4"] == wanted or (several and wanted == ALL_CARDS)]
    if not chosen:
        raise BankRejected("no such card" if wanted is not None else "which card")
    return chosen


def _list_cards(books: Books, request: BankRequest) -> BankAnswer:
    """Kinds, last digits and status; a blocked card tells the reference of its blocking."""
    rows: list[Mapping[str, Value]] = []
    for card in books.cards(request.customer_id):
        row: dict[str, Value] = {name: card[name] for name in ("last4", "kind", "status")}
        if card["reference"]:
            row["reference"] = card["reference"]
        rows.append(row)
    return BankAnswer(request.operation, {"cards": tuple(rows)})


def _get_balance(books: Books, request: BankRequest) -> BankAnswer:
    """What the customer can spend, which is what "how much is on my card" asks; of a credit card its debt too."""
    card = chosen_cards(books, request, several=False)[0]
    values: dict[str, Value] = {
        "card": card["last4"],
        "kind": card["kind"],
        "balance_minor": card["limit_minor"] + card["balance_minor"],
        "currency": CURRENCY,
    }
    if card["limit_minor"]:
        values["limit_minor"] = card["limit_minor"]
        values["owed_minor"] = -card["balance_minor"]
    return BankAnswer(request.operation, values)


def _operations(books: Books, request: BankRequest) -> list[sqlite3.Row]:
    """Newest first; spendings alone when the arguments say so."""
    rows = books.rows(
        "SELECT * FROM transactions WHERE customer_id = ? ORDER BY days_ago, entry", request.customer_id
    )
    if request.operation is BankOperation.FIND_OPERATION or request.arguments.get("only") == "spendings":
        rows = [row for row in rows if row["amount_minor"] < 0]
    return rows


def _made_on(books: Books, row: sqlite3.Row) -> str:
    return (books.today() - timedelta(days=row["days_ago"])).isoformat()


def _list_operations(books: Books, request: BankRequest) -> BankAnswer:
    operations = tuple(
        {
            "entry": row["entry"],
            "card": row["last4"],
            "date": _made_on(books, row),
            "amount_minor": row["amount_minor"],
            "currency": CURRENCY,
            "merchant": row["merchant"],
            "category": row["category"],
        }
        for row in _operations(books, request)
    )
    return BankAnswer(request.operation, {"operations": operations})


def _find_operation(books: Books, request: BankRequest) -> BankAnswer:
    """The spending that amount, day or place in the list point to; details only when it is one."""
    wanted = request.arguments
    rows = _operations(books, request)
    ordinal = wanted.get("ordinal")
    if ordinal is not None:
        at = _ORDINALS.get(str(ordinal), len(rows))
        rows = rows[at : at + 1]
    if (amount := wanted.get("amount_minor")) is not None:
        rows = [row for row in rows if -row["amount_minor"] == amount]
    if (day := wanted.get("made_on")) is not None:
        rows = [row for row in rows if _made_on(books, row) == day]
    values: dict[str, Value] = {"matches": len(rows)}
    if len(rows) == 1:
        row = rows[0]
        values |= {"entry": row["entry"], "amount_minor": -row["amount_minor"], "card": row["last4"]}
        values |= {"made_on": _made_on(books, row), "category": row["category"]}
    return BankAnswer(request.operation, values)


def _product(books: Books, request: BankRequest) -> BankAnswer:
    rows = books.rows(
        "SELECT facts_json FROM products WHERE customer_id = ? AND operation = ?",
        request.customer_id,
        request.operation.value,
    )
    if not rows:
        return BankAnswer(request.operation, {"found": False})
    values = _dated(json.loads(rows[0]["facts_json"]), books.today())
    return BankAnswer(request.operation, {"found": True, **values})


def _dated(facts: Mapping[str, int], today: date) -> dict[str, Value]:
    """Relative days as ISO dates."""
    values: dict[str, Value] = {"currency": CURRENCY}
    for name, value in facts.items():
        if name.endswith("_days_ago"):
            values[name.removesuffix("_days_ago") + "_on"] = (today - timedelta(days=value)).isoformat()
        elif name.endswith("_in_days"):
            values[name.removesuffix("_in_days") + "_on"] = (today + timedelta(days=value)).isoformat()
        elif name == "on_day":
            day = today if today.day <= value else (today.replace(day=1) + timedelta(days=32)).replace(day=1)
            values["payment_on"] = day.replace(day=value).isoformat()
        else:
            values[name] = value
    return values


def _get_services(books: Books, request: BankRequest) -> BankAnswer:
    rows = books.rows("SELECT service FROM services WHERE customer_id = ?", request.customer_id)
    return BankAnswer(request.operation, {"sms_on": SMS_SERVICE in {row["service"] for row in rows}})


def _find_office(_books: Books, request: BankRequest) -> BankAnswer:
    city, street = request.arguments.get("city"), request.arguments.get("street")
    if city is None and street is None:
        raise BankRejected("which city")
    offices = [one for one in OFFICES if city in (None, one.city) and street in (None, one.street)]
    values: dict[str, Value] = {"matches": len(offices), "offices": tuple(one.office for one in offices)}
    cities = {one.city for one in offices}
    values["city"] = cities.pop() if len(cities) == 1 else city
    return BankAnswer(request.operation, values)


def _list_rates(_books: Books, request: BankRequest) -> BankAnswer:
    rate = RATES.get((str(request.arguments.get("term")), bool(request.arguments.get("withdrawals"))))
    if rate is None:
        raise BankRejected("no such term")
    return BankAnswer(request.operation, {"rate_basis_points": rate})


def _list_claims(books: Books, request: BankRequest) -> BankAnswer:
    """Disputes that are not decided yet, newest first."""
    rows = books.rows(
        "SELECT claim_json FROM claims WHERE customer_id = ? ORDER BY rowid DESC", request.customer_id
    )
    claims = [json.loads(row["claim_json"]) for row in rows]
    return BankAnswer(request.operation, {"claims": tuple(one for one in claims if one["status"] == "open")})


def _get_limits(books: Books, request: BankRequest) -> BankAnswer:
    """Daily limits as they stand, and the highest that a customer may set himself."""
    told = _product(books, request)
    if not told.values["found"]:
        return told
    rows = books.rows("SELECT limit_kind, amount_minor FROM limits WHERE customer_id = ?", request.customer_id)
    changed: dict[str, Value] = {f"{row['limit_kind']}_minor": row["amount_minor"] for row in rows}
    highest: dict[str, Value] = {f"{kind}_highest_minor": most for kind, most in HIGHEST_LIMITS_MINOR.items()}
    return BankAnswer(request.operation, {**told.values, **changed, **highest})


READS: dict[BankOperation, Callable[[Books, BankRequest], BankAnswer]] = {
    BankOperation.LIST_CARDS: _list_cards,
    BankOperation.GET_BALANCE: _get_balance,
    BankOperation.LIST_OPERATIONS: _list_operations,
    BankOperation.FIND_OPERATION: _find_operation,
    BankOperation.GET_SALARY: _product,
    BankOperation.GET_LOAN: _product,
    BankOperation.GET_DEPOSIT: _product,
    BankOperation.GET_LIMITS: _get_limits,
    BankOperation.GET_SERVICES: _get_services,
    BankOperation.FIND_OFFICE: _find_office,
    BankOperation.LIST_RATES: _list_rates,
    BankOperation.LIST_CLAIMS: _list_claims,
}
