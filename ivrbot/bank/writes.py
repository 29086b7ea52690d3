"""What the demo bank does: blocks, unblocks, re-issues cards, registers claims, connects services, keeps notes.

Takes a request and the open books, gives the answer with its reference; the ledger calls each once per idempotency
key, inside the transaction that also writes the operations log.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ivrbot.bank.books import Books
from ivrbot.bank.demo import CURRENCY, HIGHEST_LIMITS_MINOR
from ivrbot.bank.reads import SMS_SERVICE, chosen_cards
from ivrbot.errors import BankRejected
from ivrbot.model.bank import BankAnswer, BankOperation, BankRequest
from ivrbot.model.dialogue import Value

OFFER_REST = timedelta(days=30)
"""A customer is offered self-service at most once in so long a time."""

MAX_NOTE_CHARS = 2000
_NOTE_KINDS = ("complaint", "thanks")


def _block_card(books: Books, request: BankRequest) -> BankAnswer:
    cards = chosen_cards(books, request, several=True)
    fresh = [card["last4"] for card in cards if card["status"] != "blocked"]
    old = next((card["reference"] for card in cards if card["reference"]), "")
    reference = books.new_reference() if fresh else old
    for last4 in fresh:
        books.db.execute(
            "UPDATE cards SET status = 'blocked', reference = ? WHERE customer_id = ? AND last4 = ?",
            (reference, request.customer_id, last4),
        )
    values: dict[str, Value] = {"already_blocked": not fresh, "blocked": tuple(fresh), "blocked_count": len(fresh)}
    return BankAnswer(request.operation, values, reference)


def _unblock_card(books: Books, request: BankRequest) -> BankAnswer:
    """Back into use, by an operator only; a card that is being made anew is not: its owner has given it up."""
    if not request.by:
        raise BankRejected("only an operator unblocks")
    card = chosen_cards(books, request, several=False)[0]
    who = (request.customer_id, card["last4"])
    if card["status"] != "blocked":
        return BankAnswer(request.operation, {"already_active": True})
    if books.rows("SELECT 1 FROM reissues WHERE customer_id = ? AND last4 = ?", *who):
        raise BankRejected("a new card has been ordered instead of it")
    reference = books.new_reference()
    books.db.execute("UPDATE cards SET status = 'active', reference = '' WHERE customer_id = ? AND last4 = ?", who)
    return BankAnswer(request.operation, {"already_active": False}, reference)


def _request_reissue(books: Books, request: BankRequest) -> BankAnswer:
    """A new card instead of a blocked one, fetched at an office with a passport; asked for twice it is one.

    With `blocked_by`, new ones instead of all that were blocked under that reference; they are one request.
    """
    blocked_by = request.arguments.get("blocked_by")
    if blocked_by is not None:
        return _request_reissues(books, request, str(blocked_by))
    card = chosen_cards(books, request, several=False)[0]
    if card["status"] != "blocked":
        raise BankRejected("the card is in use")
    who = (request.customer_id, card["last4"])
    rows = books.rows("SELECT reference FROM reissues WHERE customer_id = ? AND last4 = ?", *who)
    if rows:
        return BankAnswer(request.operation, {"already_requested": True}, rows[0]["reference"])
    reference = books.new_reference()
    books.put("reissues", *who, reference)
    return BankAnswer(request.operation, {"already_requested": False}, reference)


def _request_reissues(books: Books, request: BankRequest, blocked_by: str) -> BankAnswer:
    cards = [one for one in chosen_cards(books, request, several=True) if one["status"] == "blocked"]
    blocked = [one["last4"] for one in cards if one["reference"] == blocked_by]
    if not blocked:
        raise BankRejected("no card was blocked under that number")
    asked = books.rows("SELECT last4, reference FROM reissues WHERE customer_id = ?", request.customer_id)
    before = {row["last4"]: row["reference"] for row in asked}
    fresh = [last4 for last4 in blocked if last4 not in before]
    reference = books.new_reference() if fresh else before[blocked[0]]
    for last4 in fresh:
        books.put("reissues", request.customer_id, last4, reference)
    return BankAnswer(request.operation, {"already_requested": not fresh}, reference)


def _register_claim(books: Books, request: BankRequest) -> BankAnswer:
    """A dispute about one spending of the customer; the same one twice gives the first number."""
    rows = books.rows(
        "SELECT * FROM transactions WHERE customer_id = ? AND entry = ? AND amount_minor < 0",
        request.customer_id,
        request.arguments.get("entry"),
    )
    if not rows:
        raise BankRejected("no such spending")
    done = rows[0]
    for row in books.rows("SELECT claim_json FROM claims WHERE customer_id = ?", request.customer_id):
        claim = json.loads(row["claim_json"])
        if claim["entry"] == done["entry"]:
            return BankAnswer(request.operation, {"already_registered": True}, claim["reference"])
    reference = books.new_reference()
    claim = {
        "reference": reference,
        "entry": done["entry"],
        "card": done["last4"],
        "amount_minor": -done["amount_minor"],
        "currency": CURRENCY,
        "made_on": (books.today() - timedelta(days=done["days_ago"])).isoformat(),
        "merchant": done["merchant"],
        "status": "open",
    }
    books.put("claims", request.customer_id, json.dumps(claim, ensure_ascii=False))
    return BankAnswer(request.operation, {"already_registered": False}, reference)


def _connect_sms_service(books: Books, request: BankRequest) -> BankAnswer:
    who = request.customer_id
    if not books.rows("SELECT 1 FROM customers WHERE customer_id = ?", who):
        raise BankRejected("no such customer")
    rows = books.rows("SELECT 1 FROM services WHERE customer_id = ? AND service = ?", who, SMS_SERVICE)
    if not rows:
        books.put("services", who, SMS_SERVICE)
    return BankAnswer(request.operation, {"already_connected": bool(rows)})


def _record_note(books: Books, request: BankRequest) -> BankAnswer:
    """A complaint or thanks in the caller's words, masked before they came here; also of an unknown caller."""
    kind, note = request.arguments.get("kind"), str(request.arguments.get("note") or "").strip()
    if kind not in _NOTE_KINDS or not note:
        raise BankRejected("nothing to record")
    reference = books.new_reference()
    at = books.clock().astimezone(UTC).isoformat(timespec="seconds")
    books.put("notes", reference, request.customer_id, kind, note[:MAX_NOTE_CHARS], at)
    return BankAnswer(request.operation, {}, reference)


