"""The operations log of the demo bank: rows chained by HMAC-SHA256, so that no row can be changed or taken away.

Takes entries inside the caller's transaction, gives them back and says where the chain is broken.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

_TABLES = (
    "CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, entry_json TEXT NOT NULL, chain TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS log_head (only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL, "
    "seal TEXT NOT NULL)",
)

BEGINNING = {"operation": "log_begun", "result": "ok"}
"""First entry of a log; one without it has been emptied."""


@dataclass(frozen=True, slots=True)
class Broken:
    """Where a log is not as it was written.

    Attributes:
        row: number of the first such row, from 1.
        why: "changed" (the row, its place or the key is another) or "missing" (a row that must be there is not).
    """

    row: int
    why: str


class OperationsLog:
    """Append-only; the head row says, sealed, how long the log must be, so that its end cannot be cut off.

    Whoever puts an older copy of the whole file in its place is not found out by the file alone.
    """

    def __init__(self, db: sqlite3.Connection, key: bytes, *, begun: bool = False) -> None:
        """Create the tables.

        Args:
            db: connection with `sqlite3.Row` rows, used by one thread.
            key: of the chain; rows written with another key do not verify.
            begun: the first row says that the log was begun; one that was emptied has none.

        Raises:
            sqlite3.Error: the file cannot be written.
        """
        self._db = db
        self._key = key
        self._begun = begun
        # One transaction: of two processes that open a new file at once, one begins the log.
        db.execute("BEGIN IMMEDIATE")
        try:
            known = db.execute("SELECT 1 FROM sqlite_master WHERE name = 'log'").fetchone()
            for table in _TABLES:
                db.execute(table)
            if known is None and begun:
                self.append(BEGINNING, datetime.now(UTC))
        except BaseException:
            db.execute("ROLLBACK")
            raise
        db.execute("COMMIT")

    def append(self, entry: Mapping[str, Any], at: datetime) -> None:
        """Write an entry; the caller holds a transaction.

        Raises:
            sqlite3.Error: not written.
        """
        last = self._db.execute("SELECT seq, chain FROM log ORDER BY seq DESC LIMIT 1").fetchone()
        seq, before = (last["seq"] + 1, last["chain"]) if last else (1, "")
        stamp = at.astimezone(UTC).isoformat(timespec="milliseconds")
        text = json.dumps({"at": stamp, **entry}, ensure_ascii=False, sort_keys=True)
        chain = self._seal(str(seq), before, text)
        self._db.execute("INSERT INTO log VALUES (?, ?, ?)", (seq, text, chain))
        self._db.execute(
            "INSERT OR REPLACE INTO log_head VALUES (1, ?, ?)", (seq, self._seal("head", str(seq), chain))
        )

    def entries(self) -> list[dict[str, Any]]:
        """All entries, oldest first."""
        rows = self._db.execute("SELECT entry_json FROM log ORDER BY seq").fetchall()
        return [json.loads(row["entry_json"]) for row in rows]

    def verify(self) -> Broken | None:
        """The first row that is changed, moved or missing; None when the log is whole."""
        before, expected = "", 1
        for row in self._db.execute("SELECT * FROM log ORDER BY seq").fetchall():
            if row["seq"] != expected:
                return Broken(expected, "missing")
            chain = self._seal(str(expected), before, row["entry_json"])
            if not hmac.compare_digest(chain, row["chain"]) or not self._begins_well(expected, row["entry_json"]):
                return Broken(expected, "changed")
            before, expected = chain, expected + 1
        return self._verify_end(before, expected)

    def _begins_well(self, seq: int, text: str) -> bool:
        return seq > 1 or not self._begun or json.loads(text).get("operation") == BEGINNING["operation"]

    def _verify_end(self, last_chain: str, expected: int) -> Broken | None:
        """Compare the sealed end with the row behind the last."""
        head = self._db.execute("SELECT * FROM log_head").fetchone()
        if head is None:
            return None if expected == 1 and not self._begun else Broken(expected, "missing")
        if hmac.compare_digest(self._seal("head", str(expected - 1), last_chain), head["seal"]):
            return None
        return Broken(expected, "missing")

    def _seal(self, *parts: str) -> str:
        return hmac.new(self._key, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()
