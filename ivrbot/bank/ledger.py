"""The demo bank's books: one SQLite file, synchronous, used by one thread.

Takes a path and the key of the facts' hashes, gives reads and idempotent writes. Everything that is asked goes
into the operations log, in the same transaction as its effect.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from ivrbot.bank.books import CATALOGUE, EMPTIED_BY_RESET, SCHEMA, Books
from ivrbot.bank.demo import CURRENCY, CUSTOMERS, DemoCustomer
from ivrbot.bank.oplog import Broken, OperationsLog
from ivrbot.bank.reads import READS
from ivrbot.bank.writes import WRITES
from ivrbot.errors import BankError, BankRejected, BankUnavailable
from ivrbot.language.phonetic import KEY_RULES, loose_key, phonetic_key
from ivrbot.model.bank import BankAnswer, BankRequest, Customer, Fact, FactHashes, fact_hash
from ivrbot.model.dialogue import Value
from ivrbot.sqlitefile import use_write_ahead_log

T = TypeVar("T")

BUSY_TIMEOUT_S = 2.0


class DemoLedger:
    """The books; every method may raise `BankUnavailable` when the file cannot be read or written."""

    def __init__(self, path: Path, key: bytes, clock: Callable[[], datetime]) -> None:
        """Open or create the file.

        Args:
            path: SQLite file; its folder is created.
            key: of `fact_hash` and of the log's chain, at least 16 bytes.
            clock: aware UTC now.
        """
        self._key = key
        self._clock = clock
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Opened in the worker thread, closed there too; the flag only spares the check at interpreter exit.
            self._db = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False)
        except (OSError, sqlite3.Error) as error:
            raise BankUnavailable(f"demo bank cannot be opened: {type(error).__name__}") from error
        try:
            self._db.row_factory = sqlite3.Row
            use_write_ahead_log(self._db, BUSY_TIMEOUT_S)
            self._db.execute("PRAGMA synchronous=FULL")
            self._db.executescript(SCHEMA)
            self._books = Books(self._db, clock)
            self._log = OperationsLog(self._db, key)
            self._prepare()
        except (BankError, sqlite3.Error) as error:
            self._db.close()
            raise BankUnavailable(f"demo bank cannot be opened: {type(error).__name__}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """One write transaction, taken at once so that two processes cannot both read before writing."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise BankUnavailable(f"demo bank: {type(error).__name__}") from error

    def _rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        return self._books.rows(sql, *values)

    # --- filling ----------------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Fill an empty file; when the key or the rules of phonetic keys have changed, hash the facts anew."""
        mark = hmac.new(self._key, b"ivrbot demo bank key %d" % KEY_RULES, hashlib.sha256).hexdigest()
        with self._transaction():
            known = self._rows("SELECT value FROM meta WHERE name = 'key'")
            if not known:
                self._fill()
            elif known[0]["value"] != mark:
                self._db.execute("DELETE FROM facts")
                for customer in CUSTOMERS:
                    self._put_facts(customer)
            if known and not self._rows("SELECT 1 FROM meta WHERE name = 'catalogue' AND value = ?", CATALOGUE):
                self._db.execute("DELETE FROM transactions")
                self._db.execute("DELETE FROM products")
                self._books.put_catalogue()
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('key', ?), ('catalogue', ?)", (mark, CATALOGUE))

    def reset(self) -> None:
        """Back to the first day; the log goes on."""
        with self._transaction():
            for table in EMPTIED_BY_RESET:
                self._db.execute(f"DELETE FROM {table}")
            self._fill()
            self._log.append({"operation": "reset", "result": "ok"}, self._clock())

    def _fill(self) -> None:
        for customer in CUSTOMERS:
            self._put_customer(customer)
            self._put_facts(customer)
        self._books.put_catalogue()

    def _put_customer(self, customer: DemoCustomer) -> None:
        who, put = customer.customer_id, self._db.execute
        put("INSERT INTO customers VALUES (?, ?, ?)", (who, customer.phone, customer.name))
        for at, card in enumerate(customer.cards):
            row = (
                who,
                card.last4,
                at,
                card.kind,
                card.status,
                card.balance_minor,
                card.limit_minor,
                card.reference,
            )
            put("INSERT INTO cards VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
            if card.reference:
                put("INSERT INTO issued_references VALUES (?)", (card.reference,))
        for service in customer.services:
            put("INSERT INTO services VALUES (?, ?)", (who, service))

    def _put_facts(self, customer: DemoCustomer) -> None:
        readings = {(Fact.DATE_OF_BIRTH, customer.born)}
        readings |= {(Fact.LAST_FOUR, card.last4) for card in customer.cards}
        readings |= {(Fact.CODE_WORD, phonetic_key(words, language)) for language, words in customer.code_words}
        # `ivrbot code-words check` finds nothing against the demo's words, so that the loose key holds, too.
        loose = (loose_key(words, language) for language, words in customer.code_words)
        readings |= {(Fact.CODE_WORD, key) for key in loose if key}
        for language, parts in customer.names:
            for spoken in (parts, (parts[0], parts[-1])):
                keys = sorted(phonetic_key(part, language) for part in spoken)
                readings.add((Fact.FULL_NAME, " ".join(keys)))
        for fact, canonical in sorted(readings):
            digest = fact_hash(self._key, customer.customer_id, fact, canonical)
            self._db.execute("INSERT INTO facts VALUES (?, ?, ?)", (customer.customer_id, fact.value, digest))

    # --- reading ----------------------------------------------------------------------------------------------

    def find_customer(self, phone: str) -> Customer | None:
        """Customer of an E.164 number."""
        rows = self._rows("SELECT customer_id, name, phone FROM customers WHERE phone = ?", phone)
        return Customer(rows[0]["customer_id"], rows[0]["name"], rows[0]["phone"]) if rows else None

    def find_by_name(self, names: Sequence[str], born: Sequence[str]) -> tuple[Customer, ...]:
        """Customers who have one of the names and one of the birth dates, by their hashes."""
        wanted = {Fact.FULL_NAME: names, Fact.DATE_OF_BIRTH: born}
        found = []
        for row in self._rows("SELECT customer_id, name, phone FROM customers ORDER BY customer_id"):
            kept = self.fact_hashes(row["customer_id"]).hashes
            if all(
                any(
                    fact_hash(self._key, row["customer_id"], fact, said) in kept.get(fact, ()) for said in readings
                )
                for fact, readings in wanted.items()
            ):
                found.append(Customer(row["customer_id"], row["name"], row["phone"]))
        return tuple(found)

    def fact_hashes(self, customer_id: str) -> FactHashes:
        """Keyed hashes; of an unknown customer there are none."""
        found: dict[Fact, set[str]] = {}
        for row in self._rows("SELECT fact, hash FROM facts WHERE customer_id = ?", customer_id):
            found.setdefault(Fact(row["fact"]), set()).add(row["hash"])
        return FactHashes(customer_id, {fact: frozenset(hashes) for fact, hashes in found.items()})

    def show(self, caller: str | None) -> list[dict[str, Any]]:
        """State of all customers, or of the one with this number, in the shape of `bank show`."""
        shown = []
        for row in self._rows("SELECT * FROM customers ORDER BY customer_id"):
            if caller is None or row["phone"] == caller:
                who = row["customer_id"]
                claims = self._rows("SELECT claim_json FROM claims WHERE customer_id = ?", who)
                services = self._rows("SELECT service FROM services WHERE customer_id = ?", who)
                shown.append(
                    {
                        "caller": row["phone"],
                        "name": row["name"],
                        "cards": [_shown_card(card) for card in self._books.cards(who)],
                        "claims": [json.loads(claim["claim_json"]) for claim in claims],
                        "services": [service["service"] for service in services],
                    }
                )
        return shown

    # --- doing ------------------------------------------------------------------------------------------------

    def execute(self, request: BankRequest) -> BankAnswer:
        """Do it and log it in one transaction; a refusal is logged as well.

        Raises:
            BankRejected: refused; nothing changed.
        """
        refusal: BankRejected | None = None
        with self._transaction():
            try:
                answer = self._once(request) if request.operation.writes else self._told(request)
                result, reference = "ok", answer.reference
            except BankRejected as error:
                refusal, result, reference = error, f"rejected: {error}", ""
            self._log.append(_log_entry(request, result, reference), self._clock())
        if refusal is not None:
            raise refusal
        return answer

    def _told(self, request: BankRequest) -> BankAnswer:
        return READS[request.operation](self._books, request)

    def _once(self, request: BankRequest) -> BankAnswer:
        """A write: the same idempotency key gives the first answer again."""
        if not request.idempotency_key:
            raise BankRejected("a write needs an idempotency key")
        asked = json.dumps(
            [request.operation.value, request.customer_id, dict(request.arguments)],
            sort_keys=True,
            ensure_ascii=False,
        )
        rows = self._rows("SELECT * FROM effects WHERE idempotency_key = ?", request.idempotency_key)
        if rows:
            if rows[0]["request_json"] != asked:
                raise BankRejected("idempotency key was used for another request")
            stored = json.loads(rows[0]["answer_json"])
            return BankAnswer(request.operation, _frozen(stored["values"]), stored["reference"])
        answer = WRITES[request.operation](self._books, request)
        kept = json.dumps({"values": dict(answer.values), "reference": answer.reference}, ensure_ascii=False)
        self._db.execute("INSERT INTO effects VALUES (?, ?, ?)", (request.idempotency_key, asked, kept))
        return answer

    def log(self) -> list[dict[str, Any]]:
        """The operations log, oldest first."""
        return self._guarded(self._log.entries)

    def verify_log(self) -> Broken | None:
        """The first row of the log that is not as it was written, None when all are."""
        return self._guarded(self._log.verify)

    def _guarded(self, read: Callable[[], T]) -> T:
        try:
            return read()
        except sqlite3.Error as error:
            raise BankUnavailable(f"demo bank: {type(error).__name__}") from error


def _shown_card(card: sqlite3.Row) -> dict[str, Any]:
    shown = {name: card[name] for name in ("last4", "kind", "status", "balance_minor")}
    shown["currency"] = CURRENCY
    if card["limit_minor"]:
        shown["limit_minor"] = card["limit_minor"]
    return shown


def _log_entry(request: BankRequest, result: str, reference: str) -> dict[str, Any]:
    person = {"by": request.by, "why": request.why} if request.by else {}
    return {
        "operation": request.operation.value,
        "customer_id": request.customer_id,
        "arguments": dict(request.arguments),
        "idempotency_key": request.idempotency_key,
        "call_id": request.call_id,
        "level": request.level.value,
        "facts_used": list(request.facts_used),
        "confirmation": request.confirmation,
        "result": result,
        "reference": reference,
        **person,
    }


def _frozen(values: Mapping[str, Any]) -> dict[str, Value]:
    """JSON lists as tuples again."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
