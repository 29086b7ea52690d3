"""What is asked of the bank's back end, and what it answers."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from ivrbot.model.call import AssuranceLevel
from ivrbot.model.dialogue import Value


class Fact(StrEnum):
    """Something only the customer should know."""

    CODE_WORD = "code_word"
    LAST_FOUR = "last_four"
    DATE_OF_BIRTH = "date_of_birth"
    FULL_NAME = "full_name"


class BankOperation(StrEnum):
    """Operations of the back end; names are used in flows as `bank_<name>`."""

    LIST_CARDS = "list_cards"
    BLOCK_CARD = "block_card"
    UNBLOCK_CARD = "unblock_card"
    GET_BALANCE = "get_balance"
    LIST_OPERATIONS = "list_operations"
    GET_SALARY = "get_salary"
    GET_LOAN = "get_loan"
    GET_DEPOSIT = "get_deposit"
    GET_LIMITS = "get_limits"
    GET_SERVICES = "get_services"
    FIND_OPERATION = "find_operation"
    FIND_OFFICE = "find_office"
    LIST_RATES = "list_rates"
    LIST_CLAIMS = "list_claims"
    REGISTER_CLAIM = "register_claim"
    REQUEST_REISSUE = "request_reissue"
    CONNECT_SMS_SERVICE = "connect_sms_service"
    RECORD_NOTE = "record_note"
    PLAN_OFFER = "plan_offer"
    CHANGE_LIMITS = "change_limits"

    @property
    def writes(self) -> bool:
        """Whether it changes something at the bank and so needs an idempotency key."""
        return self in _WRITES


OFFERS: Final = ("salary_sms", "online_bank")
"""What `PLAN_OFFER` may be asked about, the most useful first: self-service that would save the next call."""

_WRITES = frozenset(
    {
        BankOperation.BLOCK_CARD,
        BankOperation.UNBLOCK_CARD,
        BankOperation.REGISTER_CLAIM,
        BankOperation.REQUEST_REISSUE,
        BankOperation.CONNECT_SMS_SERVICE,
        BankOperation.RECORD_NOTE,
        BankOperation.PLAN_OFFER,
        BankOperation.CHANGE_LIMITS,
    }
)


@dataclass(frozen=True, slots=True)
class Customer:
    """The little that the bot may know of a customer before anything was proven.

    Attributes:
        phone: E.164 number on file, where one-time codes go; "" for none.
    """

    customer_id: str
    name: str
    phone: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class FactHashes:
    """Keyed hashes of a customer's facts; a fact may have several accepted readings.

    Canonical readings: `last_four` four digits; `date_of_birth` ISO; `code_word` the phonetic key of the whole
    expression, and its loose key if `ivrbot code-words check` finds nothing against the word; `full_name` the
    phonetic keys of surname and name, or of surname, name and patronymic, sorted and joined by one space.

    Attributes:
        hashes: per fact, the digests made by `fact_hash`.
    """

    customer_id: str
    hashes: Mapping[Fact, frozenset[str]]


def fact_hash(key: bytes, customer_id: str, fact: Fact, canonical: str) -> str:
    """HMAC-SHA256(key, customer_id 0x1F fact 0x1F canonical reading) as hex: the form facts are kept in.

    Args:
        key: secret shared by the bank's side and the bot's, at least 16 bytes.
        customer_id: binds the digest to one customer, so that equal code words do not look equal.
        fact: binds it to one kind of fact.
        canonical: canonical reading, see `FactHashes`.
    """
    message = "\x1f".join((customer_id, fact.value, canonical)).encode()
    return hmac.new(key, message, hashlib.sha256).hexdigest()


@dataclass(frozen=True, slots=True)
class BankRequest:
    """One operation for one customer.

    Attributes:
        idempotency_key: same key, same effect, however often it is sent; required for writes.
        level: how surely the caller was known when it was asked, for the bank's own log.
        facts_used: names (never values) of the facts that led there, for the bank's own log.
        call_id: the call it was asked in, for the bank's own log.
        by: the operator who asks, "" for the bot itself; for the bank's own log.
        why: his reason in words; for the bank's own log.
        confirmation: the question that the caller answered with yes, and how ("confirm_block by keys"), "" when
            none was asked; for the logs.
    """

    operation: BankOperation
    customer_id: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    idempotency_key: str = ""
    level: AssuranceLevel = AssuranceLevel.NONE
    facts_used: tuple[str, ...] = ()
    call_id: str = ""
    by: str = ""
    why: str = ""
    confirmation: str = ""


@dataclass(frozen=True, slots=True)
class Refused:
    """What was wanted and never asked of the bank, because the ladder refused it.

    Attributes:
        operation: key of assurance.yml.
        customer_id: whose account it was about, "" when unknown.
        level: reached.
        facts_used: names of the facts proven.
        why: a reason of the ladder, or "not_allowed" when a flow asked without having authenticated.
    """

    operation: str
    customer_id: str
    level: AssuranceLevel
    facts_used: tuple[str, ...]
    call_id: str
    why: str


@dataclass(frozen=True, slots=True)
class BankAnswer:
    """What the back end confirmed.

    Attributes:
        values: results by name ("balance_minor", "currency", "already_blocked", "cards").
        reference: number that the caller may quote, "" for reads.
    """

    operation: BankOperation
    values: Mapping[str, Value] = field(default_factory=dict)
    reference: str = ""
