"""SQLite files in write-ahead mode: takes a fresh connection, gives it switched over.

Source: https://www.sqlite.org/wal.html. The first switch of a file needs it for itself alone, and SQLite does not
wait for that through its busy time-out: two processes that open a new file at once need the second to try again.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_RETRY_S: Final = 0.02


def use_write_ahead_log(connection: sqlite3.Connection, within_s: float) -> None:
    """Switch the file to WAL; blocks, so for a worker thread only.

    Args:
        connection: outside any transaction.
        within_s: how long another process may hold the file.

    Raises:
        sqlite3.OperationalError: it is still locked, or cannot be written.
    """
    until_s = time.monotonic() + within_s
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= until_s:
                raise
        time.sleep(_RETRY_S)
