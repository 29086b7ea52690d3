"""What is asked of the bank's back end, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

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
    GET_BALANCE = "get_balance"


@dataclass(frozen=True, slots=True)
class Customer:
    """The little that the bot may know of a customer before anything was proven."""

    customer_id: str
    name: str


@dataclass(frozen=True, slots=True)
class FactHashes:
    """Keyed hashes of a customer's facts; a fact may have several accepted readings.

    Attributes:
        hashes: per fact, hex digests of HMAC-SHA256(key, customer_id 0x1F fact 0x1F canonical reading).
    """

    customer_id: str
    hashes: Mapping[Fact, frozenset[str]]


@dataclass(frozen=True, slots=True)
class BankRequest:
    """One operation for one customer.

    Attributes:
        idempotency_key: same key, same effect, however often it is sent; required for writes.
    """

    operation: BankOperation
    customer_id: str
    arguments: Mapping[str, Value] = field(default_factory=dict)
    idempotency_key: str = ""


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
