"""The operations log of the demo bank: rows chained by HMAC-SHA256, so that no row can be changed or taken away.

Takes entries inside the caller's transaction, gives them back and says where the chain is broken.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

_SCHEMA = """
CREATE TABLE IF NOT EXISTS log (seq INTEGER PRIMARY KEY, entry_json TEXT NOT NULL, chain TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS log_head (
    only INTEGER PRIMARY KEY CHECK (only = 1), seq INTEGER NOT NULL, seal TEXT NOT NULL);
"""


class OperationsLog:
    """Append-only; the head row says, sealed, how long the log must be, so that its end cannot be cut off."""

    def __init__(self, db: sqlite3.Connection, key: bytes) -> None:
        """Create the tables.

        Args:
            db: connection with `sqlite3.Row` rows, used by one thread.
            key: of the chain; rows written with another key do not verify.
        """
        self._db = db
        self._key = key
        db.executescript(_SCHEMA)

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

    def verify(self) -> int | None:
        """Number of the first row that is changed, moved or missing; None when the log is whole."""
        before, expected = "", 1
        for row in self._db.execute("SELECT * FROM log ORDER BY seq").fetchall():
            chain = self._seal(str(expected), before, row["entry_json"])
            if row["seq"] != expected or not hmac.compare_digest(chain, row["chain"]):
                return expected
            before, expected = chain, expected + 1
        head = self._db.execute("SELECT * FROM log_head").fetchone()
        if head is None:
            return None if expected == 1 else expected
        whole = hmac.compare_digest(self._seal("head", str(expected - 1), before), head["seal"])
        return None if whole else expected

    def _seal(self, *parts: str) -> str:
        return hmac.new(self._key, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()
