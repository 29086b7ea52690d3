"""Write-ahead mode while another process has the file."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from ivrbot.sqlitefile import use_write_ahead_log


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)


def _holding(path: Path) -> sqlite3.Connection:
    holder = _connect(path)
    holder.execute("CREATE TABLE t (x)")
    holder.execute("BEGIN EXCLUSIVE")
    return holder


def test_the_second_to_open_a_new_file_waits_for_the_first(tmp_path: Path) -> None:
    holder = _holding(tmp_path / "db")
    second = _connect(tmp_path / "db")
    release = threading.Timer(0.1, lambda: holder.execute("COMMIT"))
    release.start()
    use_write_ahead_log(second, within_s=30)
    release.join()
    assert second.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    holder.close()
    second.close()


def test_a_file_that_stays_locked_is_an_error(tmp_path: Path) -> None:
    holder = _holding(tmp_path / "db")
    second = _connect(tmp_path / "db")
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        use_write_ahead_log(second, within_s=0)
    holder.close()
    second.close()
