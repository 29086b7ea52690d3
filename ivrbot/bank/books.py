"""What every operation of the demo bank works on: the open file, the bank's date, numbers for references.

Takes a SQLite connection, gives rows and effects; the caller holds the transaction.
"""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from ivrbot.bank.demo import CUSTOMERS
from ivrbot.errors import BankUnavailable

_MOSCOW_OFFSET = timedelta(hours=3)

SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS customers (
    customer_id TEXT PRIMARY KEY, phone TEXT UNIQUE NOT NULL, name TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS facts (customer_id TEXT NOT NULL, fact TEXT NOT NULL, hash TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS cards (
    customer_id TEXT NOT NULL, last4 TEXT NOT NULL, position INTEGER NOT NULL, kind TEXT NOT NULL,
    status TEXT NOT NULL, balance_minor INTEGER NOT NULL, limit_minor INTEGER NOT NULL, reference TEXT NOT NULL,
    PRIMARY KEY (customer_id, last4));
CREATE TABLE IF NOT EXISTS transactions (
    entry INTEGER PRIMARY KEY, customer_id TEXT NOT NULL, last4 TEXT NOT NULL, days_ago INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL, merchant TEXT NOT NULL, category TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS products (
    customer_id TEXT NOT NULL, operation TEXT NOT NULL, facts_json TEXT NOT NULL,
    PRIMARY KEY (customer_id, operation));
CREATE TABLE IF NOT EXISTS services (customer_id TEXT NOT NULL, service TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS claims (customer_id TEXT NOT NULL, claim_json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS reissues (
    customer_id TEXT NOT NULL, last4 TEXT NOT NULL, reference TEXT NOT NULL, PRIMARY KEY (customer_id, last4));
CREATE TABLE IF NOT EXISTS notes (
    reference TEXT PRIMARY KEY, customer_id TEXT NOT NULL, kind TEXT NOT NULL, note TEXT NOT NULL,
    written_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS offers (customer_id TEXT NOT NULL, offer TEXT NOT NULL, made_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS limits (
    customer_id TEXT NOT NULL, limit_kind TEXT NOT NULL, amount_minor INTEGER NOT NULL,
    PRIMARY KEY (customer_id, limit_kind));
CREATE TABLE IF NOT EXISTS effects (
    idempotency_key TEXT PRIMARY KEY, request_json TEXT NOT NULL, answer_json TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS issued_references (reference TEXT PRIMARY KEY);
"""

EMPTIED_BY_RESET = (
    "customers", "facts", "cards", "transactions", "products", "services", "claims", "reissues", "notes", "offers",
    "limits", "effects", "issued_references",
)  # fmt: skip

CATALOGUE = "2"
"""Changes when what `demo` says of customers (beyond their state) changes; older files are filled up."""


@dataclass(frozen=True, slots=True)
class Books:
    """The open books.

    Attributes:
        db: connection with `sqlite3.Row` rows, used by one thread.
        clock: aware UTC now.
    """

    db: sqlite3.Connection
    clock: Callable[[], datetime]

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Rows of a query.

        Raises:
            BankUnavailable: the file cannot be read.
        """
        try:
            return self.db.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise BankUnavailable(f"demo bank: {type(error).__name__}") from error

    def put(self, table: str, *values: object) -> None:
        """Insert a row."""
        marks = ", ".join("?" * len(values))
        self.db.execute(f"INSERT INTO {table} VALUES ({marks})", values)

    def cards(self, customer_id: str) -> list[sqlite3.Row]:
        """A customer's cards, in their order."""
        return self.rows("SELECT * FROM cards WHERE customer_id = ? ORDER BY position", customer_id)

    def today(self) -> date:
        """The date at the bank."""
        return (self.clock() + _MOSCOW_OFFSET).date()

    def new_reference(self) -> str:
        """Six digits, never given before: short enough to be read aloud and written down."""
        while True:
            reference = _dictatable()
            try:
                self.put("issued_references", reference)
            except sqlite3.IntegrityError:
                continue
            return reference

    def put_catalogue(self) -> None:
        """What customers have and did; calls do not change it."""
        import json

        for customer in CUSTOMERS:
            who = customer.customer_id
            for done in customer.operations:
                row = (None, who, done.last4, done.days_ago, done.amount_minor, done.merchant, done.category)
                self.put("transactions", *row)
            for operation, facts in customer.products:
                self.put("products", who, operation, json.dumps(dict(facts)))


def _dictatable() -> str:
    """Six digits, the first no zero, none twice in a row: of two like digits one is easily missed by ear."""
    digits = str(1 + secrets.randbelow(9))
    while len(digits) < 6:
        digits += secrets.choice([digit for digit in "0123456789" if digit != digits[-1]])
    return digits