def _plan_offer(books: Books, request: BankRequest) -> BankAnswer:
    """Whether the customer may be offered self-service now; if so, it counts as offered."""
    who, offer = request.customer_id, str(request.arguments.get("offer") or "")
    if not offer or not books.rows("SELECT 1 FROM customers WHERE customer_id = ?", who):
        return BankAnswer(request.operation, {"due": False})
    if offer == "salary_sms" and books.rows(
        "SELECT 1 FROM services WHERE customer_id = ? AND service = ?", who, SMS_SERVICE
    ):
        return BankAnswer(request.operation, {"due": False})
    now = books.clock()
    for row in books.rows("SELECT made_at FROM offers WHERE customer_id = ?", who):
        if now - datetime.fromisoformat(row["made_at"]) < OFFER_REST:
            return BankAnswer(request.operation, {"due": False})
    books.put("offers", who, offer, now.astimezone(UTC).isoformat(timespec="seconds"))
    return BankAnswer(request.operation, {"due": True})


def _change_limits(books: Books, request: BankRequest) -> BankAnswer:
    """A daily limit of all cards of a customer; nobody raises it above what the bank allows its customers."""
    kind, amount_minor = str(request.arguments.get("limit_kind")), request.arguments.get("amount_minor")
    highest = HIGHEST_LIMITS_MINOR.get(kind)
    if highest is None or not isinstance(amount_minor, int) or not 0 <= amount_minor <= highest:
        raise BankRejected("no such limit, or out of its bounds")
    who = request.customer_id
    known = books.rows("SELECT 1 FROM products WHERE customer_id = ? AND operation = 'get_limits'", who)
    if not known:
        raise BankRejected("no limits to change")
    books.db.execute("INSERT OR REPLACE INTO limits VALUES (?, ?, ?)", (who, kind, amount_minor))
    return BankAnswer(request.operation, {"amount_minor": amount_minor}, books.new_reference())


WRITES: dict[BankOperation, Callable[[Books, BankRequest], BankAnswer]] = {
    BankOperation.BLOCK_CARD: _block_card,
    BankOperation.UNBLOCK_CARD: _unblock_card,
    BankOperation.REQUEST_REISSUE: _request_reissue,
    BankOperation.REGISTER_CLAIM: _register_claim,
    BankOperation.CONNECT_SMS_SERVICE: _connect_sms_service,
    BankOperation.RECORD_NOTE: _record_note,
    BankOperation.PLAN_OFFER: _plan_offer,
    BankOperation.CHANGE_LIMITS: _change_limits,
}
